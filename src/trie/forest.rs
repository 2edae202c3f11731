//! All tries over one set of objects, with their common cache: loading, saving, finding.

use std::sync::Arc;

use super::node::{Branch, Node};
use super::prefix::nibble;
use super::{Child, Key, LeafCodec, Objects, Trie, TrieError};
use crate::crypto::{ObjectId, ObjectKind};
use crate::store::recent::Recent;

/// Works on tries over one set of objects. Cheap to share, safe to use from many threads.
pub struct Forest<C: LeafCodec> {
    pub(super) objects: Arc<dyn Objects>,
    cache: Recent<Node<C>>,
}

impl<C: LeafCodec> std::fmt::Debug for Forest<C> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Forest").finish_non_exhaustive()
    }
}

impl<C: LeafCodec> Forest<C> {
    /// Tries over `objects`. Decoded nodes are kept up to `cache` bytes of their encodings; decoded they take a few
    /// times that.
    pub fn new(objects: Arc<dyn Objects>, cache: usize) -> Self {
        Forest { objects, cache: Recent::new(cache) }
    }

    /// The value under `key`.
    ///
    /// # Errors
    /// Objects that are missing or invalid.
    pub fn find(&self, trie: &Trie, key: &Key) -> Result<Option<C::Value>, TrieError> {
        let mut at = trie.top();
        while let Some(child) = at {
            at = match &*self.node(&child)? {
                Node::Leaf(entries) => return Ok(find_entry(entries, key).cloned()),
                Node::Branch(branch) => next_step(branch, key),
            };
        }
        Ok(None)
    }

    /// The node that `child` names, checked to be in its place: so every walk downwards ends.
    pub(super) fn node(&self, child: &Child) -> Result<Arc<Node<C>>, TrieError> {
        let invalid = |why| TrieError::Invalid { id: child.id, why };
        if let Some(node) = self.cache.find(&child.id) {
            node.check_place(child).map_err(invalid)?;
            return Ok(node);
        }
        let bytes = self.objects.load(ObjectKind::Trie, &child.id)?;
        let node = Arc::new(Node::decode(&bytes).map_err(invalid)?);
        node.check_place(child).map_err(invalid)?;
        self.cache.insert(child.id, Arc::clone(&node), bytes.len());
        Ok(node)
    }

    /// Saves a leaf whose encoding is `bytes`.
    pub(super) fn save_leaf(
        &self,
        entries: Vec<(Key, C::Value)>,
        bytes: &[u8],
    ) -> Result<ObjectId, TrieError> {
        let id = self.objects.save(ObjectKind::Trie, bytes)?;
        self.cache.insert(id, Arc::new(Node::Leaf(entries)), bytes.len());
        Ok(id)
    }

    pub(super) fn save_branch(&self, branch: Branch) -> Result<ObjectId, TrieError> {
        let bytes = branch.encode();
        let id = self.objects.save(ObjectKind::Trie, &bytes)?;
        self.cache.insert(id, Arc::new(Node::Branch(branch)), bytes.len());
        Ok(id)
    }
}

fn find_entry<'a, V>(entries: &'a [(Key, V)], key: &Key) -> Option<&'a V> {
    let at = entries.binary_search_by(|(k, _)| k.cmp(key)).ok()?;
    entries.get(at).map(|(_, value)| value)
}

fn next_step(branch: &Branch, key: &Key) -> Option<Child> {
    if !branch.prefix.holds(key) {
        return None;
    }
    let step = nibble(key, branch.prefix.len());
    branch.children.iter().find(|child| branch.step(child) == step).copied()
}
