//! The join of two states, and its explanation.

pub mod join;

pub use join::{Joined, join_node, join_states};
