//! In step with the peers: once, or as long as somebody wants it.

use super::super::api::{Invitation, Peers, SyncProgress, Synced};
use super::super::error::DaemonError;
use super::super::lease::LeaseKind;
use super::super::updates::Reporter;
use super::{Service, missing};

impl Service {
    /// Where peers reach this vault.
    pub(super) fn listening(&self) -> Option<String> {
        None
    }

    /// Makes a ticket and waits until a device has joined with it or it has expired.
    pub async fn invite(&self, _reporter: Reporter<Invitation>) -> Result<(), DaemonError> {
        let _lease = self.leases.take(LeaseKind::Invitation);
        missing("invite")
    }

    /// Brings the vault and its peers to the same state.
    pub async fn sync(
        &self,
        _peers: Peers,
        _reporter: Reporter<SyncProgress>,
    ) -> Result<Synced, DaemonError> {
        missing("sync")
    }

    /// Keeps the vault and its peers in the same state until nobody reads the reports any more.
    pub async fn follow(&self, _peers: Peers, _reporter: Reporter<SyncProgress>) -> Result<(), DaemonError> {
        let _lease = self.leases.take(LeaseKind::Follow);
        missing("sync --follow")
    }
}
