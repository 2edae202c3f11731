//! Data keys on the wire: wrapped anew under a key of the session, so that what was recorded cannot be opened
//! with an epoch alone.

use zeroize::Zeroizing;

use super::derive::derive;
use super::epoch::Epoch;
use super::wrap::WrapKey;

/// Which way objects travel in a session. The number is part of the derivation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Direction {
    /// From the side that dialled.
    FromInitiator = 1,
    /// From the side that answered.
    FromResponder = 2,
}

/// The key that wraps data keys in one direction of one session.
pub struct SessionWrapKey(pub(super) WrapKey);

impl SessionWrapKey {
    /// HKDF-SHA-256(salt = `handshake_hash`, ikm = epoch key ‖ `initiator` ‖ `responder`, info = `bosr wrap` ‖
    /// direction), the last two being the random bytes of each side's HELLO.
    pub fn new(
        epoch: &Epoch,
        handshake_hash: &[u8],
        initiator: &[u8; 32],
        responder: &[u8; 32],
        direction: Direction,
    ) -> Self {
        let mut ikm = Zeroizing::new([0; 96]);
        let parts = [epoch.key().as_slice(), initiator, responder];
        for (to, from) in ikm.chunks_exact_mut(32).zip(parts) {
            to.copy_from_slice(from);
        }
        let mut info = *b"bosr wrap.";
        if let Some(last) = info.last_mut() {
            *last = direction as u8;
        }
        SessionWrapKey(WrapKey::new(&derive(ikm.as_slice(), handshake_hash, &info)))
    }
}
