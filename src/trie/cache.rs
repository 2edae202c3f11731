//! Decoded trie nodes, kept for a while within a bound.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;

use super::LeafCodec;
use super::node::Node;
use crate::crypto::ObjectId;

/// Two generations: what is asked for moves to the young one; when that is full it becomes the old one and
/// what was old is dropped. Nearly as good as exact recency, at the price of one map access.
pub(crate) struct NodeCache<C: LeafCodec> {
    generations: Mutex<Generations<C>>,
    /// Encoded bytes that each generation may hold.
    limit: usize,
}

struct Generations<C: LeafCodec> {
    young: HashMap<ObjectId, (Arc<Node<C>>, usize)>,
    old: HashMap<ObjectId, (Arc<Node<C>>, usize)>,
    young_bytes: usize,
}

impl<C: LeafCodec> NodeCache<C> {
    /// A cache of nodes whose encodings come to about `bytes` in all.
    pub(crate) fn new(bytes: usize) -> Self {
        let generations = Generations { young: HashMap::new(), old: HashMap::new(), young_bytes: 0 };
        NodeCache { generations: Mutex::new(generations), limit: bytes / 2 }
    }

    pub(crate) fn node(&self, id: &ObjectId) -> Option<Arc<Node<C>>> {
        let mut generations = self.generations.lock();
        if let Some((node, _)) = generations.young.get(id) {
            return Some(Arc::clone(node));
        }
        let (node, bytes) = generations.old.remove(id)?;
        generations.keep(*id, Arc::clone(&node), bytes, self.limit);
        Some(node)
    }

    /// Keeps a node whose encoding has `bytes` bytes.
    pub(crate) fn insert(&self, id: ObjectId, node: Arc<Node<C>>, bytes: usize) {
        self.generations.lock().keep(id, node, bytes, self.limit);
    }
}

impl<C: LeafCodec> Generations<C> {
    fn keep(&mut self, id: ObjectId, node: Arc<Node<C>>, bytes: usize, limit: usize) {
        if self.young_bytes.saturating_add(bytes) > limit {
            self.old = std::mem::take(&mut self.young);
            self.young_bytes = 0;
        }
        if self.young.insert(id, (node, bytes)).is_none() {
            self.young_bytes += bytes;
        }
    }
}
