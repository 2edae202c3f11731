//! The cipher of frames that are not objects: the journal's, and local state in the log.
//!
//! A file (or another run of frames that begins with fresh random bytes) has a key of its own, derived from the
//! epoch, what the frames are for, and the file's salt. So random nonces never come near their bound of 2^32 for
//! a key. A sealed frame is nonce (12), ciphertext, tag (16). What places a frame (generation, sequence, needs)
//! is given as associated data by whoever lays frames out.

use super::epoch::Epoch;
use super::error::CryptoError;
use super::gcm::{Gcm, OVERHEAD};
use crate::ambient::Entropy;

/// Bytes that sealing adds to a frame.
pub const FRAME_OVERHEAD: usize = OVERHEAD;

/// What a run of frames is for. Frames of one purpose never open as another's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FramePurpose {
    /// Operations that are not in a commit yet.
    Journal,
    /// State of this replica only, in the log.
    Local,
    /// The log of a sync session.
    Session,
}

impl FramePurpose {
    const fn info(self) -> &'static [u8] {
        match self {
            FramePurpose::Journal => b"bosr/1 journal frames",
            FramePurpose::Local => b"bosr/1 local frames",
            FramePurpose::Session => b"bosr/1 session frames",
        }
    }
}

/// Seals and opens the frames of one file.
pub struct FrameCipher(Gcm);

impl FrameCipher {
    /// The cipher of the frames under `salt`: random bytes, new for each file (and each reuse of a file), kept
    /// in its head.
    pub fn new(epoch: &Epoch, purpose: FramePurpose, salt: &[u8; 16]) -> Self {
        FrameCipher(Gcm::new(&epoch.derive(salt, purpose.info())))
    }

    /// Seals a frame: [`FRAME_OVERHEAD`] bytes longer than `plaintext`.
    ///
    /// # Errors
    /// None below 64 GiB.
    pub fn seal(
        &self,
        plaintext: &[u8],
        associated: &[u8],
        entropy: &dyn Entropy,
    ) -> Result<Vec<u8>, CryptoError> {
        self.0.seal(plaintext, associated, entropy)
    }

    /// Opens a frame in place and gives the plaintext that lies in it.
    ///
    /// # Errors
    /// [`CryptoError::WrongKeyOrDamaged`].
    pub fn open<'f>(&self, frame: &'f mut [u8], associated: &[u8]) -> Result<&'f mut [u8], CryptoError> {
        self.0.open_in_place(frame, associated)
    }
}
