//! The other devices, and where they are reached.

use super::super::api::PeerStatus;
use super::super::error::DaemonError;
use super::{Service, missing};

impl Service {
    /// The peers that are known.
    pub async fn peers(&self) -> Result<Vec<PeerStatus>, DaemonError> {
        missing("peer list")
    }

    /// Remembers where a peer is reached.
    pub async fn add_peer(&self, _alias: &str, _address: &str) -> Result<(), DaemonError> {
        missing("peer add")
    }

    /// Forgets where a peer is reached.
    pub async fn remove_peer(&self, _alias: &str) -> Result<(), DaemonError> {
        missing("peer remove")
    }
}
