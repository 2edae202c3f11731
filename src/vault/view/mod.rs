//! The tree that a set of nodes shows: a pure function of them (rules 1 to 6 of `docs/specs/merge.md`), kept
//! as an index so that a change costs what it touches and a lookup costs a few rows.
//!
//! - [`claims`]: what one node shows and claims (rules 1, 2)
//! - [`rows`]: the index of live claims
//! - `scene`: reading: united directories (rules 3, 4), lookups and paths; `resolve`: files of one name and
//!   their tombstones (rules 5, 6); `listing`: readdir and conflicts
//! - `update`: keeping rows and [`Marks`] up with changed nodes
//! - [`naming`]: tombstone names
//!
//! Invariant, held by a test after every step of random histories: the index shows what the rules, applied
//! from scratch to all nodes, show.

mod beside;
pub mod claims;
mod listing;
pub mod naming;
mod resolve;
pub mod rows;
mod scene;
mod update;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub use listing::{Conflict, Entry, FIRST_COOKIE, Listed, Tombstone};
pub use resolve::{Holder, Loser, Resolved};
pub use rows::{NameHash, NoRows, Row, RowKey, RowSource, Rows};
pub use scene::{Claimed, Group, Scene};
pub use update::{NodeUpdate, Touched};

use beside::Beside;

use super::{DeviceRecord, Name, NodeId, NodeSource};

/// The few things that are out of the ordinary in a view. While the first four are empty, every directory
/// stands for itself and every name for one node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Marks {
    /// Names that more than one directory claims, by the directory they name.
    pub collided: BTreeMap<NodeId, BTreeSet<Name>>,
    /// Directories that rule 3 moved to the root.
    pub displaced: BTreeSet<NodeId>,
    /// What claims name as their directory and is none: shown as the root.
    pub absent: BTreeSet<NodeId>,
    /// Names with anything to show beside them or to hide, by the directory they name: several claims of
    /// which one is a file's, or a file with several versions.
    pub conflicted: BTreeMap<NodeId, BTreeSet<Name>>,
    /// The device records, whose names go into tombstone names.
    pub devices: BTreeMap<NodeId, DeviceRecord>,
    /// What has no name, live or dead: what pruning looks at.
    pub nameless: BTreeSet<NodeId>,
}

impl Marks {
    /// Whether every directory stands for itself, in the place it names.
    pub fn is_plain(&self) -> bool {
        self.collided.is_empty() && self.displaced.is_empty() && self.absent.is_empty()
    }
}

/// The view's index: rows and marks. Reading needs the nodes as well: [`View::scene`].
#[derive(Debug)]
pub struct View {
    rows: Rows,
    marks: Marks,
    names: Arc<dyn NameHash>,
    beside: Beside,
}

impl View {
    /// The view that `rows` and `marks` were kept for; both empty for no nodes.
    pub fn new(rows: Rows, marks: Marks, names: Arc<dyn NameHash>) -> Self {
        View { rows, marks, names, beside: Beside::default() }
    }

    /// The view of no nodes, in memory.
    pub fn in_memory(names: Arc<dyn NameHash>) -> Self {
        View::new(Rows::over(Arc::new(NoRows)), Marks::default(), names)
    }

    /// A copy that changes independently, to stage a merge on.
    #[must_use]
    pub fn fork(&self) -> Self {
        View::new(self.rows.clone(), self.marks.clone(), Arc::clone(&self.names))
    }

    /// What is out of the ordinary.
    pub fn marks(&self) -> &Marks {
        &self.marks
    }

    /// How many rows stand in memory, above those of a base.
    pub fn rows_changed(&self) -> usize {
        self.rows.changed()
    }

    /// The rows, to bring them over another base.
    pub fn rows_mut(&mut self) -> &mut Rows {
        &mut self.rows
    }

    /// What there is to store.
    pub fn into_parts(self) -> (Rows, Marks) {
        (self.rows, self.marks)
    }

    /// The tree that `nodes` show. They must be the nodes this view was last updated to.
    pub fn scene<'a>(&'a self, nodes: &'a dyn NodeSource) -> Scene<'a> {
        Scene { rows: &self.rows, marks: &self.marks, names: &*self.names, beside: &self.beside, nodes }
    }
}
