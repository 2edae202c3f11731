//! The state of a vault as one replica has it now: an overlay of nodes above a committed state, the view of
//! both, and what it has seen. Local operations ([`super::operations`]) and merges change it.
//!
//! Holds in memory what changed since the last commit only. Invariants: the view is that of the nodes; the
//! context has seen every stamp in them.

use std::collections::HashMap;
use std::sync::Arc;

use super::error::{Result, VaultError};
use super::view::{NodeUpdate, Scene, Touched, View};
use super::{Context, Delta, Node, NodeId, NodeSource, ReplicaId, Stamp};

/// The nodes changed since a commit, above the commit's.
pub(super) struct Nodes {
    source: Arc<dyn NodeSource>,
    /// `None`: there is no such node any more.
    overlay: HashMap<NodeId, Option<Arc<Node>>>,
}

impl NodeSource for Nodes {
    fn node(&self, id: &NodeId) -> Result<Option<Arc<Node>>> {
        match self.overlay.get(id) {
            Some(node) => Ok(node.clone()),
            None => self.source.node(id),
        }
    }
}

/// A replica's state of a vault.
pub struct Tree {
    pub(super) nodes: Nodes,
    pub(super) view: View,
    pub(super) context: Context,
    pub(super) replica: ReplicaId,
    /// Nodes made here that were in no commit offered to a peer yet, with the lamport they were made at.
    pub(super) private: HashMap<NodeId, u64>,
    /// Set when the view could not follow a change: it must be built anew.
    broken: bool,
}

impl std::fmt::Debug for Tree {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let changed = self.nodes.overlay.len();
        f.debug_struct("Tree")
            .field("replica", &self.replica)
            .field("changed", &changed)
            .finish_non_exhaustive()
    }
}

impl Tree {
    /// The state `source` holds. `view` must be the view of it, `context` what it has seen.
    pub fn new(source: Arc<dyn NodeSource>, view: View, context: Context, replica: ReplicaId) -> Self {
        let nodes = Nodes { source, overlay: HashMap::new() };
        Tree { nodes, view, context, replica, private: HashMap::new(), broken: false }
    }

    /// The tree as it shows.
    pub fn scene(&self) -> Scene<'_> {
        self.view.scene(&self.nodes)
    }

    /// The view's index, to store its marks.
    pub fn view(&self) -> &View {
        &self.view
    }

    /// The node, if there is one.
    ///
    /// # Errors
    /// Of the committed state.
    pub fn node(&self, id: &NodeId) -> Result<Option<Arc<Node>>> {
        self.nodes.node(id)
    }

    /// What the state has seen.
    pub fn context(&self) -> &Context {
        &self.context
    }

    /// Whose stamps local operations take.
    pub fn replica(&self) -> ReplicaId {
        self.replica
    }

    /// Begins another life: operations take the stamps of `replica` from now on.
    pub fn set_replica(&mut self, replica: ReplicaId) {
        self.replica = replica;
    }

    /// A copy that changes independently, to stage a merge on without holding up readers. It has no private
    /// nodes.
    pub fn fork(&self) -> Tree {
        let nodes = Nodes { source: Arc::clone(&self.nodes.source), overlay: self.nodes.overlay.clone() };
        Tree {
            nodes,
            view: self.view.fork(),
            context: self.context.clone(),
            replica: self.replica,
            private: HashMap::new(),
            broken: self.broken,
        }
    }

    /// Notes that a commit with this context was offered to a peer: what it holds is private no longer.
    pub fn mark_offered(&mut self, context: &Context) {
        let offered = context.lamport(&self.replica);
        self.private.retain(|_, lamport| *lamport > offered);
    }

    /// Whether the node was made here and no peer can know it.
    pub fn is_private(&self, id: &NodeId) -> bool {
        self.private.contains_key(id)
    }

    /// The nodes that differ from the committed state, in no order; `None` for one that is no more.
    pub fn changed(&self) -> impl ExactSizeIterator<Item = (NodeId, Option<Arc<Node>>)> + '_ {
        self.nodes.overlay.iter().map(|(id, node)| (*id, node.clone()))
    }

    /// Puts `source`, a committed state that holds `folded`, under the overlay; what did not change since
    /// leaves the overlay.
    pub fn rebase(&mut self, source: Arc<dyn NodeSource>, folded: &[(NodeId, Option<Arc<Node>>)]) {
        self.nodes.source = source;
        for (id, node) in folded {
            let same = match (self.nodes.overlay.get(id), node) {
                (Some(Some(own)), Some(node)) => Arc::ptr_eq(own, node) || own == node,
                (Some(None), None) => true,
                _ => false,
            };
            if same {
                self.nodes.overlay.remove(id);
            }
        }
    }

    /// Applies a local operation again, from the journal. One that the state has seen changes nothing.
    ///
    /// # Errors
    /// Of the committed state and the index.
    pub fn apply(&mut self, delta: &Delta) -> Result<Touched> {
        let stamp = delta.stamp();
        if self.context.has_seen(&stamp) {
            return Ok(Touched::default());
        }
        let mut changes = Vec::with_capacity(delta.changes.len());
        for (id, change) in &delta.changes {
            let mut node = self.node(id)?.map_or_else(|| Node::empty(change.kind), |node| (*node).clone());
            change.apply(&mut node);
            changes.push((*id, (!node.is_empty()).then(|| Arc::new(node))));
        }
        let touched = self.replace(changes)?;
        self.context.observe(&stamp);
        Ok(touched)
    }

    /// Takes over what a join came to ([`crate::merge::join_states`]), of this very state.
    ///
    /// # Errors
    /// Of the committed state and the index; a context that lacks what this state has seen.
    pub fn absorb(
        &mut self,
        changes: impl IntoIterator<Item = (NodeId, Option<Arc<Node>>)>,
        context: &Context,
    ) -> Result<Touched> {
        if !context.contains(&self.context) {
            return Err(VaultError::Inconsistent("a merge of another state than this"));
        }
        let touched = self.replace(changes.into_iter().collect())?;
        self.context = context.clone();
        Ok(touched)
    }

    /// Replaces nodes (each named once) and lets the view follow.
    pub(super) fn replace(&mut self, changes: Vec<(NodeId, Option<Arc<Node>>)>) -> Result<Touched> {
        if self.broken {
            return Err(VaultError::Inconsistent("the view must be built anew"));
        }
        let mut updates = Vec::with_capacity(changes.len());
        for (id, new) in changes {
            let old = self.node(&id)?;
            updates.push(NodeUpdate { id, old, new });
        }
        for update in &updates {
            self.nodes.overlay.insert(update.id, update.new.clone());
        }
        let touched = self.view.update(&self.nodes, &updates);
        self.broken = touched.is_err();
        touched
    }

    /// The next stamp of this replica, taken into the context.
    pub(super) fn take_stamp(&mut self) -> Stamp {
        let stamp = Stamp { lamport: self.context.highest() + 1, replica: self.replica };
        self.context.observe(&stamp);
        stamp
    }
}
