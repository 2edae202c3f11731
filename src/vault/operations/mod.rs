//! Local operations: what a user of this replica does to the tree.
//!
//! Each changes the view exactly as POSIX would change a plain tree. Where the view shows something by rule
//! only, and the operation would let the rule show something else, that is first *settled*: written as an
//! ordinary place (`settle`). Each returns the [`Delta`] to be journalled and what it touched; one that fails
//! has changed nothing.
//!
//! Permissions are not looked at here. New nodes' random bytes are drawn from the caller.

mod create;
mod device;
mod edit;
mod prune;
mod reclaim;
mod remove;
mod rename;
mod settle;
mod tombstone;
mod write;

pub use create::NewNode;
pub use reclaim::{Difference, may_reclaim};
pub use rename::{Renamed, Replace};
pub(super) use write::plain_attr;
pub use write::{AttrPatch, MAX_XATTRS, Write};

use std::sync::Arc;

use super::view::Touched;
use super::{Context, Delta, Node, NodeId};

/// The most names a file may have.
pub const MAX_LINKS: usize = 32_000;

/// Draws the random part of a new node's id.
pub type Draw<'a> = &'a mut dyn FnMut() -> [u8; 12];

/// What an operation came to.
#[derive(Clone, Debug)]
pub struct Outcome<T> {
    /// Its answer.
    pub value: T,
    /// For the journal; `None` if nothing changed.
    pub delta: Option<Delta>,
    /// For who looks at the tree.
    pub touched: Touched,
    /// For [`super::Tree::take_back`].
    pub undo: Undo,
}

/// What it takes to take an operation back.
#[derive(Clone, Debug)]
pub struct Undo {
    /// What the changed nodes were.
    before: Vec<(NodeId, Option<Arc<Node>>)>,
    context: Context,
}

impl<T> Outcome<T> {
    /// The same with another answer.
    pub fn with<U>(self, value: U) -> Outcome<U> {
        Outcome { value, delta: self.delta, touched: self.touched, undo: self.undo }
    }
}
