//! The cipher of the index file: blocks of 4 KiB that are rewritten in place.
//!
//! A stored block is nonce (12), ciphertext (4096), tag (16): 4124 bytes for 4096 of plaintext. The block's
//! number is associated data, so a block cannot be moved; an older state of the same block can be put back,
//! which the index's owner must find out by other means. Random nonces bound a file's key to 2^32 writes of a
//! block (16 TiB); the file is derived and gets a new key when it is rebuilt.

use zeroize::Zeroizing;

use super::epoch::Epoch;
use super::error::CryptoError;
use super::gcm::{Gcm, NONCE_LEN, OVERHEAD};
use super::wrap::WrappedKey;
use crate::ambient::{self, Entropy};

/// Bytes of plaintext in a block.
pub const BLOCK_LEN: usize = 4096;
/// Bytes of a block as stored.
pub const STORED_BLOCK_LEN: usize = BLOCK_LEN + OVERHEAD;

/// Seals and opens the blocks of one file.
pub struct BlockCipher(Gcm);

impl BlockCipher {
    /// A cipher with a new random key, and that key wrapped under `epoch`, to be kept in the file's head.
    pub fn generate(epoch: &Epoch, entropy: &dyn Entropy) -> (Self, WrappedKey) {
        let key = Zeroizing::new(ambient::random(entropy));
        (BlockCipher(Gcm::new(&key)), epoch.wrap().wrap(&key))
    }

    /// The cipher of a file whose key is wrapped under `epoch`.
    ///
    /// # Errors
    /// [`CryptoError::WrongKeyOrDamaged`].
    pub fn unwrap(epoch: &Epoch, wrapped: &WrappedKey) -> Result<Self, CryptoError> {
        Ok(BlockCipher(Gcm::new(&epoch.wrap().unwrap(wrapped)?)))
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
