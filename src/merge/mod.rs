//! The join of two states, and its explanation.
