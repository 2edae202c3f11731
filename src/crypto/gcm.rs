//! AES-256-GCM over a buffer in place: of messages, under a random nonce that goes with them, and of segments,
//! under one that says where they stand.

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};

use super::derive::Key;
use super::error::CryptoError;
use crate::ambient::{self, Entropy};

/// Bytes of a nonce. Random nonces bound a key to 2^32 messages (NIST SP 800-38D, 8.3).
pub(super) const NONCE_LEN: usize = 12;
/// Bytes of an authentication tag.
pub(super) const TAG_LEN: usize = 16;
/// Bytes that sealing adds.
pub(super) const OVERHEAD: usize = NONCE_LEN + TAG_LEN;

/// The cipher under one key. Messages are laid out as nonce, ciphertext, tag.
pub(super) struct Gcm(LessSafeKey);

impl Gcm {
    /// The cipher under `key`.
    ///
    /// # Errors
    /// None in practice; the library's are passed on.
    pub(super) fn new(key: &Key) -> Result<Self, CryptoError> {
        let key = UnboundKey::new(&AES_256_GCM, key.as_slice()).map_err(|_| CryptoError::Malformed("key"))?;
        Ok(Gcm(LessSafeKey::new(key)))
    }

    /// Seals `text` in place and gives its tag. A nonce must not seal twice under one key.
    ///
    /// # Errors
    /// None below 64 GiB.
    pub(super) fn seal_segment(
        &self,
        nonce: [u8; NONCE_LEN],
        associated: &[u8],
        text: &mut [u8],
    ) -> Result<[u8; TAG_LEN], CryptoError> {
        let nonce = Nonce::assume_unique_for_key(nonce);
        let tag = self.0.seal_in_place_separate_tag(nonce, Aad::from(associated), text);
        let tag = tag.map_err(|_| CryptoError::Malformed("message"))?;
        tag.as_ref().try_into().map_err(|_| CryptoError::Malformed("message"))
    }

    /// Opens the ciphertext and tag that lie in `buffer` from `from` to its end, to the start of `buffer`; gives how
    /// many bytes that are.
    ///
    /// # Errors
    /// [`CryptoError::WrongKeyOrDamaged`].
    pub(super) fn open_segment(
        &self,
        nonce: [u8; NONCE_LEN],
        associated: &[u8],
        buffer: &mut [u8],
        from: usize,
    ) -> Result<usize, CryptoError> {
        let nonce = Nonce::assume_unique_for_key(nonce);
        let text = self.0.open_within(nonce, Aad::from(associated), buffer, from..);
        Ok(text.map_err(|_| CryptoError::WrongKeyOrDamaged)?.len())
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
        *tag = self.seal_segment(*nonce, associated, text)?;
        Ok(())
    }

    /// Opens `message` in place and gives the plaintext that lies in it.
    pub(super) fn open_in_place<'m>(
        &self,
        message: &'m mut [u8],
        associated: &[u8],
    ) -> Result<&'m mut [u8], CryptoError> {
        let (nonce, sealed) = message.split_first_chunk_mut().ok_or(CryptoError::WrongKeyOrDamaged)?;
        let len = self.open_segment(*nonce, associated, sealed, 0)?;
        Ok(sealed.split_at_mut(len).0)
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
        (Gcm::new(&random_key(&entropy)).unwrap(), entropy)
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
