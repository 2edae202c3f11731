//! Files whose content is not wholly here.
//!
//! A merge needs the structure only; chunks may still be on their way. A file whose new content is not here
//! yet goes on showing the whole old one until the new is complete; a file never seen before shows its real
//! size. This is local state: which files wait, and what they show meanwhile, is kept in local records and
//! never sent. Waiting changes only the bytes read and the base of writes.
//!
//! [`Waiting`] is the table in memory: it knows for each absent object which versions of files wait for it, so
//! that an arrival costs nothing for all others; and in which order the objects are to be asked for.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use serde::{Deserialize, Serialize};

use super::{Content, NodeId, Rank, ReplicaId, Stamp};
use crate::crypto::ObjectId;

/// A content as a file shows it, with the versions that a write over it replaces.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shown {
    /// The stamps it stands (or stood) under.
    pub stamps: Vec<Stamp>,
    /// The bytes.
    pub content: Content,
}

/// How much is on its way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaitingNumbers {
    /// Files whose content is not wholly here.
    pub files: u64,
    /// Bytes of absent content as far as known: what lies below an absent list counts as a whole.
    pub bytes: u64,
}

/// An absent object, and when it is to be asked for: by rank, of small files before that of large ones. The order of
/// this type is that order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Absent {
    /// The rank of the file, the first of several.
    pub rank: Rank,
    /// Bytes of that file.
    pub len: u64,
    /// The object.
    pub id: ObjectId,
}

/// A version of a file: the node, and the stamp of its data.
pub(super) type Version = (NodeId, Stamp);

/// A version that is not wholly here.
#[derive(Debug, Clone)]
pub(super) struct Wait {
    /// What the file shows until it is; `None`: what it is anyway, its real size.
    pub(super) shown: Option<Shown>,
    /// What is absent, as far as known.
    pub(super) missing: BTreeSet<ObjectId>,
    /// How many bytes that is.
    pub(super) bytes: u64,
    /// When it is asked for.
    pub(super) turn: Turn,
}

/// When the content of a file is asked for: its rank, then its length.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Turn {
    pub(super) rank: Rank,
    pub(super) len: u64,
}

impl Turn {
    fn of(self, id: ObjectId) -> Absent {
        Absent { rank: self.rank, len: self.len, id }
    }
}

/// Who waits for an object, and the first of their turns.
#[derive(Debug, Default)]
struct Wanted {
    turn: Turn,
    versions: BTreeSet<Version>,
}

/// The versions that are not wholly here, and what they wait for.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    versions: BTreeMap<Version, Wait>,
    wanted: BTreeMap<ObjectId, Wanted>,
    /// The objects of `wanted`, in their turns.
    queue: BTreeSet<Absent>,
}

impl Waiting {
    /// `version` is not wholly here. Replaces what was known of it.
    pub(super) fn wait(&mut self, version: Version, wait: Wait) {
        self.stop(&version);
        let missing: Vec<_> = wait.missing.iter().copied().collect();
        self.versions.insert(version, wait);
        for id in missing {
            self.wanted.entry(id).or_default().versions.insert(version);
            self.requeue(&id);
        }
    }

    /// Gives a version another rank, if it waits.
    pub(super) fn set_rank(&mut self, version: &Version, rank: Rank) {
        let Some(wait) = self.versions.get_mut(version).filter(|wait| wait.turn.rank != rank) else { return };
        wait.turn.rank = rank;
        let missing: Vec<_> = wait.missing.iter().copied().collect();
        missing.iter().for_each(|id| self.requeue(id));
    }

    /// Puts an object where the first turn of those who wait for it is.
    fn requeue(&mut self, id: &ObjectId) {
        let Waiting { versions, wanted, queue } = self;
        let Some(entry) = wanted.get_mut(id) else { return };
        queue.remove(&entry.turn.of(*id));
        let turns = entry.versions.iter().filter_map(|version| versions.get(version));
        match turns.map(|wait| wait.turn).min() {
            Some(turn) => {
                entry.turn = turn;
                queue.insert(turn.of(*id));
            }
            None => drop(wanted.remove(id)),
        }
    }

    /// `version` waits no more. What was known of it, if it did.
    pub(super) fn stop(&mut self, version: &Version) -> Option<Wait> {
        let wait = self.versions.remove(version)?;
        for id in &wait.missing {
            if let Some(wanted) = self.wanted.get_mut(id) {
                wanted.versions.remove(version);
                self.requeue(id);
            }
        }
        Some(wait)
    }

    /// `id` came: the versions that now have all they were known to miss, to be looked at again.
    pub(super) fn arrived(&mut self, id: &ObjectId) -> Vec<Version> {
        let mut complete = Vec::new();
        let Some(wanted) = self.wanted.remove(id) else { return complete };
        self.queue.remove(&wanted.turn.of(*id));
        for version in wanted.versions {
            if let Some(wait) = self.versions.get_mut(&version) {
                wait.missing.remove(id);
                if wait.missing.is_empty() {
                    complete.push(version);
                }
            }
        }
        complete
    }

