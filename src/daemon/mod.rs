//! The owner of a vault: hosts it, serves the control API, wires filesystem and replication.
//!
//! One process holds a vault open, and whoever holds the lock of the store serves a Unix socket. Every other
//! command is a client of that socket; if nobody holds the lock, the command opens the vault itself and
//! speaks to the same API over a pipe inside its own process. So each action is written once.
//!
//! Reading order: [`paths`] and [`config`] (where things are), [`key_source`] (what unlocks).

pub mod api;
pub mod client;
pub mod config;
pub mod config_edit;
pub mod error;
pub mod key_source;
pub mod lease;
pub mod paths;
pub mod socket;
pub mod updates;
