//! Key slots: the ways to open a vault file.
//!
//! A slot turns what the user has (a passphrase, a key file) into a *slot key*, and that opens the keyring key
//! in the slot. The slot key does not depend on the keyring key, so the keyring (which holds all slot keys) can
//! be sealed anew without asking for every passphrase.

use std::fmt;

use argon2::{Algorithm, Argon2, Block, Params, Version};
use data_encoding::HEXLOWER;
use zeroize::{Zeroize, Zeroizing};

use super::derive::{Key, derive};
use super::error::CryptoError;
use super::id::hex_text;
use super::key_file;

/// What a user opens a vault with.
pub enum Unlock {
    /// A passphrase, as bytes; without a line end.
    Passphrase(Zeroizing<Vec<u8>>),
    /// The bytes of a key file (see [`super::new_key_file`]).
    KeyFile(Zeroizing<Vec<u8>>),
}

impl Unlock {
    /// The kind of slot it opens.
    pub fn kind(&self) -> SlotKind {
        match self {
            Unlock::Passphrase(_) => SlotKind::Passphrase,
            Unlock::KeyFile(_) => SlotKind::KeyFile,
        }
    }
}

/// The kinds of slots there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SlotKind {
    /// Opened by a passphrase.
    Passphrase,
    /// Opened by a key file.
    KeyFile,
}

impl fmt::Display for SlotKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SlotKind::Passphrase => "passphrase",
            SlotKind::KeyFile => "key-file",
        })
    }
}

/// The name of a slot: 8 random bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SlotId(pub [u8; 8]);

hex_text!(SlotId);

/// What Argon2id may cost. Made by [`Argon2Cost::new`] only, so it is within the bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Argon2Cost {
    memory_kib: u32,
    passes: u32,
    lanes: u32,
}

impl Default for Argon2Cost {
    /// 64 MiB, three passes, one lane: what RFC 9106 recommends where memory is scarce, on one core (about a
    /// sixth of a second).
    fn default() -> Self {
        Argon2Cost { memory_kib: Self::MIN_MEMORY_KIB, passes: 3, lanes: 1 }
    }
}

impl Argon2Cost {
    /// 64 MiB: less is too cheap for who guesses.
    pub const MIN_MEMORY_KIB: u32 = 64 << 10;
    /// 4 GiB: more would let a damaged or hostile file take the machine down.
    pub const MAX_MEMORY_KIB: u32 = 4 << 20;
    /// Bounds the time that a damaged or hostile file can take.
    pub const MAX_PASSES: u32 = 64;
    /// Enough for any desktop.
    pub const MAX_LANES: u32 = 64;

    /// A cost of `memory_kib` KiB, run over `passes` times, in `lanes` lanes.
    ///
    /// # Errors
    /// [`CryptoError::Cost`] outside 64 MiB to 4 GiB, 1 to 64 passes, 1 to 64 lanes.
    pub fn new(memory_kib: u32, passes: u32, lanes: u32) -> Result<Self, CryptoError> {
        let within = |what, value, min, max| match (min..=max).contains(&value) {
            true => Ok(()),
            false => Err(CryptoError::Cost { what, value, min, max }),
        };
        within("memory in KiB", memory_kib, Self::MIN_MEMORY_KIB, Self::MAX_MEMORY_KIB)?;
        within("number of passes", passes, 1, Self::MAX_PASSES)?;
        within("number of lanes", lanes, 1, Self::MAX_LANES)?;
        Ok(Argon2Cost { memory_kib, passes, lanes })
    }

    /// A cost below the bounds, so that tests are quick. No file with it parses outside tests.
    #[cfg(any(test, feature = "testing"))]
    pub fn weak_for_tests() -> Self {
        Argon2Cost { memory_kib: 64, passes: 1, lanes: 1 }
    }

    /// Memory in KiB.
    pub fn memory_kib(&self) -> u32 {
        self.memory_kib
    }

    /// Passes over the memory.
    pub fn passes(&self) -> u32 {
        self.passes
    }

    /// Lanes.
    pub fn lanes(&self) -> u32 {
        self.lanes
    }
}

/// How a slot's key comes from what the user has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stretch {
    Passphrase { salt: [u8; 16], cost: Argon2Cost },
    KeyFile { salt: [u8; 16] },
}

impl Stretch {
    pub(super) fn kind(&self) -> SlotKind {
        match self {
            Stretch::Passphrase { .. } => SlotKind::Passphrase,
            Stretch::KeyFile { .. } => SlotKind::KeyFile,
        }
    }

