//! Keys, key slots, the object envelope.
//!
//! Owns every key of a vault and every byte layout that holds ciphertext: the vault file (`vault.toml`), the
//! keyring, sealed objects, frames and index blocks. It is pure: bytes in, bytes out; files, sockets and
//! clocks belong to the layers above, and randomness is passed in as [`crate::ambient::Entropy`].
//!
//! The keys, from the top:
//!
//! - a *key slot* ([`Unlock`]) opens the keyring in [`VaultFile`];
//! - the [`Keyring`] holds the vault secret, the epochs and the device key;
//! - the vault secret gives [`ContentKeys`]: object ids, name hashes, the chunker's seed. It never changes;
//! - an [`Epoch`] wraps the data key of each object, frame file and index, and gives peers their pre-shared
//!   key. Epochs are replaced by rotation, and old ones stay to read what they wrapped;
//! - a data key seals one thing and is made fresh for it.
//!
//! Invariants: types that hold a key are wiped when dropped and are neither `Debug` nor `Copy`. A failure to
//! decrypt is [`CryptoError::WrongKeyOrDamaged`] and says nothing more. Nothing decoded here can panic.
//!
//! Not promised: that plaintext (as opposed to keys) is wiped from memory, that object lengths are hidden, or
//! that somebody who can write to the store cannot put back an older state of it.
#![deny(clippy::indexing_slicing)]

mod block;
mod content;
mod cursor;
mod derive;
mod device;
mod epoch;
mod error;
#[cfg(test)]
mod fixture;
mod frame;
mod gcm;
mod id;
mod key_file;
mod keyring;
mod object;
mod session;
mod slot;
mod vault_file;
mod wrap;

pub use block::{BLOCK_LEN, BlockCipher, STORED_BLOCK_LEN};
pub use content::ContentKeys;
pub use derive::{Key, derive, derive_into};
pub use device::{DeviceKey, DevicePublic};
pub use epoch::{Epoch, EpochId};
pub use error::{CryptoError, KeyFileError, VaultFileError};
pub use frame::{FRAME_OVERHEAD, FrameCipher, FramePurpose};
pub use id::{ObjectId, ObjectKind, VaultId};
pub use key_file::new_key_file;
pub use keyring::Keyring;
pub use object::{
    HEADER_LEN, ObjectHeader, SealedObject, likely_place, open, open_range, open_verified,
    rewrap_for_session, rewrap_from_session, rewrap_under, seal, seal_named,
};
pub use session::{Direction, SessionWrapKey};
pub use slot::{Argon2Cost, SlotId, SlotKind, Unlock};
pub use vault_file::VaultFile;
pub use wrap::WrappedKey;

/// Hands `bytes` to all that decodes here.
#[cfg(any(test, feature = "testing"))]
pub(crate) fn feed(bytes: &[u8]) {
    let _ = key_file::parse(bytes);
    let _ = bytes.first_chunk().map(ObjectHeader::decode);
    let _ = Keyring::decode(bytes);
    let _ = Epoch::decode(bytes);
    let _ = VaultFile::parse(&String::from_utf8_lossy(bytes));
}
