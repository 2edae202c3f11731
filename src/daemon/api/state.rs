//! How a vault is.

use serde::{Deserialize, Serialize};

/// `status`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// Version of the schema.
    pub version: u32,
    /// Name or store of the vault.
    pub vault: String,
    /// The vault's id.
    pub id: String,
    /// What this device is called.
    pub device: String,
    /// The store's folder.
    pub store: String,
    /// Root of the trie, in hexadecimal: equal on replicas that agree.
    pub root: String,
    /// The head commit, in hexadecimal.
    pub commit: String,
    /// Files, directories and everything else in the vault.
    pub nodes: u64,
    /// The process that has the vault open in the background.
    pub owner: Option<u32>,
    /// Where it listens.
    pub listen: Option<String>,
    /// Where it is mounted.
    pub mounts: Vec<String>,
    /// The peers.
    pub peers: Vec<PeerStatus>,
    /// Content that is not here yet.
    pub waiting: Waiting,
    /// Bytes on disk, with the whole history.
    pub history: u64,
    /// Conflicts that wait for a person.
    pub conflicts: u64,
    /// What is under way.
    pub transfer: Transfer,
}

/// A peer in `status` and `peer list`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerStatus {
    /// What it is called.
    pub alias: String,
    /// Where it is reached, if that is known.
    pub address: Option<String>,
    /// How that address became known, if not by word of somebody: `local network`.
    #[serde(default)]
    pub found: Option<String>,
    /// Whether there is a session with it.
    pub connected: bool,
    /// `tcp` or `quic`, while connected.
    pub transport: Option<String>,
    /// Whether it is known to have the state that is here.
    pub in_sync: bool,
}

/// Content that is not here yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiting {
    /// Files that wait.
    pub files: u64,
    /// Bytes they miss.
    pub bytes: u64,
}

/// What goes over the network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Transfer {
    /// Bytes a second, received.
    pub received_rate: f64,
    /// Bytes a second, sent.
    pub sent_rate: f64,
    /// Bytes received since the vault was opened.
    pub received: u64,
    /// Bytes sent since the vault was opened.
    pub sent: u64,
}
