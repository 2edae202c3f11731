//! Nodes, versions, stamps, commits, the view, file contents.
//!
//! The model is pure: [`node`] holds what a vault is made of, [`view`] shows it as a tree, and [`Tree`]
//! changes it as POSIX would. No clock, disk or randomness of its own. Rules: `docs/specs/merge.md`.

pub mod arrivals;
pub mod background;
pub mod changes;
pub mod check;
pub mod codec;
pub mod commit;
mod committed;
pub mod contents;
pub mod context;
pub mod delta;
pub mod device;
mod devices;
pub mod difference;
pub mod error;
pub mod files;
pub mod history;
pub mod journal;
mod lives;
mod memo;
pub mod missing;
pub mod name;
pub mod node;
mod offers;
pub mod open;
pub mod operations;
pub mod past;
mod priorities;
mod prune;
pub mod publish;
pub mod reads;
mod records;
pub mod resolving;
pub mod restoring;
pub mod revision;
mod revocations;
pub mod schedule;
pub mod source;
pub mod stamp;
mod stored_view;
#[cfg(test)]
mod tests;
pub mod trace;
pub mod tree;
mod turns;
#[allow(clippy::module_inception)]
mod vault;
pub mod versions;
pub mod view;
mod writes;

pub use background::{Fold, FoldSource};
pub use changes::{ChangeSet, Changes, Origin};
pub use check::Fault;
pub use codec::NodeCodec;
pub use commit::{Author, Commit, CommitId};
pub use contents::Content;
pub use context::Context;
pub use delta::{Change, Delta, NodeChange};
pub use device::DeviceRecord;
pub use difference::{Difference, How};
pub use error::{Result, VaultError};
pub use files::{ContentReader, Found};
pub use history::{Ancestors, Changed, LogAuthor, LogEntry};
pub use journal::{DirtyId, DirtyRun};
pub use lives::LifeMove;
pub use missing::{Absent, Shown, WaitingNumbers};
pub use name::{Name, NameError};
pub use node::{Attr, Data, Kind, Node, NodeId, Place};
pub use open::{Life, OpenReport};
pub use operations::{AttrPatch, Draw, NewNode, Outcome, Renamed, Replace, Write};
pub use past::Past;
pub use priorities::{NoPlace, Priorities, Rank};
pub use publish::{JoinNode, Merged, NodeState, Publishing, Staged};
pub use reads::{Fetch, READ_WAIT, ReadDone};
pub use resolving::{Conflicts, Decided, Keep, ResolveError};
pub use restoring::{Counts, RestoreError, Restored};
pub use revision::{Dated, OperationTimes, Revision, RevisionError};
pub use source::{NoNodes, NodeSource};
pub use stamp::{ReplicaId, Stamp};
pub use trace::{Event, Happened, Traced};
pub use tree::Tree;
pub use vault::{Head, Vault};
pub use versions::Versions;
pub use view::{Entry, Listed, Marks, Tombstone, View};

/// Hands `bytes` to all that decodes here.
#[cfg(any(test, feature = "testing"))]
pub(crate) fn feed(bytes: &[u8]) {
    use crate::trie::LeafCodec;
    let _ = NodeCodec::decode(bytes);
    let _ = Commit::decode(bytes);
    let _ = contents::Content::decode(bytes);
    let _ = contents::inspect_list(None, bytes);
    let _ = journal::Entry::decode(bytes);
    let _ = view::rows::Row::from_bytes(bytes);
    let _ = revision::Revision::decode(&String::from_utf8_lossy(bytes));
    records::feed(bytes);
}
