//! The join of two states, and its explanation.

pub mod commit;
pub mod explain;
pub mod join;

pub use commit::merge_commit;
pub use join::{Joined, join_node, join_states};

#[cfg(test)]
mod histories;
