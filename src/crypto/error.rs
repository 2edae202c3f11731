//! What can go wrong in this layer.

use super::epoch::EpochId;
use super::id::ObjectId;
use super::slot::{SlotId, SlotKind};

/// A failure of the crypto layer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CryptoError {
    /// A ciphertext did not open. Which of the two it was, or where, is not told on purpose.
    #[error("wrong key or damaged")]
    WrongKeyOrDamaged,
    /// None of the vault's slots opened with the key that was given: the user's key is wrong.
    #[error("wrong key, or the key slot is damaged")]
    WrongKey,
    /// The vault has no slot of this kind, so such a key cannot open it.
    #[error("the vault has no {0} slot")]
    NoSlot(SlotKind),
    /// The keyring lacks the epoch that something is sealed under.
    #[error("sealed under epoch {0}, which is not in the keyring")]
    UnknownEpoch(EpochId),
    /// The content opened but is not what its id names: whoever sealed it lied.
    #[error("the content of object {0} is not what its id names")]
    WrongContent(ObjectId),
    /// More bytes than an object of its kind may have.
    #[error("{len} bytes are more than the {limit} that are allowed")]
    TooLong {
        /// Bytes given.
        len: u64,
        /// Bytes allowed.
        limit: u64,
    },
    /// A range read of an object that is compressed: only the whole of it can be opened.
    #[error("the object is compressed and can only be opened whole")]
    Compressed,
    /// A range that does not lie in the object.
    #[error("the range does not lie in the object")]
    OutOfRange,
    /// A structure is not well formed; the name of the structure.
    #[error("malformed {0}")]
    Malformed(&'static str),
    /// An Argon2id cost outside what is accepted; what and why.
    #[error("Argon2id {what} of {value} is not between {min} and {max}")]
    Cost {
        /// The parameter.
        what: &'static str,
        /// Its value.
        value: u32,
        /// The least that is accepted.
        min: u32,
        /// The most that is accepted.
        max: u32,
    },
    /// The machine cannot give the memory that the slot's Argon2id cost asks for.
    #[error("not enough memory: the passphrase slot needs {0} KiB")]
    Memory(u32),
    /// The vault has no slot of this id.
    #[error("no key slot {0}")]
    UnknownSlot(SlotId),
    /// A vault must keep one slot, or nobody could open it again.
    #[error("the last key slot cannot be removed")]
    LastSlot,
    /// The keyring belongs to another vault than the file.
    #[error("the keyring belongs to another vault")]
    OtherVault,
    /// `vault.toml` is not sound.
    #[error("vault.toml: {0}")]
    VaultFile(#[from] VaultFileError),
    /// The key file is not sound.
    #[error("key file: {0}")]
    KeyFile(#[from] KeyFileError),
}

/// What is wrong with a `vault.toml`, found before any key is tried.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VaultFileError {
    /// Not TOML, or a field is missing, unknown or of the wrong type; the parser's first line.
    #[error("not a vault file, or damaged: {0}")]
    Syntax(String),
    /// A newer or unknown format.
    #[error("format {found} is not known to this build (it knows {known})")]
    Format {
        /// In the file.
        found: u32,
        /// What this build reads.
        known: u32,
    },
    /// A field's text does not decode to the right number of bytes.
    #[error("{field} of {section} is damaged")]
    Field {
        /// Which part of the file.
        section: String,
        /// Which field of it.
        field: &'static str,
    },
    /// The checksum of a part does not fit its content.
    #[error("{0} is damaged (its checksum does not fit)")]
    Checksum(String),
    /// An Argon2id cost of a slot outside what is accepted.
    #[error("slot {slot}: {cost}")]
    Cost {
        /// The slot.
        slot: SlotId,
        /// What is wrong with it.
        cost: String,
    },
    /// The file has no key slot, or more than may be.
    #[error("{0} key slots, but there must be 1 to {1}")]
    SlotCount(usize, usize),
    /// Two slots of one id.
    #[error("two key slots have the id {0}")]
    DuplicateSlot(SlotId),
    /// Longer than any vault file may be, in bytes.
    #[error("longer than {0} bytes")]
    TooLong(usize),
}

/// What is wrong with a key file, found before it is tried.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyFileError {
    /// It does not begin like a key file.
    #[error("not a bosr key file")]
    Foreign,
    /// It begins like one but is cut, lengthened or changed.
    #[error("damaged or incomplete")]
    Damaged,
}
