//! Why no connection came about.

use super::super::admission::Refusal;
use super::super::noise::{NoiseError, PROLOGUE};
use super::super::replica::ReplicaError;
use crate::crypto::DevicePublic;

/// Why no connection came about.
#[derive(Debug, thiserror::Error)]
pub enum HandshakeError {
    /// The stream failed or ended.
    #[error("connection broke: {0}")]
    Io(#[from] std::io::Error),
    /// The peer does not speak this protocol.
    #[error("peer does not speak {}", String::from_utf8_lossy(PROLOGUE))]
    NotMiror,
    /// The peer's bytes make no sense.
    #[error("peer sent {0}")]
    Malformed(&'static str),
    /// The peer does not hold the keys it should.
    #[error(transparent)]
    Noise(#[from] NoiseError),
    /// The peer turned us away.
    #[error("refused: {0}")]
    RefusedByPeer(Refusal),
    /// We turned the peer away.
    #[error("turned away: {why}")]
    Refused {
        /// Who it was, if it got so far.
        peer: Option<DevicePublic>,
        /// Why.
        why: Refusal,
    },
    /// It took too long.
    #[error("peer took too long over the handshake")]
    Slow,
    /// Our own store failed.
    #[error(transparent)]
    Replica(#[from] ReplicaError),
}
