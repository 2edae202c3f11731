//! Sessions under test: a replica in memory, and a network that delays, cuts, stalls and partitions.
//!
//! Everything is driven from a seed, so a failure is reproduced by its number. A node of the network is a small
//! model of a vault (a map of multi-version values in a trie of objects), which has the properties the protocol
//! relies on and none that it does not, so that what fails there is the protocol; or a real vault over the test
//! disk, with the real merge, the real store and real power cuts.

mod admission;
mod network;
mod node;
mod oracle;
mod replica;
mod rng;
mod state;
mod vault_node;

pub use admission::MemoryDevices;
#[cfg(test)]
pub(in crate::miror) use network::any_keys;
pub use network::{Faults, Network, Report};
pub use node::Node;
pub use oracle::Oracle;
pub use replica::{Contents, MemoryReplica};
pub use rng::Rng;
pub use state::name as object_id;
pub use vault_node::{Kept, VaultNode};
