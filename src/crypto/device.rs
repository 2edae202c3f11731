//! The key pair that is a device: X25519, used as the Noise static key.

use std::fmt;

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use x25519_dalek::{PublicKey, StaticSecret};
use zeroize::Zeroizing;

use super::derive::Key;
use super::error::CryptoError;
use super::id::hex_text;
use crate::ambient::{self, Entropy};

/// A device's public key. Not secret, but it names the device.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct DevicePublic(pub [u8; 32]);

hex_text!(DevicePublic);

/// A device's key pair.
#[derive(Clone)]
pub struct DeviceKey {
    secret: Key,
    public: DevicePublic,
}

impl DeviceKey {
    /// A new one.
    pub fn generate(entropy: &dyn Entropy) -> Self {
        Self::from_secret(Zeroizing::new(ambient::random(entropy)))
    }

    /// The pair with this secret. Any 32 bytes are one (they are clamped in use, as RFC 7748 has it).
    pub fn from_secret(secret: Key) -> Self {
        let public = PublicKey::from(&StaticSecret::from(*secret));
        DeviceKey { secret, public: DevicePublic(public.to_bytes()) }
    }

    /// The public half.
    pub fn public(&self) -> DevicePublic {
        self.public
    }

    /// The secret half, for the Noise handshake.
    pub fn secret(&self) -> &Key {
        &self.secret
    }
}
