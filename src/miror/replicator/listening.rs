//! Peers that dial, and devices that join.

use std::io;
use std::net::SocketAddr;

use tokio::net::{TcpListener, TcpStream};

use super::{Config, HANDSHAKE, JOINING, PeerError, Replicator};
use crate::miror::doors::Place;
use crate::miror::handshake::{Greeting, HandshakeError, greet};
use crate::miror::session::Input;
use crate::miror::tcp;

impl Replicator {
    /// Answers connections to `address` until the replicator is closed. Gives the address it got (port 0 picks
    /// a port).
    ///
    /// # Errors
    /// The address is taken, or not ours.
    pub async fn listen(&self, address: SocketAddr) -> io::Result<SocketAddr> {
        let listener = TcpListener::bind(address).await?;
        let bound = listener.local_addr()?;
        tokio::spawn(self.clone().accept(listener));
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
                Ok((socket, from)) => self.open_door(socket, from),
                Err(error) => {
                    // Out of descriptors, most likely: those at the door will leave.
                    tracing::warn!(%error, "cannot accept");
                    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                }
            }
        }
    }

    fn open_door(&self, socket: TcpStream, from: SocketAddr) {
        let Some(place) = self.0.doors.enter(from.ip()) else {
            tracing::debug!(%from, "too many connections at the door");
            return;
        };
        let replicator = self.clone();
        tokio::spawn(async move {
            if let Err(error) = replicator.receive(socket, from, place).await {
                tracing::info!(%from, %error, "connection ended");
            }
        });
    }

    async fn receive(self, socket: TcpStream, from: SocketAddr, place: Place) -> Result<(), PeerError> {
        let stream = tcp::prepare(socket, from).map_err(HandshakeError::Io)?;
        let parts = self.0.parts.clone();
        let greeted = greet(stream, &*parts.admission, parts.inviter.as_deref(), &parts.ambient.entropy);
        let greeting = tokio::time::timeout(HANDSHAKE, greeted).await.map_err(|_| HandshakeError::Slow)??;
        match greeting {
            Greeting::Peer(greeted) => {
                let gathered = self.ask(|replica| replica.gather().and_then(|()| replica.introduce()));
                let ours = gathered.await?;
                let (mut session, hello) = self.session(Config::follow(&parts.name), ours);
                let admitted = greeted.admit(&hello, &*parts.admission);
                let admitted = tokio::time::timeout(HANDSHAKE, admitted).await;
                let link = admitted.map_err(|_| HandshakeError::Slow)??;
                drop(place);
                // Only now is anything offered.
                let ours = self.ask(|replica| replica.announce()).await?;
                session.handle(Input::Tip(Box::new(ours)), parts.ambient.clock.monotonic());
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
