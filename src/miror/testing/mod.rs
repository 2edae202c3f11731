//! Sessions under test: a replica in memory, and a network that delays, cuts, stalls and partitions.
//!
//! Everything is driven from a seed, so a failure is reproduced by its number. The replica is a small model
//! of a vault (a map of multi-version values in a trie of objects): it has the properties the protocol relies
//! on and none that it does not, so what fails here is the protocol.

mod admission;
mod network;
mod oracle;
mod replica;
mod rng;
mod state;

pub use admission::MemoryDevices;
#[cfg(test)]
pub(in crate::miror) use network::any_keys;
pub use network::{Faults, Network, Report};
pub use replica::{Contents, MemoryReplica};
pub use rng::Rng;
pub use state::name as object_id;
