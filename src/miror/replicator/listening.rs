//! Peers that dial, and devices that join.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::time::Instant;

use super::{Config, HANDSHAKE, JOINING, Parts, PeerError, Replicator};
use crate::miror::doors::Place;
use crate::miror::handshake::{Greeting, HandshakeError, greet};
use crate::miror::link::{Stream, Transport};
use crate::miror::{limits, quic, tcp};

/// Ports tried where any will do: one that is free for TCP may be taken for UDP.
const PORTS_TRIED: usize = 16;

/// How long whoever is at the door may still take, in all that it does there. What this side does meanwhile does not
/// count.
struct Patience(Duration);

impl Patience {
    async fn wait<T>(&mut self, step: impl Future<Output = T>) -> Option<T> {
        let begun = Instant::now();
        let outcome = tokio::time::timeout(self.0, step).await.ok();
        self.0 = self.0.saturating_sub(begun.elapsed());
        outcome
    }
}

impl Replicator {
    /// Answers connections to `address`, TCP and QUIC on one port, until the replicator is closed. Gives the
    /// address it got (port 0 picks a port).
    ///
    /// # Errors
    /// The address is taken, or not ours.
    pub async fn listen(&self, address: SocketAddr) -> io::Result<SocketAddr> {
        let tries = if address.port() == 0 { PORTS_TRIED } else { 1 };
        let mut outcome = self.listen_at(address).await;
        for _ in 1..tries {
            if outcome.is_ok() {
                break;
            }
            outcome = self.listen_at(address).await;
        }
        outcome
    }

    async fn listen_at(&self, address: SocketAddr) -> io::Result<SocketAddr> {
        let Parts { transports, quic, .. } = &self.0.parts;
        let tcp = match transports.has(Transport::Tcp) {
            true => Some(TcpListener::bind(address).await?),
            false => None,
        };
        let bound = tcp.as_ref().map_or(Ok(address), TcpListener::local_addr)?;
        let quic = transports.has(Transport::Quic).then(|| quic.listen(bound)).transpose()?;
        let bound = quic.as_ref().map_or(Ok(bound), quinn::Endpoint::local_addr)?;
        self.0.port.store(bound.port(), Ordering::Relaxed);
        tcp.map(|listener| tokio::spawn(self.clone().accept(listener)));
        quic.map(|endpoint| tokio::spawn(self.clone().accept_quic(endpoint)));
        Ok(bound)
    }

    async fn accept(self, listener: TcpListener) {
        let mut closing = self.0.closing.subscribe();
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                _ = closing.wait_for(|closing| *closing) => return,
            };
            match accepted {
                Ok((socket, from)) => {
                    self.open_door(from, async move { tcp::prepare(socket, from) });
                }
                Err(error) => {
                    // Out of descriptors, most likely: those at the door will leave.
                    tracing::warn!(%error, "cannot accept");
                    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                }
            }
        }
    }

    async fn accept_quic(self, endpoint: quinn::Endpoint) {
        let mut closing = self.0.closing.subscribe();
        loop {
            let accepted = tokio::select! {
                accepted = endpoint.accept() => accepted,
                _ = closing.wait_for(|closing| *closing) => None,
            };
            let Some(incoming) = accepted else { break };
            let from = incoming.remote_address();
            let crowded = self.0.doors.count() >= limits::AT_THE_DOOR_UNPROVED;
            if crowded && !incoming.remote_address_validated() {
                // Fails only for one that has shown its address.
                let _ = incoming.retry();
                continue;
            }
            self.open_door(from, quic::accept(incoming));
        }
        endpoint.set_server_config(None);
    }

    /// Hears a connection, if there is room at the door.
    fn open_door(
        &self,
        from: SocketAddr,
        connection: impl Future<Output = io::Result<Stream>> + Send + 'static,
    ) {
        let Some(place) = self.0.doors.enter(from.ip()) else {
            tracing::debug!(%from, "too many connections at the door");
            return;
        };
        let replicator = self.clone();
        tokio::spawn(async move {
            let mut patience = Patience(HANDSHAKE);
            let received = match patience.wait(connection).await {
                Some(Ok(stream)) => replicator.receive(stream, place, patience).await,
                Some(Err(error)) => Err(HandshakeError::Io(error).into()),
                None => Err(HandshakeError::Slow.into()),
            };
            if let Err(error) = received {
                tracing::info!(%from, %error, "connection ended");
            }
        });
    }

    async fn receive(self, stream: Stream, place: Place, mut patience: Patience) -> Result<(), PeerError> {
        let parts = self.0.parts.clone();
        let greeted = greet(stream, &*parts.admission, parts.inviter.as_deref(), &parts.ambient.entropy);
        let greeting = patience.wait(greeted).await.ok_or(HandshakeError::Slow)??;
        match greeting {
            Greeting::Peer(greeted) => {
                let ours = self.introduce().await?;
                let (session, hello) = self.session(Config::follow(&parts.name), ours, None);
                let admitted = greeted.admit(&hello, &*parts.admission);
                let link = patience.wait(admitted).await.ok_or(HandshakeError::Slow)??;
                drop(place);
                self.run(link, session, hello).await?;
            }
            Greeting::Joiner(joiner) => {
                let Some(inviter) = parts.inviter else { return Ok(()) };
                let joined = tokio::time::timeout(JOINING, joiner.welcome(inviter)).await;
                let joined = joined.map_err(|_| HandshakeError::Slow)??;
                // Nobody may be waiting.
                let _ = self.0.joined.send(joined);
            }
        }
        Ok(())
    }
}