    /// The slot key, or nothing if `unlock` is of another kind.
    pub(super) fn slot_key(&self, unlock: &Unlock) -> Result<Option<Key>, CryptoError> {
        match (self, unlock) {
            (Stretch::Passphrase { salt, cost }, Unlock::Passphrase(passphrase)) => {
                argon2id(passphrase, salt, cost).map(Some)
            }
            (Stretch::KeyFile { salt }, Unlock::KeyFile(file)) => {
                let key = key_file::parse(file)?;
                Ok(Some(derive(key.as_slice(), salt, b"bosr/1 key file slot")))
            }
            _ => Ok(None),
        }
    }

    /// The slot's parameters as associated data: kind, salt, and for a passphrase the three costs.
    pub(super) fn encode_into(&self, out: &mut Vec<u8>) {
        match self {
            Stretch::Passphrase { salt, cost } => {
                out.push(1);
                out.extend_from_slice(salt);
                for number in [cost.memory_kib, cost.passes, cost.lanes] {
                    out.extend_from_slice(&number.to_le_bytes());
                }
            }
            Stretch::KeyFile { salt } => {
                out.push(2);
                out.extend_from_slice(salt);
            }
        }
    }
}

fn argon2id(passphrase: &[u8], salt: &[u8; 16], cost: &Argon2Cost) -> Result<Key, CryptoError> {
    let failed = |_| CryptoError::Malformed("Argon2id parameters");
    let params = Params::new(cost.memory_kib, cost.passes, cost.lanes, Some(32)).map_err(failed)?;
    let mut memory: Vec<Block> = Vec::new();
    memory.try_reserve_exact(params.block_count()).map_err(|_| CryptoError::Memory(cost.memory_kib))?;
    memory.resize(params.block_count(), Block::new());
    let mut key = Key::default();
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let made = argon2.hash_password_into_with_memory(passphrase, salt, key.as_mut(), &mut memory);
    memory.iter_mut().for_each(Zeroize::zeroize);
    made.map_err(failed)?;
    Ok(key)
}

#[cfg(test)]
mod tests {
    use data_encoding::HEXLOWER;

    use super::*;
    use crate::crypto::fixture::Counting;

    #[test]
    fn costs_outside_the_bounds_are_refused() {
        const MIB: u32 = 1 << 10;
        for good in [(64 * MIB, 1, 1), (4096 * MIB, 64, 64)] {
            assert!(Argon2Cost::new(good.0, good.1, good.2).is_ok());
        }
        let bad = [
            (64 * MIB - 1, 3, 1),
            (4096 * MIB + 1, 3, 1),
            (64 * MIB, 0, 1),
            (64 * MIB, 65, 1),
            (64 * MIB, 3, 0),
            (64 * MIB, 3, 65),
        ];
        for (memory, passes, lanes) in bad {
            assert!(matches!(Argon2Cost::new(memory, passes, lanes), Err(CryptoError::Cost { .. })));
        }
        let default = Argon2Cost::default();
        assert!(Argon2Cost::new(default.memory_kib, default.passes, default.lanes).is_ok());
    }

    fn key(stretch: Stretch, unlock: &Unlock) -> Option<String> {
        stretch.slot_key(unlock).unwrap().map(|key| HEXLOWER.encode(key.as_slice()))
    }

    #[test]
    fn known_answers() {
        let salt = [7; 16];
        let passphrase = Unlock::Passphrase(Zeroizing::new(b"correct horse".to_vec()));
        let weak = Stretch::Passphrase { salt, cost: Argon2Cost::weak_for_tests() };
        let sane = Stretch::Passphrase { salt, cost: Argon2Cost::default() };
        let file = Unlock::KeyFile(key_file::new_key_file(&Counting::default()));
        assert_eq!(
            key(weak, &passphrase).as_deref(),
            Some("0aa8d76217ab242c6d14433d5ff105dd539f1ce4be07f1103bc3f7ed6aee0efb")
        );
        assert_eq!(
            key(sane, &passphrase).as_deref(),
            Some("7b985d8fa00c9eccccf918c8cb9feaa8036af381caf6f498e099b5b849b8c18a")
        );
        assert_eq!(
            key(Stretch::KeyFile { salt }, &file).as_deref(),
            Some("bfdf2c50c0bb3553a1bb7b10080d16806fd2e0854adcc48edbd4ae7c4d70aacf")
        );
        assert_eq!(key(weak, &file), None);
        assert_eq!(key(Stretch::KeyFile { salt }, &passphrase), None);
    }
}
