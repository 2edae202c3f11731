//! A committed state as the tree above it sees it: nodes of a trie, hashes of names.

use std::sync::Arc;

use super::codec::NodeCodec;
use super::error::Result;
use super::memo::Memo;
use super::view::NameHash;
use super::{Node, NodeId, NodeSource};
use crate::crypto::ContentKeys;
use crate::trie::{Forest, Trie};

/// Nodes that are remembered: an operation asks for the same few some twenty times.
const REMEMBERED: usize = 256;

/// The nodes of one trie.
pub(super) struct CommittedNodes {
    forest: Arc<Forest<NodeCodec>>,
    trie: Trie,
    lately: Memo<NodeId, Option<Arc<Node>>>,
}

impl CommittedNodes {
    /// The nodes of `trie`.
    pub(super) fn new(forest: &Arc<Forest<NodeCodec>>, trie: Trie) -> Arc<Self> {
        Arc::new(CommittedNodes { forest: Arc::clone(forest), trie, lately: Memo::new(REMEMBERED) })
    }

    /// Where they are.
    pub(super) fn forest(&self) -> &Arc<Forest<NodeCodec>> {
        &self.forest
    }

    /// They, as they are stored.
    pub(super) fn trie(&self) -> &Trie {
        &self.trie
    }
}

impl NodeSource for CommittedNodes {
    fn node(&self, id: &NodeId) -> Result<Option<Arc<Node>>> {
        // Ids end at random.
        let [.., a, b] = id.0;
        let ask = || Ok(self.forest.find(&self.trie, &id.0)?);
        self.lately.answer(u64::from(u16::from_ne_bytes([a, b])), *id, ask)
    }
}

/// Hashes names under the vault's secret, so that the order of a listing says nothing about them.
#[derive(Clone)]
pub(super) struct KeyedNames(pub(super) ContentKeys);

impl std::fmt::Debug for KeyedNames {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("KeyedNames")
    }
}

impl NameHash for KeyedNames {
    fn hash(&self, name: &[u8]) -> u64 {
        // One name hashes alike in every directory: united directories are listed in one order.
        self.0.name_hash(&NodeId::ROOT.0, name)
    }
}

/// A change of the trie from a change of a node.
pub(super) fn trie_changes(
    mut changed: Vec<(NodeId, Option<Arc<Node>>)>,
) -> Vec<crate::trie::Change<Arc<Node>>> {
    changed.sort_unstable_by_key(|(id, _)| *id);
    changed.into_iter().map(|(id, node)| (id.0, node)).collect()
}
