//! Syncing, and with whom.

use serde::{Deserialize, Serialize};

/// A peer to remember.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerAddress {
    /// Where it listens: `HOST[:PORT]`.
    pub address: String,
}

/// Which peers an action means: all of them if none is named.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Peers {
    /// Their aliases.
    pub aliases: Vec<String>,
}

/// How far a `sync` is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyncProgress {
    /// With whom.
    pub peer: String,
    /// Bytes received, and to be received as far as is known.
    pub received: Amount,
    /// Bytes sent, and to be sent as far as is known.
    pub sent: Amount,
    /// Objects still on their way.
    pub objects: u64,
    /// What has just happened, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<String>,
}

/// Done, of all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Amount {
    /// Bytes done.
    pub done: u64,
    /// Bytes in all.
    pub total: u64,
}

/// What a `sync` did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Synced {
    /// Version of the schema.
    pub version: u32,
    /// What happened with each peer.
    pub peers: Vec<PeerSynced>,
    /// Conflicts that wait for a person now.
    pub conflicts: u64,
}

/// What a `sync` did with one peer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerSynced {
    /// Which.
    pub alias: String,
    /// Bytes received.
    pub received: u64,
    /// Bytes sent.
    pub sent: u64,
    /// Why it is not in step, if it is not.
    pub error: Option<crate::daemon::error::DaemonError>,
}
