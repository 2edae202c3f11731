//! Entries in ascending order of their keys.

use std::collections::VecDeque;
use std::ops::{Bound, RangeBounds};

use super::node::Node;
use super::{Child, Forest, Key, LeafCodec, Trie, TrieError};

/// Iterates the entries of a trie within a range of keys, loading one leaf at a time. Ends after an error.
#[derive(Debug)]
pub struct Iter<'a, C: LeafCodec> {
    forest: &'a Forest<C>,
    bounds: (Bound<Key>, Bound<Key>),
    /// Subtrees yet to visit, the next one last.
    ahead: Vec<Child>,
    entries: VecDeque<(Key, C::Value)>,
}

impl<C: LeafCodec> Forest<C> {
    /// The entries whose keys lie in `range`, in ascending order.
    pub fn iter(&self, trie: &Trie, range: impl RangeBounds<Key>) -> Iter<'_, C> {
        let bounds = (range.start_bound().cloned(), range.end_bound().cloned());
        Iter { forest: self, bounds, ahead: trie.top().into_iter().collect(), entries: VecDeque::new() }
    }
}

impl<C: LeafCodec> Iter<'_, C> {
    /// Whether some key below `child` may lie in the range.
    fn touches(&self, child: &Child) -> bool {
        let (least, len) = (child.prefix.first_key(), child.prefix.len());
        let below = u128::MAX.checked_shr(u32::from(len) * 4).unwrap_or(0);
        let most = (u128::from_be_bytes(least) | below).to_be_bytes();
        let starts = match &self.bounds.0 {
            Bound::Included(start) => most >= *start,
            Bound::Excluded(start) => most > *start,
            Bound::Unbounded => true,
        };
        let ends = match &self.bounds.1 {
            Bound::Included(end) => least <= *end,
            Bound::Excluded(end) => least < *end,
            Bound::Unbounded => true,
        };
        starts && ends
    }

    fn advance(&mut self) -> Result<(), TrieError> {
        while self.entries.is_empty() {
            let Some(child) = self.ahead.pop() else { return Ok(()) };
            match &*self.forest.node(&child)? {
                Node::Branch(branch) => {
                    let wanted: Vec<_> =
                        branch.children.iter().filter(|c| self.touches(c)).copied().collect();
                    self.ahead.extend(wanted.into_iter().rev());
                }
                Node::Leaf(entries) => {
                    let bounds = self.bounds;
                    let wanted = entries.iter().filter(|(key, _)| bounds.contains(key));
                    self.entries.extend(wanted.cloned());
                }
            }
        }
        Ok(())
    }
}

impl<C: LeafCodec> Iterator for Iter<'_, C> {
    type Item = Result<(Key, C::Value), TrieError>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Err(error) = self.advance() {
            self.ahead.clear();
            return Some(Err(error));
        }
        self.entries.pop_front().map(Ok)
    }
}
