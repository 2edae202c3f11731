//! What stands beside the names of a directory, kept once it was worked out: a listing asks for it page by
//! page, and an operation in a large united directory must not look through all of it.
//!
//! Derived from the view and dropped at will; never part of what a view *is*.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use parking_lot::Mutex;

use super::super::{Name, NodeId, Stamp};
use super::Tombstone;

/// The most directories kept; beyond it all are dropped.
const MOST: usize = 1024;

/// A version that lost: its stamp, its node, the name it stands beside. In the order names are given out.
pub(super) type Losing = (Stamp, NodeId, Name);

#[derive(Debug, Default)]
struct Kept {
    losers: Arc<BTreeSet<Losing>>,
    /// With their names, while these are sure.
    tombstones: Option<Arc<Vec<Tombstone>>>,
}

/// By the front of each directory.
#[derive(Debug, Default)]
pub(super) struct Beside(Mutex<HashMap<NodeId, Kept>>);

impl Beside {
    pub(super) fn tombstones(&self, front: &NodeId) -> Option<Arc<Vec<Tombstone>>> {
        self.0.lock().get(front)?.tombstones.clone()
    }

    pub(super) fn losers(&self, front: &NodeId) -> Option<Arc<BTreeSet<Losing>>> {
        self.0.lock().get(front).map(|kept| Arc::clone(&kept.losers))
    }

    pub(super) fn keep(&self, front: NodeId, losers: Arc<BTreeSet<Losing>>, tombstones: Arc<Vec<Tombstone>>) {
        let mut all = self.0.lock();
        if all.len() >= MOST {
            all.clear();
        }
        all.insert(front, Kept { losers, tombstones: Some(tombstones) });
    }

    /// Replaces what stands beside one name. `unsettles`: a claim of that name may be in the way of a
    /// tombstone's.
    pub(super) fn replace(&self, front: &NodeId, name: &Name, losers: Vec<Losing>, unsettles: bool) {
        let mut all = self.0.lock();
        let Some(kept) = all.get_mut(front) else { return };
        let old: BTreeSet<&Losing> = kept.losers.iter().filter(|(.., beside)| beside == name).collect();
        let same = old.len() == losers.len() && losers.iter().all(|loser| old.contains(loser));
        if !same {
            let mut changed: BTreeSet<Losing> =
                kept.losers.iter().filter(|(.., beside)| beside != name).cloned().collect();
            changed.extend(losers);
            kept.losers = Arc::new(changed);
        }
        if !same || unsettles {
            kept.tombstones = None;
        }
    }

    /// Drops all names, which other device names have changed.
    pub(super) fn forget_names(&self) {
        self.0.lock().values_mut().for_each(|kept| kept.tombstones = None);
    }

    pub(super) fn clear(&self) {
        self.0.lock().clear();
    }
}
