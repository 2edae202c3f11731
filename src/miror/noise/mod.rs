//! The Noise handshake and the encrypted frames behind it.
//!
//! `Noise_XXpsk0_25519_AESGCM_SHA256`: the pre-shared key is an epoch's (or a ticket's), so that only its
//! holders get past message 1; both sides prove their device key; ephemeral keys give forward secrecy. The
//! prologue is the protocol's name, which also goes first over the wire, in the clear.
//!
//! This module is pure: bytes in, bytes out. `handshake` carries them over a stream.
#![deny(clippy::indexing_slicing)]

mod primitives;

use std::sync::Arc;

use snow::params::NoiseParams;
use snow::{Builder, HandshakeState, StatelessTransportState};

use crate::ambient::Entropy;
use crate::crypto::{DeviceKey, DevicePublic};
use primitives::Primitives;

/// The protocol's name: the first bytes of each connection, the prologue of the handshake, and the ALPN.
pub const PROLOGUE: &[u8] = b"bosr-mirror/1";
const PATTERN: &str = "Noise_XXpsk0_25519_AESGCM_SHA256";

/// Bytes of a Noise message at most.
pub const FRAME: usize = 65_535;
/// Bytes of its tag.
pub const TAG: usize = 16;
/// Bytes a frame carries at most.
pub const FRAME_ROOM: usize = FRAME - TAG;

/// Why bytes are refused. Says nothing about which.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not encrypted for this connection, or damaged")]
pub struct NoiseError;

impl From<snow::Error> for NoiseError {
    fn from(_: snow::Error) -> Self {
        NoiseError
    }
}

/// A handshake under way.
pub struct Handshake(HandshakeState);

/// What a finished handshake leaves.
pub struct Established {
    /// The peer's proven key.
    pub peer: DevicePublic,
    /// Binds this handshake.
    pub hash: Vec<u8>,
    /// For what we send.
    pub sealer: Sealer,
    /// For what we receive.
    pub opener: Opener,
}

impl Handshake {
    /// The dialer's side. `binding` is joined to the prologue (the TLS exporter on QUIC, nothing on TCP).
    pub fn initiator(
        device: &DeviceKey,
        psk: &[u8; 32],
        binding: &[u8],
        entropy: &Arc<dyn Entropy>,
    ) -> Result<Self, NoiseError> {
        let prologue = [PROLOGUE, binding].concat();
        let secret = device.secret();
        Ok(Handshake(builder(secret.as_slice(), psk, &prologue, entropy)?.build_initiator()?))
    }

    /// The listener's side, for one pre-shared key.
    pub fn responder(
        device: &DeviceKey,
        psk: &[u8; 32],
        binding: &[u8],
        entropy: &Arc<dyn Entropy>,
    ) -> Result<Self, NoiseError> {
        let prologue = [PROLOGUE, binding].concat();
        let secret = device.secret();
        Ok(Handshake(builder(secret.as_slice(), psk, &prologue, entropy)?.build_responder()?))
    }

    /// The next message, with a payload.
    pub fn write(&mut self, payload: &[u8]) -> Result<Vec<u8>, NoiseError> {
        let mut message = vec![0; (payload.len() + 128).min(FRAME)];
        let len = self.0.write_message(payload, &mut message)?;
        message.truncate(len);
        Ok(message)
    }

    /// The payload of the peer's next message.
    pub fn read(&mut self, message: &[u8]) -> Result<Vec<u8>, NoiseError> {
        let mut payload = vec![0; message.len()];
        let len = self.0.read_message(message, &mut payload)?;
        payload.truncate(len);
        Ok(payload)
    }

    /// The peer's key, once its message has proven it.
    pub fn peer(&self) -> Result<DevicePublic, NoiseError> {
        let key = self.0.get_remote_static().ok_or(NoiseError)?;
        key.try_into().map(DevicePublic).map_err(|_| NoiseError)
    }

    /// The keys of the connection, after message 3.
    pub fn finish(self) -> Result<Established, NoiseError> {
        let peer = self.peer()?;
        let hash = self.0.get_handshake_hash().to_vec();
        let transport = Arc::new(self.0.into_stateless_transport_mode()?);
        let sealer = Sealer { transport: transport.clone(), nonce: 0 };
        Ok(Established { peer, hash, sealer, opener: Opener { transport, nonce: 0 } })
    }
}

fn builder<'a>(
    secret: &'a [u8],
    psk: &'a [u8; 32],
    prologue: &'a [u8],
    entropy: &Arc<dyn Entropy>,
) -> Result<Builder<'a>, NoiseError> {
    let params: NoiseParams = PATTERN.parse()?;
    let resolver = Box::new(Primitives::new(entropy.clone()));
    Ok(Builder::with_resolver(params, resolver).prologue(prologue)?.local_private_key(secret)?.psk(0, psk)?)
}

/// Encrypts frames, in order.
pub struct Sealer {
    transport: Arc<StatelessTransportState>,
    nonce: u64,
}

impl Sealer {
    /// Appends the frame (two bytes of length, big-endian, then the ciphertext) of `plain`, at most
    /// [`FRAME_ROOM`] bytes.
    pub fn seal(&mut self, plain: &[u8], out: &mut Vec<u8>) -> Result<(), NoiseError> {
        let len = plain.len() + TAG;
        let prefix = u16::try_from(len).map_err(|_| NoiseError)?;
        out.extend_from_slice(&prefix.to_be_bytes());
        let from = out.len();
        out.resize(from + len, 0);
        let room = out.get_mut(from..).ok_or(NoiseError)?;
        self.transport.write_message(self.nonce, plain, room)?;
        self.nonce = self.nonce.checked_add(1).ok_or(NoiseError)?;
        Ok(())
    }
}

/// Decrypts frames, in order.
pub struct Opener {
    transport: Arc<StatelessTransportState>,
    nonce: u64,
}

impl Opener {
    /// The plaintext of a frame, without its length.
    pub fn open(&mut self, frame: &[u8]) -> Result<Vec<u8>, NoiseError> {
        let mut plain = vec![0; frame.len()];
        let len = self.transport.read_message(self.nonce, frame, &mut plain)?;
        self.nonce = self.nonce.checked_add(1).ok_or(NoiseError)?;
        plain.truncate(len);
        Ok(plain)
    }
}

#[cfg(test)]
mod tests;
