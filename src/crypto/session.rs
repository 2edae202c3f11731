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

#[cfg(test)]
mod tests {
    use data_encoding::HEXLOWER;

    use super::*;
    use crate::crypto::fixture;

    #[test]
    fn known_answer_that_differs_by_direction() {
        let (keyring, _) = fixture::keyring();
        let key = Zeroizing::new([5; 32]);
        let wrap = |direction| {
            SessionWrapKey::new(keyring.current(), b"handshake", &[1; 32], &[2; 32], direction).0.wrap(&key)
        };
        assert_eq!(
            HEXLOWER.encode(&wrap(Direction::FromInitiator)),
            "e1ed06c9e88efd3d1f4a13d72be79e3795bfc9f7882d8020241080007a0aa90bd9a0f9960b4dee23"
        );
        assert_eq!(
            HEXLOWER.encode(&wrap(Direction::FromResponder)),
            "6ffebb84757197e335ef8d6ddc752372a47a145da3e8b88a0a1a53c26449f3ccf2570d41ff88d77b"
        );
    }
}
