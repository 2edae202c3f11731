//! Where the nodes of a state come from, so that the model need not hold them all.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::error::Result;
use super::node::{Node, NodeId};

/// Nodes by id: the committed trie, an overlay above it, or a map in memory.
pub trait NodeSource: Send + Sync {
    /// The node, or `None` if there is none (or an empty one).
    ///
    /// # Errors
    /// Of whatever holds the nodes.
    fn node(&self, id: &NodeId) -> Result<Option<Arc<Node>>>;
}

/// All nodes in memory.
impl NodeSource for BTreeMap<NodeId, Arc<Node>> {
    fn node(&self, id: &NodeId) -> Result<Option<Arc<Node>>> {
        Ok(self.get(id).cloned())
    }
}

/// No nodes: what lies under the first overlay of a new vault.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoNodes;

impl NodeSource for NoNodes {
    fn node(&self, _: &NodeId) -> Result<Option<Arc<Node>>> {
        Ok(None)
    }
}
