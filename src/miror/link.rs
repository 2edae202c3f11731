//! A connection two devices have agreed on: two halves of a byte stream, encrypted, and who is at the other
//! end. The seam between transports and everything above.

use std::net::{IpAddr, SocketAddr};

use tokio::io::{AsyncRead, AsyncWrite};

use super::message::Hello;
use super::noise::{Opener, Sealer};
use super::quic::Bulk;
use super::replica::SessionKeys;
use crate::crypto::{DevicePublic, Direction, Epoch, SessionWrapKey};

/// The half of a stream that bytes come from.
pub type Incoming = Box<dyn AsyncRead + Send + Unpin>;
/// The half of a stream that bytes go to.
pub type Outgoing = Box<dyn AsyncWrite + Send + Unpin>;

/// How bytes travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// TCP, encrypted by Noise.
    Tcp,
    /// QUIC, encrypted by TLS bound to Noise.
    Quic,
}

impl Transport {
    /// Its name in `status`.
    pub fn name(self) -> &'static str {
        match self {
            Transport::Tcp => "tcp",
            Transport::Quic => "quic",
        }
    }
}

/// How bytes travel, and between which ends.
#[derive(Clone, Debug)]
pub struct Route {
    /// How.
    pub transport: Transport,
    /// The other end, for people.
    pub address: String,
    /// This machine's address at this end, if it is known.
    pub local: Option<IpAddr>,
}

impl Route {
    /// Between an address of this machine and one of the peer's.
    pub fn new(transport: Transport, peer: SocketAddr, local: Option<IpAddr>) -> Self {
        // One socket for both families has IPv4 in IPv6's clothes.
        Route { transport, address: peer.to_string(), local: local.map(|ip| ip.to_canonical()) }
    }
}

/// A byte stream before the handshake.
pub struct Stream {
    /// What the peer says.
    pub incoming: Incoming,
    /// What we say.
    pub outgoing: Outgoing,
    /// How, and with whom.
    pub route: Route,
    /// What the handshake is bound to: the TLS exporter on QUIC, nothing on TCP.
    pub binding: Vec<u8>,
    /// Streams for large objects, where the transport has them.
    pub bulk: Option<Bulk>,
}

/// A connection after the handshake.
pub struct Link {
    /// The device at the other end.
    pub peer: DevicePublic,
    /// We dialled.
    pub dialled: bool,
    /// How, and between which ends.
    pub route: Route,
    /// The epoch the handshake proved, and its hash.
    pub epoch: Epoch,
    /// Binds the handshake.
    pub hash: Vec<u8>,
    /// The peer's HELLO, if it came within the handshake.
    pub early: Option<Hello>,
    /// Our HELLO went out within the handshake.
    pub introduced: bool,
    /// A newer epoch that the peer must be given, before anything else.
    pub grant: Option<Epoch>,
    pub(super) incoming: Incoming,
    pub(super) outgoing: Outgoing,
    pub(super) sealer: Sealer,
    pub(super) opener: Opener,
    pub(super) bulk: Option<Bulk>,
}

/// What is needed of a link to make the keys of its session, once both HELLOs are known.
#[derive(Clone)]
pub struct KeySeed {
    dialled: bool,
    epoch: Epoch,
    hash: Vec<u8>,
}

impl Link {
    pub(super) fn key_seed(&self) -> KeySeed {
        KeySeed { dialled: self.dialled, epoch: self.epoch.clone(), hash: self.hash.clone() }
    }
}

impl KeySeed {
    /// The keys under which data keys travel, from the random bytes of both HELLOs.
    pub fn keys(&self, ours: &[u8; 32], theirs: &[u8; 32]) -> SessionKeys {
        let (initiator, responder) = if self.dialled { (ours, theirs) } else { (theirs, ours) };
        let key = |way| SessionWrapKey::new(&self.epoch, &self.hash, initiator, responder, way);
        let (forth, back) = (key(Direction::FromInitiator), key(Direction::FromResponder));
        if self.dialled {
            SessionKeys { outgoing: forth, incoming: back }
        } else {
            SessionKeys { outgoing: back, incoming: forth }
        }
    }
}
