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
    ///
    /// # Errors
    /// None in practice; the cipher's are passed on.
    pub fn new(epoch: &Epoch, purpose: FramePurpose, salt: &[u8; 16]) -> Result<Self, CryptoError> {
        Ok(FrameCipher(Gcm::new(&epoch.derive(salt, purpose.info()))?))
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

    /// As [`FrameCipher::seal`], at the end of `out`.
    ///
    /// # Errors
    /// None below 64 GiB.
    pub fn seal_into(
        &self,
        out: &mut Vec<u8>,
        plaintext: &[u8],
        associated: &[u8],
        entropy: &dyn Entropy,
    ) -> Result<(), CryptoError> {
        self.0.seal_into(out, plaintext, associated, entropy)
    }

    /// Opens a frame in place and gives the plaintext that lies in it.
    ///
    /// # Errors
    /// [`CryptoError::WrongKeyOrDamaged`].
    pub fn open<'f>(&self, frame: &'f mut [u8], associated: &[u8]) -> Result<&'f mut [u8], CryptoError> {
        self.0.open_in_place(frame, associated)
    }
}

#[cfg(test)]
mod tests {
    use data_encoding::HEXLOWER;

    use super::*;
    use crate::crypto::fixture;

    const SALT: [u8; 16] = [9; 16];

    #[test]
    fn known_answer() {
        let (keyring, entropy) = fixture::keyring();
        let cipher = FrameCipher::new(keyring.current(), FramePurpose::Journal, &SALT).unwrap();
        let frame = cipher.seal(b"operation", b"sequence 1", &entropy).unwrap();
        assert_eq!(
            HEXLOWER.encode(&frame),
            "78797a7b7c7d7e7f808182832b3869c16d9faf75abb7290f050a3ad4d6839f8c1cf186463a"
        );
    }

    #[test]
    fn opens_with_its_purpose_salt_epoch_and_place_only() {
        let (keyring, entropy) = fixture::keyring();
        let epoch = keyring.current();
        let cipher = FrameCipher::new(epoch, FramePurpose::Journal, &SALT).unwrap();
        let mut file = b"before".to_vec();
        cipher.seal_into(&mut file, b"operation", b"1", &entropy).unwrap();
        let frame = file.split_off(6);
        assert_eq!((file.as_slice(), frame.len()), (b"before".as_slice(), 9 + FRAME_OVERHEAD));

        let opens = |cipher: FrameCipher, place: &[u8]| cipher.open(&mut frame.clone(), place).is_ok();
        assert!(opens(cipher, b"1"));
        assert!(!opens(FrameCipher::new(epoch, FramePurpose::Journal, &SALT).unwrap(), b"2"));
        assert!(!opens(FrameCipher::new(epoch, FramePurpose::Local, &SALT).unwrap(), b"1"));
        assert!(!opens(FrameCipher::new(epoch, FramePurpose::Session, &SALT).unwrap(), b"1"));
        assert!(!opens(FrameCipher::new(epoch, FramePurpose::Journal, &[8; 16]).unwrap(), b"1"));
        let next = keyring.next_epoch(&[], &entropy);
        assert!(!opens(FrameCipher::new(&next, FramePurpose::Journal, &SALT).unwrap(), b"1"));
    }
}
