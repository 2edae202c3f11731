//! bosr: an encrypted vault that mounts as an ordinary folder, keeps every version, and syncs straight
//! between its owner's devices.
//!
//! # The map of the house
//!
//! A module uses only those below it:
//!
//! - [`cli`]: one file per command; progress, tables, JSON, exit codes
//! - [`daemon`]: the owner of a vault: control API on a Unix socket, peers, scheduling; wires the rest
//! - [`fs`]: POSIX operations on a vault (inodes, handles, dirty data), and [`miror`]: replication
//!   (session state machine, transports). The two do not know each other.
//! - [`merge`]: the join of two states, and its explanation
//! - [`vault`]: nodes, versions, stamps, commits, the view, file contents
//! - [`trie`]: the Merkle trie that holds the nodes
//! - [`store`]: log, journal, index, recovery
//! - [`crypto`]: keys, key slots, the object envelope
//! - [`ambient`]: clock, randomness and the user's own files, passed in from outside
//!
//! The kernel side of FUSE is a crate of its own beside all of it, `bosr_mount`, over a trait that [`fs`]
//! implements.

pub mod ambient;
pub mod cli;
pub mod crypto;
pub mod daemon;
#[cfg(any(test, feature = "testing"))]
pub mod decoders;
pub mod fs;
pub mod merge;
pub mod miror;
pub mod store;
pub mod trie;
pub mod vault;
