//! Keeping what a restored copy of a store did to nodes that were pruned elsewhere.
//!
//! A node is pruned when every device knows its end. A copy restored from before does not, and may write to
//! it or rename it: the join would keep what is new of the node and drop the rest as known to be removed, and
//! leave a content without a name or a name without content. Whoever is to join two such states first states
//! anew what would be missing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::super::error::Result;
use super::super::view::claims::{claims, shown};
use super::super::{Context, Node, NodeChange, NodeId, Tree, Versions};
use super::edit::Edit;
use super::{Draw, Outcome};

/// A node in which two states differ: ours and theirs.
pub type Difference = (NodeId, Option<Arc<Node>>, Option<Arc<Node>>);

/// Whether [`Tree::reclaim`] may have something to do: one side knows some of what only the other has.
pub fn may_reclaim(differences: &[Difference], own: &Context, theirs: &Context) -> bool {
    differences.iter().any(|(_, ours, other)| match (ours, other) {
        (Some(node), None) => knows_some(node, theirs),
        (None, Some(node)) => knows_some(node, own),
        _ => false,
    })
}

fn knows_some(node: &Node, seen: &Context) -> bool {
    node.stamps().any(|stamp| seen.has_seen(&stamp))
}

impl Tree {
    /// Before a join with a state that has seen `theirs` and differs in `differences`: states anew what the
    /// join would take from nodes that one side pruned and the other changed without knowing. Between states
    /// of replicas that remember all they ever said there are none.
    ///
    /// # Errors
    /// Of the committed state and the index.
    pub fn reclaim(
        &mut self,
        differences: &[Difference],
        theirs: &Context,
        draw: Draw<'_>,
    ) -> Result<Outcome<()>> {
        let own = self.context().clone();
        self.operate(draw, |edit| {
            let ours = differences.iter().filter(|(.., other)| other.is_none());
            edit.reclaim_from(theirs, ours.filter_map(|(id, node, _)| Some((*id, node.as_deref()?))))?;
            let others = differences.iter().filter(|(_, own, _)| own.is_none());
            edit.reclaim_from(&own, others.filter_map(|(id, _, node)| Some((*id, node.as_deref()?))))
        })
    }
}

impl Edit<'_> {
    /// Of the nodes that only one side has, states anew what the other has `seen`, where anything that it has
    /// not seen depends on it.
    fn reclaim_from<'n>(
        &mut self,
        seen: &Context,
        held: impl Iterator<Item = (NodeId, &'n Node)>,
    ) -> Result<()> {
        let held: BTreeMap<NodeId, &Node> = held.collect();
        let changed = held.iter().filter(|(_, node)| is_named_anew(node, seen) || is_news(&node.data, seen));
        let mut todo: Vec<NodeId> = changed.map(|(id, _)| *id).collect();
        let mut done = BTreeSet::new();
        while let Some(id) = todo.pop() {
            let Some(node) = held.get(&id).filter(|_| done.insert(id)) else { continue };
            let claims = claims(node);
            if !claims.is_empty() {
                let step = self.restated(node, seen);
                self.change(id, node.kind, step)?;
            }
            todo.extend(claims.into_iter().map(|claim| claim.parent));
        }
        Ok(())
    }

    fn restated(&mut self, node: &Node, seen: &Context) -> NodeChange {
        let mut step = NodeChange::none(node.kind);
        if !is_named_anew(node, seen) {
            let placed = node.is_placed() && !node.is_directory();
            let winner = node.places.winner().map(|(stamp, _)| stamp);
            for (old, place) in node.places.iter().filter(|(stamp, _)| seen.has_seen(stamp)) {
                if if placed { place.is_at() } else { Some(old) == winner } {
                    step.places.remove(old);
                    step.places.add(self.stamp(), place.clone());
                }
            }
        }
        if !is_news(&node.attr, seen)
            && let Some((old, attr)) = node.attr.winner()
        {
            step.attr.remove(old);
            step.attr.add(self.stamp(), attr.clone());
        }
        if !is_news(&node.data, seen) {
            for (old, data) in shown(node) {
                step.data.remove(old);
                step.data.add(self.stamp(), data.clone());
            }
        }
        step
    }
}

/// Whether it has a name that was not seen. That one was taken from it says nothing: it was removed, all of it.
fn is_named_anew(node: &Node, seen: &Context) -> bool {
    node.places.iter().any(|(stamp, place)| place.is_at() && !seen.has_seen(&stamp))
}

/// Whether anything of it was not seen.
fn is_news<T>(versions: &Versions<T>, seen: &Context) -> bool {
    versions.stamps().any(|stamp| !seen.has_seen(&stamp))
}
