//! Who is told when the tree changed.
//!
//! Every change (a local operation, a merge, content that arrived) makes one [`ChangeSet`]. It is handed to
//! the subscribers after the new state is published, with no lock of the vault held, so that a subscriber
//! may read the vault. Change sets of different threads may be handed over in either order: they say what to
//! look at again, not what it is now. Never handed to the subscriber whose own operation made the change.

use std::collections::BTreeSet;
use std::sync::Arc;

use parking_lot::RwLock;

use super::view::Touched;
use super::{Name, NodeId};

/// Who asked for a change. A subscriber does not hear of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Origin(u64);

impl Origin {
    /// The vault itself and everybody who does not subscribe: merges, commands, replay.
    pub const VAULT: Origin = Origin(0);
}

/// What changed in the tree as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeSet {
    /// Names that may show something else now, or nothing: directory and name.
    pub names: BTreeSet<(NodeId, Name)>,
    /// Nodes whose attributes or shown content may have changed.
    pub nodes: BTreeSet<NodeId>,
    /// Directories were united, parted or moved by a merge: any name may show something else. Rare.
    pub everything: bool,
    /// Whose operation it was.
    pub origin: Origin,
}

impl ChangeSet {
    /// What an update of the view touched.
    pub(super) fn new(origin: Origin, touched: Touched) -> Self {
        ChangeSet { names: touched.names, nodes: touched.nodes, everything: touched.everything, origin }
    }

    /// Whether there is nothing to tell.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty() && self.nodes.is_empty() && !self.everything
    }
}

/// Told of changes to the tree. Must not block for long: the thread that made the change calls it.
pub trait Changes: Send + Sync {
    /// The tree changed as `changes` says, and shows it already.
    fn changed(&self, changes: &ChangeSet);

    /// There is a new durable head. The turn to make heads may be held: take note, and act elsewhere.
    fn committed(&self) {}
}

/// The subscribers of a vault.
#[derive(Default)]
pub(super) struct Subscribers(RwLock<Listeners>);

#[derive(Default)]
struct Listeners {
    last: u64,
    all: Vec<(Origin, Arc<dyn Changes>)>,
}

impl Subscribers {
    pub(super) fn add(&self, listener: Arc<dyn Changes>) -> Origin {
        let mut listeners = self.0.write();
        listeners.last += 1;
        let origin = Origin(listeners.last);
        listeners.all.push((origin, listener));
        origin
    }

    pub(super) fn remove(&self, origin: Origin) {
        self.0.write().all.retain(|(listening, _)| *listening != origin);
    }

    /// Hands `changes` to everyone but their origin. Call with no lock held.
    pub(super) fn tell(&self, changes: &ChangeSet) {
        if changes.is_empty() {
            return;
        }
        let listeners: Vec<_> = {
            let listeners = self.0.read();
            let others = listeners.all.iter().filter(|(origin, _)| *origin != changes.origin);
            others.map(|(_, listener)| listener.clone()).collect()
        };
        for listener in listeners {
            listener.changed(changes);
        }
    }

    /// Tells everyone of a new durable head.
    pub(super) fn tell_committed(&self) {
        let all: Vec<_> = self.0.read().all.iter().map(|(_, listener)| listener.clone()).collect();
        for listener in all {
            listener.committed();
        }
    }
}