    /// What is known of `version`, if it waits.
    pub(super) fn of(&self, version: &Version) -> Option<&Wait> {
        self.versions.get(version)
    }

    /// The versions of `node` that wait.
    pub(super) fn of_node(&self, node: &NodeId) -> Vec<Version> {
        let lowest = Stamp { lamport: 0, replica: ReplicaId([0; 8]) };
        let from = self.versions.range((*node, lowest)..);
        from.map(|(version, _)| *version).take_while(|(other, _)| other == node).collect()
    }

    /// All versions that wait.
    pub(super) fn all(&self) -> Vec<Version> {
        self.versions.keys().copied().collect()
    }

    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.versions.is_empty()
    }

    /// How much is on its way.
    pub(super) fn numbers(&self) -> WaitingNumbers {
        let bytes = self.versions.values().map(|wait| wait.bytes).sum();
        WaitingNumbers { files: self.versions.len() as u64, bytes }
    }

    /// Up to `limit` absent objects that something waits for, in their turns, after `after`.
    pub(super) fn wanted(&self, after: Option<&Absent>, limit: usize) -> Vec<Absent> {
        let from = after.map_or(Bound::Unbounded, |last| Bound::Excluded(*last));
        self.queue.range((from, Bound::Unbounded)).take(limit).copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(n: u8) -> ObjectId {
        ObjectId([n; 32])
    }

    fn version(n: u8) -> Version {
        (NodeId([n; 16]), Stamp { lamport: 1, replica: ReplicaId([1; 8]) })
    }

    fn wait(missing: &[u8], bytes: u64) -> Wait {
        let turn = Turn { rank: Rank::Usual, len: bytes };
        Wait { shown: None, missing: missing.iter().map(|n| object(*n)).collect(), bytes, turn }
    }

    fn wanted(waiting: &Waiting, after: Option<&Absent>) -> Vec<ObjectId> {
        waiting.wanted(after, 9).iter().map(|absent| absent.id).collect()
    }

    #[test]
    fn a_version_is_complete_when_the_last_of_its_objects_came() {
        let mut waiting = Waiting::default();
        waiting.wait(version(1), wait(&[1, 2], 20));
        waiting.wait(version(2), wait(&[2], 10));
        assert_eq!(waiting.numbers(), WaitingNumbers { files: 2, bytes: 30 });
        assert_eq!(waiting.arrived(&object(9)), vec![]);
        assert_eq!(waiting.arrived(&object(2)), vec![version(2)]);
        assert_eq!(waiting.arrived(&object(1)), vec![version(1)]);
        assert!(waiting.stop(&version(1)).is_some() && waiting.stop(&version(2)).is_some());
        assert!(waiting.is_empty());
    }

    #[test]
    fn stopping_forgets_what_was_wanted() {
        let mut waiting = Waiting::default();
        waiting.wait(version(1), wait(&[1], 1));
        waiting.wait(version(1), wait(&[2, 3], 1));
        assert_eq!(wanted(&waiting, None), vec![object(2), object(3)]);
        let first = waiting.wanted(None, 1);
        assert_eq!(wanted(&waiting, first.first()), vec![object(3)]);
        assert_eq!(waiting.of_node(&version(1).0), vec![version(1)]);
        assert_eq!(waiting.of_node(&version(2).0), vec![]);
        assert!(waiting.stop(&version(1)).is_some());
        assert_eq!(wanted(&waiting, None), vec![]);
        assert!(waiting.stop(&version(1)).is_none());
    }

    #[test]
    fn ranks_come_before_lengths_and_an_object_goes_with_the_first_who_waits_for_it() {
        let mut waiting = Waiting::default();
        waiting.wait(version(1), wait(&[1, 9], 50));
        waiting.wait(version(2), wait(&[2], 10));
        waiting.wait(version(3), wait(&[3, 9], 90));
        assert_eq!(wanted(&waiting, None), [2, 1, 9, 3].map(object));
        waiting.set_rank(&version(3), Rank::First);
        waiting.set_rank(&version(2), Rank::Last);
        waiting.set_rank(&version(8), Rank::Last);
        assert_eq!(wanted(&waiting, None), [3, 9, 1, 2].map(object));
        assert!(waiting.stop(&version(3)).is_some());
        assert_eq!(wanted(&waiting, None), [1, 9, 2].map(object));
        assert_eq!(waiting.arrived(&object(9)), vec![]);
        assert_eq!(waiting.arrived(&object(1)), vec![version(1)]);
        assert_eq!(wanted(&waiting, None), [2].map(object));
    }
}
