//! Names of vaults and objects. None of these is secret.

use std::fmt;

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};

use super::error::CryptoError;

/// The name of a vault: 16 random bytes, the same on all its replicas.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct VaultId(pub [u8; 16]);

/// The name of an object: BLAKE3 keyed by the vault secret, over its kind and plaintext. Equal on all
/// replicas, and says nothing about the content without the key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ObjectId(pub [u8; 32]);

macro_rules! hex_text {
    ($name:ident) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&HEXLOWER.encode(&self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }

        impl std::str::FromStr for $name {
            type Err = CryptoError;

            fn from_str(text: &str) -> Result<Self, CryptoError> {
                let malformed = CryptoError::Malformed(stringify!($name));
                let bytes = HEXLOWER.decode(text.as_bytes()).map_err(|_| malformed.clone())?;
                bytes.try_into().map($name).map_err(|_| malformed)
            }
        }
    };
}
pub(super) use hex_text;

hex_text!(VaultId);
hex_text!(ObjectId);

/// What an object holds. The number is part of formats and of the object's id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[repr(u8)]
pub enum ObjectKind {
    /// A piece of file content.
    Chunk = 1,
    /// A list of chunks or of lists.
    List = 2,
    /// A leaf or branch of the trie.
    Trie = 3,
    /// A commit.
    Commit = 4,
    /// State of one replica, never sent.
    Local = 5,
}

impl ObjectKind {
    /// The longest plaintext of an object of this kind, in bytes. What travels is bounded by the longest
    /// chunk; local state stays on its machine and may be larger.
    pub const fn max_len(self) -> u32 {
        match self {
            ObjectKind::Chunk | ObjectKind::List | ObjectKind::Trie | ObjectKind::Commit => 1 << 20,
            ObjectKind::Local => 1 << 26,
        }
    }

    /// The number in formats.
    pub const fn number(self) -> u8 {
        self as u8
    }
}

impl TryFrom<u8> for ObjectKind {
    type Error = CryptoError;

    fn try_from(number: u8) -> Result<Self, CryptoError> {
        [Self::Chunk, Self::List, Self::Trie, Self::Commit, Self::Local]
            .into_iter()
            .find(|kind| kind.number() == number)
            .ok_or(CryptoError::Malformed("object kind"))
    }
}
