//! Replication: two replicas of a vault made equal over a network.
//!
//! Pure core, thin shells. [`session`] is the protocol as a state machine without socket, task, clock or
//! randomness; `message` and `codec` are its language, [`replica`] what it asks of a store.
//! `docs/specs/mirror-protocol.md` is the specification; the limits it names are in [`limits`].

pub mod codec;
pub mod limits;
pub mod message;
pub mod replica;
pub mod session;

#[cfg(any(test, feature = "testing"))]
#[allow(clippy::indexing_slicing, clippy::missing_panics_doc)]
pub mod testing;

#[cfg(test)]
mod simulation_tests;
