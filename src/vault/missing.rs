//! Files whose content is not wholly here.
//!
//! A merge needs the structure only; chunks may still be on their way. A file whose new content is not here
//! yet goes on showing the whole old one until the new is complete; a file never seen before shows its real
//! size. This is local state: which files wait, and what they show meanwhile, is kept in local records and
//! never sent. Waiting changes only the bytes read and the base of writes.
//!
//! [`Waiting`] is the table in memory: it knows for each absent object which files wait for it, so that an
//! arrival costs nothing for all others.

use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize};

use super::{Content, NodeId, Stamp};
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
    /// Bytes of absent content as far as known: what lies below an absent list counts when the list came.
    pub bytes: u64,
}

/// One file that waits.
#[derive(Debug)]
struct File {
    shown: Option<Shown>,
    missing: HashSet<ObjectId>,
    bytes: u64,
}

/// The files that wait, and what for.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    files: HashMap<NodeId, File>,
    wanted: HashMap<ObjectId, HashSet<NodeId>>,
}

impl Waiting {
    /// `node` waits for `missing` and shows `shown` meanwhile. Replaces what was known of it.
    pub(super) fn wait(&mut self, node: NodeId, shown: Option<Shown>, missing: &[ObjectId], bytes: u64) {
        self.stop(&node);
        for id in missing {
            self.wanted.entry(*id).or_default().insert(node);
        }
        self.files.insert(node, File { shown, missing: missing.iter().copied().collect(), bytes });
    }

    /// `node` waits no more. Whether it did.
    pub(super) fn stop(&mut self, node: &NodeId) -> bool {
        let Some(file) = self.files.remove(node) else { return false };
        for id in &file.missing {
            if let Some(nodes) = self.wanted.get_mut(id) {
                nodes.remove(node);
                if nodes.is_empty() {
                    self.wanted.remove(id);
                }
            }
        }
        true
    }

    /// `id` came: the files that now have all they were known to miss, to be looked at again.
    pub(super) fn arrived(&mut self, id: &ObjectId) -> Vec<NodeId> {
        let mut complete = Vec::new();
        for node in self.wanted.remove(id).into_iter().flatten() {
            if let Some(file) = self.files.get_mut(&node) {
                file.missing.remove(id);
                if file.missing.is_empty() {
                    complete.push(node);
                }
            }
        }
        complete
    }

    /// Whether `node` waits, and what it shows meanwhile if not what it waits for.
    pub(super) fn shown(&self, node: &NodeId) -> Option<Option<&Shown>> {
        self.files.get(node).map(|file| file.shown.as_ref())
    }

    /// Whether no file waits.
    pub(super) fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// How much is on its way.
    pub(super) fn numbers(&self) -> WaitingNumbers {
        let bytes = self.files.values().map(|file| file.bytes).sum();
        WaitingNumbers { files: self.files.len() as u64, bytes }
    }

    /// Up to `limit` absent objects that files wait for.
    pub(super) fn wanted(&self, limit: usize) -> Vec<ObjectId> {
        self.wanted.keys().take(limit).copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(n: u8) -> ObjectId {
        ObjectId([n; 32])
    }

    fn node(n: u8) -> NodeId {
        NodeId([n; 16])
    }

    #[test]
    fn a_file_is_complete_when_the_last_of_its_objects_came() {
        let mut waiting = Waiting::default();
        waiting.wait(node(1), None, &[object(1), object(2)], 20);
        waiting.wait(node(2), None, &[object(2)], 10);
        assert_eq!(waiting.numbers(), WaitingNumbers { files: 2, bytes: 30 });
        assert_eq!(waiting.arrived(&object(9)), vec![]);
        assert_eq!(waiting.arrived(&object(2)), vec![node(2)]);
        assert_eq!(waiting.arrived(&object(1)), vec![node(1)]);
        assert!(waiting.stop(&node(1)) && waiting.stop(&node(2)) && waiting.is_empty());
    }

    #[test]
    fn stopping_forgets_what_was_wanted() {
        let mut waiting = Waiting::default();
        waiting.wait(node(1), None, &[object(1)], 1);
        waiting.wait(node(1), None, &[object(2)], 1);
        assert_eq!(waiting.wanted(9), vec![object(2)]);
        assert!(waiting.stop(&node(1)));
        assert_eq!(waiting.wanted(9), vec![]);
        assert!(!waiting.stop(&node(1)));
    }
}
