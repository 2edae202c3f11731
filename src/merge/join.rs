//! The join of two states: of the nodes where they differ, and of their contexts.
//!
//! Pure: the caller finds where two tries differ, and applies what comes out. Commutative, associative and
//! idempotent, for states that hold everything their contexts claim; fast-forward is the special case that
//! one context contains the other, and gives the same.

use std::sync::Arc;

use crate::vault::error::{Result, VaultError};
use crate::vault::operations::Difference;
use crate::vault::{Context, Node, NodeId};

/// One side of a join: a node, or none, and the context of the state it belongs to.
#[derive(Clone, Copy, Debug)]
pub struct Side<'a> {
    /// The node as that state has it.
    pub node: Option<&'a Node>,
    /// What that state has seen.
    pub context: &'a Context,
}

/// Joins one node of two states; `None` if the joined state has no such node.
///
/// # Errors
/// Two kinds under one id, two values under one stamp: no honest peer makes those, but a replica that lost
/// its memory and used its stamps again does.
pub fn join_node(own: Side<'_>, theirs: Side<'_>) -> Result<Option<Node>> {
    let kind = match (own.node, theirs.node) {
        (None, None) => return Ok(None),
        (Some(node), None) | (None, Some(node)) => node.kind,
        (Some(a), Some(b)) if a.kind == b.kind => a.kind,
        (Some(_), Some(_)) => return Err(VaultError::Refused("a node of two kinds")),
    };
    let none = Node::empty(kind);
    let (a, b) = (own.node.unwrap_or(&none), theirs.node.unwrap_or(&none));
    if !(a.places.agrees_with(&b.places) && a.attr.agrees_with(&b.attr) && a.data.agrees_with(&b.data)) {
        return Err(VaultError::Refused("two values under one stamp"));
    }
    let joined = Node {
        kind,
        places: a.places.join(own.context, &b.places, theirs.context),
        attr: a.attr.join(own.context, &b.attr, theirs.context),
        data: a.data.join(own.context, &b.data, theirs.context),
    };
    Ok((!joined.is_empty()).then_some(joined))
}

/// What a join comes to.
#[derive(Clone, Debug, Default)]
pub struct Joined {
    /// The nodes in which the joined state differs from our own, in ascending order.
    pub changes: Vec<(NodeId, Option<Arc<Node>>)>,
    /// Whether it differs from theirs anywhere.
    pub differs_from_theirs: bool,
    /// What it has seen.
    pub context: Context,
}

/// Joins two states, given the nodes in which they differ.
///
/// # Errors
/// A context that leaps (see [`crate::vault::context::MAX_LEAP`]), what [`join_node`] refuses, a state that
/// lacks what its context claims (so equal contexts and different states), and what the differences fail with.
pub fn join_states(
    own: &Context,
    theirs: &Context,
    differences: impl IntoIterator<Item = Result<Difference>>,
) -> Result<Joined> {
    if own.refuses(theirs) {
        return Err(VaultError::Refused("its lamport clock leaps"));
    }
    let mut joined = Joined { context: own.join(theirs), ..Joined::default() };
    for difference in differences {
        let (id, a, b) = difference?;
        let side = |node, context| Side { node, context };
        let node = join_node(side(a.as_deref(), own), side(b.as_deref(), theirs))?;
        joined.differs_from_theirs |= node.as_ref() != b.as_deref();
        if node.as_ref() != a.as_deref() {
            joined.changes.push((id, node.map(Arc::new)));
        }
    }
    let faithful = (own != &joined.context || joined.changes.is_empty())
        && (theirs != &joined.context || !joined.differs_from_theirs);
    if !faithful {
        return Err(VaultError::Inconsistent("a state lacks what its context claims to have seen"));
    }
    Ok(joined)
}
