//! The other devices, and where they are reached.

use super::super::api::PeerStatus;
use super::super::error::DaemonError;
use super::super::network::Peer;
use super::Service;
use crate::miror::link::Transport;

impl Service {
    /// The peers that are known.
    pub async fn peers(&self) -> Result<Vec<PeerStatus>, DaemonError> {
        Ok(self.known_peers().iter().map(|peer| self.peer_status(peer)).collect())
    }

    /// Remembers where a peer is reached.
    pub async fn add_peer(&self, alias: &str, address: &str) -> Result<(), DaemonError> {
        let (book, alias, address) = (self.network.book.clone(), alias.to_owned(), address.to_owned());
        self.on_vault(move |_| book.add(&alias, &address)).await
    }

    /// Forgets where a peer is reached.
    pub async fn remove_peer(&self, alias: &str) -> Result<(), DaemonError> {
        let (book, alias) = (self.network.book.clone(), alias.to_owned());
        self.on_vault(move |_| book.remove(&alias)).await
    }

    pub(super) fn known_peers(&self) -> Vec<Peer> {
        self.network.peers(&self.settings.lock())
    }

    fn peer_status(&self, peer: &Peer) -> PeerStatus {
        let session = self.session_with(peer);
        PeerStatus {
            alias: peer.alias.clone(),
            address: peer.addresses.first().cloned(),
            found: peer.found.then(|| "local network".to_owned()),
            connected: session.is_some(),
            transport: session.as_ref().map(|session| match session.transport {
                Transport::Tcp => "tcp".to_owned(),
                Transport::Quic => "quic".to_owned(),
            }),
            in_sync: session.is_some_and(|session| session.in_sync),
        }
    }
}
