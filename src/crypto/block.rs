//! The cipher of the index file: blocks of 4 KiB that are rewritten in place.
//!
//! A stored block is nonce (12), ciphertext (4096), tag (16): 4124 bytes for 4096 of plaintext. The block's
//! number is associated data, so a block cannot be moved; an older state of the same block can be put back,
//! which the index's owner must find out by other means. Random nonces bound a file's key to 2^32 writes of a
//! block (16 TiB); the file is derived and gets a new key when it is rebuilt.

use super::derive::random_key;
use super::epoch::Epoch;
use super::error::CryptoError;
use super::gcm::{Gcm, NONCE_LEN, OVERHEAD};
use super::wrap::WrappedKey;
use crate::ambient::Entropy;

/// Bytes of plaintext in a block.
pub const BLOCK_LEN: usize = 4096;
/// Bytes of a block as stored.
pub const STORED_BLOCK_LEN: usize = BLOCK_LEN + OVERHEAD;

/// Seals and opens the blocks of one file.
pub struct BlockCipher(Gcm);

impl BlockCipher {
    /// A cipher with a new random key, and that key wrapped under `epoch`, to be kept in the file's head.
    ///
    /// # Errors
    /// None in practice; the cipher's are passed on.
    pub fn generate(epoch: &Epoch, entropy: &dyn Entropy) -> Result<(Self, WrappedKey), CryptoError> {
        let key = random_key(entropy);
        Ok((BlockCipher(Gcm::new(&key)?), epoch.wrap().wrap(&key)))
    }

    /// The cipher of a file whose key is wrapped under `epoch`.
    ///
    /// # Errors
    /// [`CryptoError::WrongKeyOrDamaged`].
    pub fn unwrap(epoch: &Epoch, wrapped: &WrappedKey) -> Result<Self, CryptoError> {
        Ok(BlockCipher(Gcm::new(&epoch.wrap().unwrap(wrapped)?)?))
    }

    /// Seals `plain` as block `number` into `stored`.
    ///
    /// # Errors
    /// None in practice; the cipher's are passed on.
    pub fn seal_block(
        &self,
        number: u64,
        plain: &[u8; BLOCK_LEN],
        stored: &mut [u8; STORED_BLOCK_LEN],
        entropy: &dyn Entropy,
    ) -> Result<(), CryptoError> {
        if let Some(text) = stored.get_mut(NONCE_LEN..NONCE_LEN + BLOCK_LEN) {
            text.copy_from_slice(plain);
        }
        self.0.seal_in_place(stored, &number.to_le_bytes(), entropy)
    }

    /// Opens block `number` in place and gives the plaintext that lies in `stored`.
    ///
    /// # Errors
    /// [`CryptoError::WrongKeyOrDamaged`].
    pub fn open_block<'b>(
        &self,
        number: u64,
        stored: &'b mut [u8; STORED_BLOCK_LEN],
    ) -> Result<&'b [u8; BLOCK_LEN], CryptoError> {
        let text = self.0.open_in_place(stored, &number.to_le_bytes())?;
        text.first_chunk().ok_or(CryptoError::WrongKeyOrDamaged)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::fixture::{self, noise};

    fn plain(byte: u8) -> [u8; BLOCK_LEN] {
        let mut block: [u8; BLOCK_LEN] = noise(BLOCK_LEN).try_into().unwrap();
        block[0] = byte;
        block
    }

    #[test]
    fn a_block_takes_28_bytes_more() {
        assert_eq!(STORED_BLOCK_LEN, 4124);
    }

    #[test]
    fn known_answer() {
        let (keyring, entropy) = fixture::keyring();
        let (cipher, wrapped) = BlockCipher::generate(keyring.current(), &entropy).unwrap();
        let mut stored = [0; STORED_BLOCK_LEN];
        cipher.seal_block(7, &plain(1), &mut stored, &entropy).unwrap();
        assert_eq!(
            blake3::hash(&[&wrapped[..], &stored].concat()).to_string(),
            "0d5131543e072f03cc233c81f9453370ceb1883baf96c599b434df6e2800e897"
        );
    }

    #[test]
    fn opens_under_the_wrapped_key_at_its_place_only() {
        let (keyring, entropy) = fixture::keyring();
        let (cipher, wrapped) = BlockCipher::generate(keyring.current(), &entropy).unwrap();
        let mut stored = [0; STORED_BLOCK_LEN];
        cipher.seal_block(7, &plain(1), &mut stored, &entropy).unwrap();

        let reopened = BlockCipher::unwrap(keyring.current(), &wrapped).unwrap();
        assert_eq!(reopened.open_block(7, &mut stored.clone()).unwrap(), &plain(1));
        assert!(reopened.open_block(8, &mut stored.clone()).is_err());
        let other = keyring.next_epoch(&[], &entropy);
        assert!(BlockCipher::unwrap(&other, &wrapped).is_err());
    }

    #[test]
    fn a_changed_byte_anywhere_is_found() {
        let (keyring, entropy) = fixture::keyring();
        let (cipher, _) = BlockCipher::generate(keyring.current(), &entropy).unwrap();
        let mut stored = [0; STORED_BLOCK_LEN];
        cipher.seal_block(0, &plain(1), &mut stored, &entropy).unwrap();
        for at in 0..STORED_BLOCK_LEN {
            let mut mangled = stored;
            mangled[at] ^= 0x10;
            assert!(cipher.open_block(0, &mut mangled).is_err());
        }
    }

    #[test]
    fn the_same_block_is_never_stored_the_same() {
        let (keyring, entropy) = fixture::keyring();
        let (cipher, _) = BlockCipher::generate(keyring.current(), &entropy).unwrap();
        let (mut first, mut second) = ([0; STORED_BLOCK_LEN], [0; STORED_BLOCK_LEN]);
        cipher.seal_block(0, &plain(1), &mut first, &entropy).unwrap();
        cipher.seal_block(0, &plain(1), &mut second, &entropy).unwrap();
        assert_ne!(first, second);
    }
}
