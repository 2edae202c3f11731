//! Why a vault could not do what it was asked, by whose fault it is: the request, the disk, the peer, the
//! network, damage.
//!
//! Hints for people are made in `cli`; the errno of each variant in `fs`.

use thiserror::Error;

use super::NameError;
use super::contents::ContentsError;
use crate::crypto::ObjectId;
use crate::store::StoreError;
use crate::trie::{ObjectsError, TrieError};

/// What went wrong in a vault.
#[derive(Debug, Error)]
pub enum VaultError {
    /// Nothing has that name, or the node is gone.
    #[error("no such file or directory")]
    NotFound,
    /// The name is taken.
    #[error("already exists")]
    Exists,
    /// A directory was needed.
    #[error("not a directory")]
    NotDirectory,
    /// Something else than a directory was needed.
    #[error("is a directory")]
    IsDirectory,
    /// A directory that is to go still has entries.
    #[error("directory not empty")]
    NotEmpty,
    /// A name over 255 bytes.
    #[error("name too long")]
    NameTooLong,
    /// A name, an offset or a combination that makes no sense (`/` in a name, a directory into itself).
    #[error("invalid: {0}")]
    Invalid(&'static str),
    /// The entry is kept as it is: a tombstone file, or the root.
    #[error("not permitted: {0}")]
    NotPermitted(&'static str),
    /// One more name for a node that has the most it may have.
    #[error("too many links")]
    TooManyLinks,
    /// Larger than the vault holds (size, extended attributes, number of versions).
    #[error("too large: {0}")]
    TooLarge(&'static str),
    /// Disk or journal are full: nothing of the request was done.
    #[error("no space left in the store")]
    Full,
    /// The journal is full until the next commit: wait for it (`Vault::wait_for_room`) and try again.
    #[error("the journal is full until the next commit")]
    Busy,
    /// Reading what was to be stored failed.
    #[error("cannot read the new content: {0}")]
    Source(#[source] std::io::Error),
    /// The disk takes no writes any more (`EROFS`).
    #[error("the store's disk is read-only")]
    ReadOnly,
    /// The disk failed.
    #[error("the store's disk failed: {0}")]
    Disk(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Content, or a part of the tree, that is not on this device yet.
    #[error("object {0} is not on this device yet")]
    Missing(ObjectId),
    /// Content that no reachable peer delivered in time.
    #[error("no peer delivered the missing content in time")]
    Unreachable,
    /// Bytes of ours that do not decode or verify.
    #[error("damaged: {0}")]
    Damaged(String),
    /// A state from a peer that breaks the rules; it was not taken over.
    #[error("refused a peer's state: {0}")]
    Refused(&'static str),
    /// A rule of ours does not hold: a defect of this program. Nothing was changed.
    #[error("internal inconsistency: {0}")]
    Inconsistent(&'static str),
    /// The vault is being closed.
    #[error("the vault is closing")]
    Closed,
}

/// What a vault answers.
pub type Result<T> = std::result::Result<T, VaultError>;

impl From<NameError> for VaultError {
    fn from(error: NameError) -> Self {
        match error {
            NameError::TooLong => VaultError::NameTooLong,
            NameError::Malformed => VaultError::Invalid("a name"),
        }
    }
}

impl From<StoreError> for VaultError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Full => VaultError::Full,
            StoreError::JournalFull => VaultError::Busy,
            StoreError::Missing(id) => VaultError::Missing(id),
            StoreError::Damaged(damage) => VaultError::Damaged(damage.to_string()),
            StoreError::TooLong(_) => VaultError::TooLarge("an object or operation"),
            StoreError::Disk(error) if error.kind() == std::io::ErrorKind::ReadOnlyFilesystem => {
                VaultError::ReadOnly
            }
            error => VaultError::Disk(Box::new(error)),
        }
    }
}

impl From<ObjectsError> for VaultError {
    fn from(error: ObjectsError) -> Self {
        match error {
            ObjectsError::Missing(id) => VaultError::Missing(id),
            ObjectsError::Full => VaultError::Full,
            ObjectsError::Failed(error) => error.into(),
        }
    }
}

impl From<TrieError> for VaultError {
    fn from(error: TrieError) -> Self {
        match error {
            TrieError::Objects(error) => error.into(),
            TrieError::Invalid { .. } => VaultError::Damaged(error.to_string()),
            TrieError::Unordered => VaultError::Inconsistent("changes of a trie come in order"),
        }
    }
}

impl From<ContentsError> for VaultError {
    fn from(error: ContentsError) -> Self {
        match error {
            ContentsError::Objects(error) => error.into(),
            ContentsError::Invalid { .. } => VaultError::Damaged(error.to_string()),
            ContentsError::TooLarge => VaultError::TooLarge("a file"),
            ContentsError::Source(error) => VaultError::Source(error),
            ContentsError::WorkerGone => VaultError::Closed,
        }
    }
}
