//! The ranks of waiting files: which of the places that the user ranked a file is in.
//!
//! A file has the rank of the place where it was when it began to wait, was renamed itself, or the priorities were
//! set. A directory that is renamed above it meanwhile changes nothing: only the order is at stake, and looking at all
//! that waits below would cost more than that.

use std::collections::BTreeSet;

use super::missing::Version;
use super::vault::Vault;
use super::{Priorities, Rank, Tree};

/// Files whose place is looked up before operations get their turn.
const BATCH: usize = 256;

impl Vault {
    /// Lets these priorities hold from now on, for all that waits and will wait.
    pub fn set_priorities(&self, priorities: Priorities) {
        let before = std::mem::replace(&mut *self.priorities.write(), priorities);
        let priorities = self.priorities.read();
        if *priorities != before {
            let all = self.waiting.lock().all();
            self.rank_by(&priorities, &all);
        }
    }

    /// Whether some content is to come before other.
    pub fn has_priorities(&self) -> bool {
        !self.priorities.read().is_empty()
    }

    /// Gives waiting versions the rank of their place.
    pub(super) fn rank(&self, versions: &BTreeSet<Version>) {
        let priorities = self.priorities.read();
        if !priorities.is_empty() {
            self.rank_by(&priorities, &versions.iter().copied().collect::<Vec<_>>());
        }
    }

    fn rank_by(&self, priorities: &Priorities, versions: &[Version]) {
        for batch in versions.chunks(BATCH) {
            let ranks: Vec<Rank> =
                self.read(|tree| batch.iter().map(|version| rank_in(tree, priorities, version)).collect());
            let mut waiting = self.waiting.lock();
            for (version, rank) in batch.iter().zip(ranks) {
                waiting.set_rank(version, rank);
            }
        }
    }
}

/// What is in no place that can be told comes with the rest.
fn rank_in(tree: &Tree, priorities: &Priorities, (node, _): &Version) -> Rank {
    let path = tree.scene().path(node).ok().flatten();
    path.map_or(Rank::Usual, |path| priorities.rank(&path))
}
