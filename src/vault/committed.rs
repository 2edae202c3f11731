//! A committed state as the tree above it sees it: nodes of a trie, hashes of names.

use std::sync::Arc;

use super::codec::NodeCodec;
use super::error::Result;
use super::view::NameHash;
use super::{Node, NodeId, NodeSource};
use crate::crypto::ContentKeys;
use crate::trie::{Forest, Trie};

/// The nodes of one trie.
pub(super) struct CommittedNodes {
    pub(super) forest: Arc<Forest<NodeCodec>>,
    pub(super) trie: Trie,
}

impl NodeSource for CommittedNodes {
    fn node(&self, id: &NodeId) -> Result<Option<Arc<Node>>> {
        Ok(self.forest.find(&self.trie, &id.0)?)
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
