//! Remembers who was met where: a device that has dialled us can be dialled from then on, and an address that a
//! person gave belongs to the device that answered there.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::sync::broadcast::error::RecvError;
use tokio::task::JoinHandle;

use super::book::{KnownPeers, Peer, PeerBook};
use crate::miror::replicator::{Replicator, Status};
use crate::miror::session::Event;

/// Runs until it is dropped.
pub struct Acquaintances(JoinHandle<()>);

impl Acquaintances {
    /// Begins.
    pub fn start(book: Arc<PeerBook>, peers: KnownPeers, replicator: Replicator) -> Self {
        let mut events = replicator.events();
        Acquaintances(tokio::spawn(async move {
            loop {
                let met = match events.recv().await {
                    Ok((device, Event::Met { .. })) => Some(device),
                    Ok(_) => continue,
                    // Some were not heard of: all are looked at.
                    Err(RecvError::Lagged(_)) => None,
                    Err(RecvError::Closed) => return,
                };
                let sessions = replicator.sessions().into_iter();
                for session in sessions.filter(|session| met.is_none_or(|device| device == session.peer)) {
                    if let Err(error) = note(&book, &peers(), &session) {
                        tracing::warn!(%error, "cannot remember where a peer is");
                    }
                }
            }
        }))
    }
}

impl Drop for Acquaintances {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn note(book: &PeerBook, peers: &[Peer], session: &Status) -> Result<(), crate::store::StoreError> {
    if !session.dialled {
        return answers_at(session).map_or(Ok(()), |address| book.seen(&session.peer, &address));
    }
    let unknown = peers.iter().filter(|peer| peer.key.is_none());
    for peer in unknown.filter(|peer| peer.addresses.contains(&session.address)) {
        book.met(&peer.alias, &session.peer)?;
    }
    Ok(())
}

/// Where the peer of a session that it dialled answers, so far as one can tell from here.
fn answers_at(session: &Status) -> Option<String> {
    let from: SocketAddr = session.address.parse().ok()?;
    (session.port != 0).then(|| SocketAddr::new(from.ip().to_canonical(), session.port).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::DevicePublic;
    use crate::miror::link::Transport;

    fn session(address: &str, port: u16) -> Status {
        Status {
            peer: DevicePublic([1; 32]),
            name: String::new(),
            address: address.to_owned(),
            dialled: false,
            port,
            transport: Transport::Tcp,
            tip: None,
            in_sync: false,
            settled: false,
            generation: 0,
            progress: Default::default(),
        }
    }

    #[test]
    fn a_peer_answers_where_it_came_from_at_the_port_it_named() {
        let at = |address, port| answers_at(&session(address, port));
        assert_eq!(at("[::ffff:10.0.0.2]:50000", 4747).as_deref(), Some("10.0.0.2:4747"));
        assert_eq!(at("[fd00::1]:50000", 4748).as_deref(), Some("[fd00::1]:4748"));
        assert_eq!(at("10.0.0.2:50000", 0), None, "it does not answer");
        assert_eq!(at("relay", 4747), None);
    }
}
