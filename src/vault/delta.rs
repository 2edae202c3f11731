//! What one local operation did to the nodes: the unit of the journal.
//!
//! Applying a delta twice, or over a merge that came between, is harmless: removing what is gone and adding
//! what is there changes nothing, and a merge keeps what neither side had seen the other remove.

use serde::{Deserialize, Serialize};

use super::node::{Attr, Data, Kind, Node, NodeId, Place};
use super::{ReplicaId, Stamp, Versions};

/// One operation's effect.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delta {
    /// Who made it.
    pub replica: ReplicaId,
    /// Its first and last lamport: an operation that settles something takes several stamps in a row.
    pub lamports: (u64, u64),
    /// The nodes it changed, each once, in the order they were first touched.
    pub changes: Vec<(NodeId, NodeChange)>,
}

impl Delta {
    /// Its last stamp. A context that has seen this one has the whole delta.
    pub fn stamp(&self) -> Stamp {
        Stamp { lamport: self.lamports.1, replica: self.replica }
    }
}

/// What happened to one node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeChange {
    /// What it is: makes the node if it is not there yet.
    pub kind: Kind,
    /// Its names.
    pub places: Change<Place>,
    /// Its attributes.
    pub attr: Change<Attr>,
    /// Its data.
    pub data: Change<Data>,
}

impl NodeChange {
    /// No change.
    pub fn none(kind: Kind) -> Self {
        NodeChange { kind, places: Change::default(), attr: Change::default(), data: Change::default() }
    }

    /// Makes the change to `node`.
    pub fn apply(&self, node: &mut Node) {
        self.places.apply(&mut node.places);
        self.attr.apply(&mut node.attr);
        self.data.apply(&mut node.data);
    }

    /// Becomes this change and then `next` in one.
    pub(super) fn follow(&mut self, next: NodeChange) {
        self.places.follow(next.places);
        self.attr.follow(next.attr);
        self.data.follow(next.data);
    }
}

/// What happened to one field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change<T> {
    /// Stamps of the versions removed.
    pub removed: Vec<Stamp>,
    /// Versions added.
    pub added: Vec<(Stamp, T)>,
}

impl<T> Default for Change<T> {
    fn default() -> Self {
        Change { removed: Vec::new(), added: Vec::new() }
    }
}

impl<T: Clone> Change<T> {
    /// Makes the change to `versions`.
    pub fn apply(&self, versions: &mut Versions<T>) {
        for stamp in &self.removed {
            versions.remove(stamp);
        }
        for (stamp, value) in &self.added {
            versions.insert(*stamp, value.clone());
        }
    }

    fn follow(&mut self, next: Change<T>) {
        next.removed.into_iter().for_each(|stamp| self.remove(stamp));
        next.added.into_iter().for_each(|(stamp, value)| self.add(stamp, value));
    }

    /// Notes that the version under `stamp` is removed.
    pub(super) fn remove(&mut self, stamp: Stamp) {
        let before = self.added.len();
        self.added.retain(|(own, _)| *own != stamp);
        if self.added.len() == before {
            self.removed.push(stamp);
        }
    }

    /// Notes that `value` is added.
    pub(super) fn add(&mut self, stamp: Stamp, value: T) {
        self.added.push((stamp, value));
    }
}
