//! Times that are in no node: when names in a directory changed, when anything of a file but its bytes did,
//! and times of access that a program set.
//!
//! They are this device's own. In a node they would be versions of its attributes, and a file made here would
//! compete with a change of permissions made elsewhere: the later would win, and the permissions be lost.
//! Kept for the [`MOST`] nodes that changed last, and over a clean end of the mount, in a local record that
//! is never sent. Where nothing is kept, the time of modification stands for all.

use std::collections::HashMap;

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use crate::ambient::WallNanos;
use crate::vault::NodeId;

/// How many nodes are remembered at least; at most twice as many.
const MOST: usize = 32_768;

/// The local record of what was remembered when the mount ended.
pub(super) const RECORD: &[u8] = b"fs/times/1";

/// What is known of one node.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Moments {
    /// Last change of anything but the content.
    pub(super) changed: Option<WallNanos>,
    /// Last access, where a program set it.
    pub(super) accessed: Option<WallNanos>,
    /// Of a directory: the last change of a name in it, since its time of modification was set.
    pub(super) named: Option<WallNanos>,
}

/// What is remembered. Own lock, nothing is taken under it.
#[derive(Debug, Default)]
pub(super) struct Times(Mutex<Generations>);

/// Two generations: when the younger is full, it becomes the older, and what was older is forgotten.
#[derive(Debug, Default)]
struct Generations {
    younger: HashMap<NodeId, Moments>,
    older: HashMap<NodeId, Moments>,
}

impl Times {
    /// What is known of a node.
    pub(super) fn of(&self, node: &NodeId) -> Moments {
        let times = self.0.lock();
        times.younger.get(node).or_else(|| times.older.get(node)).copied().unwrap_or_default()
    }

    /// Something about a node changed.
    pub(super) fn changed(&self, node: &NodeId, now: WallNanos) {
        self.note(node, |moments| moments.changed = Some(now));
    }

    /// A name in a directory came or went.
    pub(super) fn named(&self, directory: &NodeId, now: WallNanos) {
        self.note(directory, |moments| (moments.changed, moments.named) = (Some(now), Some(now)));
    }

    /// A program set the time of access.
    pub(super) fn accessed(&self, node: &NodeId, time: WallNanos) {
        self.note(node, |moments| moments.accessed = Some(time));
    }

    /// The time of modification was set: names that changed before do not count.
    pub(super) fn modified(&self, node: &NodeId) {
        if self.of(node).named.is_some() {
            self.note(node, |moments| moments.named = None);
        }
    }

    fn note(&self, node: &NodeId, note: impl FnOnce(&mut Moments)) {
        let mut times = self.0.lock();
        let mut moments = match times.younger.get(node) {
            Some(moments) => *moments,
            None => times.older.remove(node).unwrap_or_default(),
        };
        note(&mut moments);
        times.younger.insert(*node, moments);
        if times.younger.len() >= MOST {
            times.older = std::mem::take(&mut times.younger);
        }
    }

    /// All of it, for the record.
    pub(super) fn encode(&self) -> Option<Vec<u8>> {
        let times = self.0.lock();
        let all: Vec<(&NodeId, &Moments)> = times.older.iter().chain(&times.younger).collect();
        postcard::to_stdvec(&all).ok().filter(|_| !all.is_empty())
    }

    /// What a record says; nothing if it cannot be read, which costs a few times only.
    pub(super) fn decode(record: &[u8]) -> Times {
        let all: Vec<(NodeId, Moments)> = postcard::from_bytes(record).unwrap_or_default();
        let younger = all.into_iter().take(2 * MOST).collect();
        Times(Mutex::new(Generations { younger, older: HashMap::new() }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(number: u32) -> NodeId {
        let mut id = [0; 16];
        id[..4].copy_from_slice(&number.to_le_bytes());
        NodeId(id)
    }

    #[test]
    fn a_time_that_was_set_counts_more_than_names_before_it() {
        let times = Times::default();
        times.named(&node(1), 5);
        assert_eq!(times.of(&node(1)), Moments { changed: Some(5), accessed: None, named: Some(5) });
        times.modified(&node(1));
        assert_eq!(times.of(&node(1)).named, None);
        times.named(&node(1), 7);
        assert_eq!(times.of(&node(1)).named, Some(7));
    }

    #[test]
    fn the_nodes_changed_last_are_remembered() {
        let times = Times::default();
        let many = 5 * MOST as u32;
        for number in 0..many {
            times.changed(&node(number), i64::from(number));
        }
        assert_eq!(times.of(&node(0)), Moments::default());
        for number in many - MOST as u32..many {
            assert_eq!(times.of(&node(number)).changed, Some(i64::from(number)));
        }
        let kept = times.0.lock();
        assert!(kept.younger.len() + kept.older.len() <= 2 * MOST);
    }

    #[test]
    fn a_record_brings_them_back() {
        let times = Times::default();
        times.named(&node(1), 5);
        times.accessed(&node(2), -9);
        let again = Times::decode(&times.encode().unwrap());
        assert_eq!(again.of(&node(1)), times.of(&node(1)));
        assert_eq!(again.of(&node(2)).accessed, Some(-9));
        assert_eq!(Times::decode(b"nonsense").of(&node(1)), Moments::default());
        assert_eq!(Times::default().encode(), None);
    }
}
