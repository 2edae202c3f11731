//! AES-256-GCM with a random nonce, over a buffer in place.

use aes_gcm::aead::AeadInOut;
use aes_gcm::{Aes256Gcm, KeyInit};

use super::derive::Key;
use super::error::CryptoError;
use crate::ambient::{self, Entropy};

/// Bytes of a nonce. Random nonces bound a key to 2^32 messages (NIST SP 800-38D, 8.3).
pub(super) const NONCE_LEN: usize = 12;
/// Bytes of an authentication tag.
pub(super) const TAG_LEN: usize = 16;
/// Bytes that sealing adds.
pub(super) const OVERHEAD: usize = NONCE_LEN + TAG_LEN;

/// A cipher whose messages are laid out as nonce, ciphertext, tag.
pub(super) struct Gcm(Aes256Gcm);

impl Gcm {
    pub(super) fn new(key: &Key) -> Self {
        Gcm(Aes256Gcm::new((&**key).into()))
    }

    /// Seals `message` in place: its first [`NONCE_LEN`] and last [`TAG_LEN`] bytes are overwritten, what lies
    /// between is the plaintext.
    pub(super) fn seal_in_place(
        &self,
        message: &mut [u8],
        associated: &[u8],
        entropy: &dyn Entropy,
    ) -> Result<(), CryptoError> {
        let (nonce, text, tag) = parts(message)?;
        *nonce = ambient::random(entropy);
        let made = self.0.encrypt_inout_detached((&*nonce).into(), associated, text.into());
        *tag = made.map_err(|_| CryptoError::Malformed("message"))?.into();
        Ok(())
    }

    /// Opens `message` in place and gives the plaintext that lies in it.
    pub(super) fn open_in_place<'m>(
        &self,
        message: &'m mut [u8],
        associated: &[u8],
    ) -> Result<&'m mut [u8], CryptoError> {
        let (nonce, text, tag) = parts(message).map_err(|_| CryptoError::WrongKeyOrDamaged)?;
        self.0
            .decrypt_inout_detached((&*nonce).into(), associated, (&mut *text).into(), (&*tag).into())
            .map_err(|_| CryptoError::WrongKeyOrDamaged)?;
        Ok(text)
    }

    /// A sealed copy of `plaintext`.
    pub(super) fn seal(
        &self,
        plaintext: &[u8],
        associated: &[u8],
        entropy: &dyn Entropy,
    ) -> Result<Vec<u8>, CryptoError> {
        let mut message = Vec::new();
        self.seal_into(&mut message, plaintext, associated, entropy)?;
        Ok(message)
    }

    /// Seals a copy of `plaintext` at the end of `out`.
    pub(super) fn seal_into(
        &self,
        out: &mut Vec<u8>,
        plaintext: &[u8],
        associated: &[u8],
        entropy: &dyn Entropy,
    ) -> Result<(), CryptoError> {
        let start = out.len();
        out.reserve(plaintext.len() + OVERHEAD);
        out.extend_from_slice(&[0; NONCE_LEN]);
        out.extend_from_slice(plaintext);
        out.extend_from_slice(&[0; TAG_LEN]);
        self.seal_in_place(out.get_mut(start..).unwrap_or_default(), associated, entropy)
    }
}

type Parts<'m> = (&'m mut [u8; NONCE_LEN], &'m mut [u8], &'m mut [u8; TAG_LEN]);

fn parts(message: &mut [u8]) -> Result<Parts<'_>, CryptoError> {
    let too_short = CryptoError::Malformed("message");
    let (nonce, rest) = message.split_first_chunk_mut().ok_or(too_short.clone())?;
    let (text, tag) = rest.split_last_chunk_mut().ok_or(too_short)?;
    Ok((nonce, text, tag))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::derive::random_key;
    use crate::crypto::fixture::Counting;

    fn cipher() -> (Gcm, Counting) {
        let entropy = Counting::default();
        (Gcm::new(&random_key(&entropy)), entropy)
    }

    #[test]
    fn opens_what_it_sealed() {
        let (gcm, entropy) = cipher();
        let mut message = gcm.seal(b"text", b"place", &entropy).unwrap();
        assert_eq!(message.len(), 4 + OVERHEAD);
        assert_eq!(gcm.open_in_place(&mut message, b"place").unwrap(), b"text");
    }

    #[test]
    fn every_changed_bit_length_or_place_is_refused() {
        let (gcm, entropy) = cipher();
        let message = gcm.seal(b"text", b"place", &entropy).unwrap();
        let refused = |mut message: Vec<u8>, place: &[u8]| {
            let opened = gcm.open_in_place(&mut message, place).map(|text| text.to_vec());
            assert_eq!(opened, Err(CryptoError::WrongKeyOrDamaged));
        };
        for bit in 0..message.len() * 8 {
            let mut mangled = message.clone();
            mangled[bit / 8] ^= 1 << (bit % 8);
            refused(mangled, b"place");
        }
        for len in 0..message.len() {
            refused(message[..len].to_vec(), b"place");
        }
        refused([message.as_slice(), b"x"].concat(), b"place");
        refused(message, b"elsewhere");
    }
}
