//! One operation under way: takes stamps, changes nodes, notes the delta, and undoes all of it on failure.

use std::collections::HashMap;
use std::sync::Arc;

use super::super::error::{Result, VaultError};
use super::super::view::{Group, Scene, Touched};
use super::super::{Attr, Context, Data, Delta, Kind, Name, Node, NodeChange, NodeId, Place, Stamp, Tree};
use super::{Draw, Outcome, Undo};

/// An operation under way.
pub(super) struct Edit<'a> {
    pub(super) tree: &'a mut Tree,
    draw: Draw<'a>,
    first: Option<u64>,
    changes: Vec<(NodeId, NodeChange)>,
    index: HashMap<NodeId, usize>,
    /// What the changed nodes were.
    before: Vec<(NodeId, Option<Arc<Node>>)>,
    touched: Touched,
}

impl Tree {
    /// Runs one operation; if it fails, nothing of it remains.
    pub(super) fn operate<T>(
        &mut self,
        draw: Draw<'_>,
        act: impl FnOnce(&mut Edit<'_>) -> Result<T>,
    ) -> Result<Outcome<T>> {
        let context = self.context.clone();
        let mut edit = Edit {
            tree: self,
            draw,
            first: None,
            changes: Vec::new(),
            index: HashMap::new(),
            before: Vec::new(),
            touched: Touched::default(),
        };
        match act(&mut edit) {
            Ok(value) => Ok(edit.finish(value, context)),
            Err(error) => {
                let undo = Undo { before: edit.before, context };
                self.take_back(undo)?;
                Err(error)
            }
        }
    }

    /// An operation that finds nothing to do.
    pub(in crate::vault) fn unchanged<T>(&self, value: T) -> Outcome<T> {
        let undo = Undo { before: Vec::new(), context: self.context.clone() };
        Outcome { value, delta: None, touched: Touched::default(), undo }
    }

    /// Takes the last operation back: nothing of it remains. For an operation that could not be journalled.
    ///
    /// # Errors
    /// Of the committed state and the index.
    pub fn take_back(&mut self, undo: Undo) -> Result<()> {
        for (id, old) in &undo.before {
            if old.is_none() {
                self.private.remove(id);
            }
        }
        self.replace(undo.before)?;
        self.context = undo.context;
        Ok(())
    }
}

impl Edit<'_> {
    fn finish<T>(mut self, value: T, context: Context) -> Outcome<T> {
        let delta = (!self.changes.is_empty()).then(|| {
            // An operation that only takes away needs a stamp too, or its effect would never travel.
            let first = self.first.unwrap_or_else(|| self.stamp().lamport);
            let last = self.tree.context.lamport(&self.tree.replica);
            let changes = std::mem::take(&mut self.changes);
            Delta { replica: self.tree.replica, lamports: (first, last), changes }
        });
        let undo = Undo { before: self.before, context };
        Outcome { value, delta, touched: self.touched, undo }
    }

    /// A new stamp of this operation.
    pub(super) fn stamp(&mut self) -> Stamp {
        let stamp = self.tree.take_stamp();
        self.first.get_or_insert(stamp.lamport);
        stamp
    }

    pub(super) fn scene(&self) -> Scene<'_> {
        self.tree.scene()
    }

    /// The node, which must be there.
    pub(super) fn node(&self, id: &NodeId) -> Result<Arc<Node>> {
        self.tree.node(id)?.ok_or(VaultError::NotFound)
    }

    /// Changes one node.
    pub(super) fn change(&mut self, id: NodeId, kind: Kind, step: NodeChange) -> Result<()> {
        let old = self.tree.node(&id)?;
        let mut node = old.as_deref().cloned().unwrap_or_else(|| Node::empty(kind));
        step.apply(&mut node);
        if old.as_deref() == Some(&node) {
            return Ok(());
        }
        let touched = self.tree.replace(vec![(id, (!node.is_empty()).then(|| Arc::new(node)))])?;
        self.touched.merge(touched);
        let index = *self.index.entry(id).or_insert_with(|| {
            self.changes.push((id, NodeChange::none(kind)));
            self.before.push((id, old));
            self.changes.len() - 1
        });
        if let Some((_, change)) = self.changes.get_mut(index) {
            change.follow(step);
        }
        Ok(())
    }

    /// Makes a node.
    pub(super) fn make(
        &mut self,
        group: &Group,
        name: &Name,
        kind: Kind,
        attr: Attr,
        data: Option<Data>,
    ) -> Result<NodeId> {
        let parent = group.front();
        let id = NodeId::new(&parent, (self.draw)());
        if self.tree.node(&id)?.is_some() {
            return Err(VaultError::Inconsistent("a random node id was drawn twice"));
        }
        let stamp = self.stamp();
        let mut step = NodeChange::none(kind);
        step.places.add(stamp, Place::At { parent, name: name.clone() });
        step.attr.add(stamp, attr);
        if let Some(data) = data {
            step.data.add(stamp, data);
        }
        self.change(id, kind, step)?;
        self.tree.private.insert(id, stamp.lamport);
        Ok(id)
    }

    /// Drops every version of a node, which no peer may know.
    pub(super) fn erase(&mut self, id: NodeId) -> Result<()> {
        let node = self.node(&id)?;
        let mut step = NodeChange::none(node.kind);
        node.places.stamps().for_each(|stamp| step.places.remove(stamp));
        node.attr.stamps().for_each(|stamp| step.attr.remove(stamp));
        node.data.stamps().for_each(|stamp| step.data.remove(stamp));
        self.change(id, node.kind, step)
    }

    /// Drops the versions of a node's data that `which` picks.
    pub(super) fn drop_data(&mut self, id: NodeId, which: impl Fn(Stamp, &Data) -> bool) -> Result<()> {
        let node = self.node(&id)?;
        let mut step = NodeChange::none(node.kind);
        for (stamp, _) in node.data.iter().filter(|(stamp, data)| which(*stamp, data)) {
            step.data.remove(stamp);
        }
        self.change(id, node.kind, step)
    }
}
