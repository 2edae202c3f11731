//! The owner of a vault: hosts it, serves the control API, wires filesystem and replication.
//!
//! One process holds a vault open, and whoever holds the lock of the store serves a Unix socket. Every other
//! command is a client of that socket; if nobody holds the lock, the command opens the vault itself and
//! speaks to the same API over a pipe inside its own process. So each action is written once.
//!
//! Reading order: [`paths`], [`config`] and [`key_source`] (what a command means), [`reach`] (how it finds
//! or starts the owner), [`owner`] and [`lease`] (how long one lives), [`api`], [`service`] and [`client`]
//! (what it does).

pub mod api;
pub mod calls;
pub mod client;
pub mod config;
pub mod config_edit;
pub mod control;
pub mod create;
pub mod dead_mount;
pub mod error;
pub mod handoff;
pub mod hosting;
pub mod join;
pub mod key_source;
pub mod keys;
pub mod lease;
pub mod mount_options;
pub mod network;
pub mod new_heads;
pub mod news;
pub mod notify;
pub mod opening;
pub mod owner;
pub mod paths;
pub mod places;
pub mod query;
pub mod rate;
pub mod reach;
pub mod service;
pub mod size;
pub mod socket;
pub mod target;
pub mod updates;

/// Hands `bytes` to all that decodes here.
#[cfg(any(test, feature = "testing"))]
pub(crate) fn feed(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let _ = (network::with_port(&text), config::Config::parse(&text), size::bytes(&text));
    let _ = text.parse::<rate::Rate>();
    network::feed(bytes);
}
