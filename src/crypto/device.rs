//! The key pair that is a device: X25519, used as the Noise static key.

use std::fmt;

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use x25519_dalek::{PublicKey, StaticSecret};

use super::derive::{Key, random_key};
use super::error::CryptoError;
use super::id::hex_text;
use crate::ambient::Entropy;

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
        Self::from_secret(random_key(entropy))
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

#[cfg(test)]
mod tests {
    use zeroize::Zeroizing;

    use super::*;

    /// RFC 7748, 6.1: Alice's key pair.
    #[test]
    fn is_x25519() {
        let secret =
            HEXLOWER.decode(b"77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a").unwrap();
        let key = DeviceKey::from_secret(Zeroizing::new(secret.try_into().unwrap()));
        assert_eq!(
            key.public().to_string(),
            "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a"
        );
    }
}
