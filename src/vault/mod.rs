//! Nodes, versions, stamps, commits, the view, file contents.
//!
//! The model is pure: [`node`] holds what a vault is made of, [`view`] shows it as a tree, and [`Tree`]
//! changes it as POSIX would. No clock, disk or randomness of its own. Rules: `docs/specs/merge.md`.

pub mod changes;
pub mod commit;
pub mod contents;
pub mod context;
pub mod delta;
pub mod device;
pub mod error;
pub mod journal;
pub mod missing;
pub mod name;
pub mod node;
pub mod operations;
mod records;
pub mod schedule;
pub mod source;
pub mod stamp;
pub mod tree;
pub mod versions;
pub mod view;

pub use changes::{ChangeSet, Changes, Origin};
pub use commit::{Author, Commit, CommitId};
pub use contents::Content;
pub use context::Context;
pub use delta::{Change, Delta, NodeChange};
pub use device::DeviceRecord;
pub use error::{Result, VaultError};
pub use journal::{DirtyId, DirtyRun};
pub use missing::{Shown, WaitingNumbers};
pub use name::{Name, NameError};
pub use node::{Attr, Data, Kind, Node, NodeId, Place};
pub use operations::{AttrPatch, NewNode, Outcome, Renamed, Replace};
pub use source::{NoNodes, NodeSource};
pub use stamp::{ReplicaId, Stamp};
pub use tree::Tree;
pub use versions::Versions;
pub use view::{Entry, Listed, Marks, Tombstone, View};
