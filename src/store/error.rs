//! What can go wrong in this layer.

use std::io;

use nix::errno::Errno;

use super::position::LogPosition;
use crate::crypto::{CryptoError, ObjectId};

/// A failure of the store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// No room on the disk (`ENOSPC`). Nothing was half-done; everything stored before is readable.
    #[error("no space left on the disk")]
    Full,
    /// The journal has no room until entries are retired: wait for it
    /// ([`super::Store::wait_for_journal_room`]), having started a commit.
    #[error("the journal is full until the next commit")]
    JournalFull,
    /// The object is not here. A peer may have it.
    #[error("object {0} is not in this store")]
    Missing(ObjectId),
    /// What should be here cannot be read back. A peer may have it.
    #[error("{0}")]
    Damaged(Damage),
    /// The operating system failed a call.
    #[error("the disk failed")]
    Disk(#[source] io::Error),
    /// A sync failed earlier, so nobody knows what is durable: nothing more is written until the vault is
    /// opened anew.
    #[error("the disk failed earlier; open the vault again")]
    Stopped,
    /// An object or a journal entry longer than any may be.
    #[error("{0} bytes are too long to be stored")]
    TooLong(u64),
    /// The folder holds no store, or one of another vault.
    #[error("not the store of this vault")]
    Foreign,
    /// The folder holds a store already.
    #[error("there is a vault already")]
    Exists,
    /// Sealing or opening failed for a reason that is not damage on the disk.
    #[error(transparent)]
    Crypto(#[from] CryptoError),
    /// The index failed and could not be rebuilt.
    #[error("the index failed")]
    Index(#[source] Box<redb::Error>),
}

impl From<io::Error> for StoreError {
    fn from(error: io::Error) -> Self {
        match error.raw_os_error().map(Errno::from_raw) {
            Some(Errno::ENOSPC | Errno::EDQUOT) => StoreError::Full,
            _ if error.kind() == io::ErrorKind::StorageFull => StoreError::Full,
            _ => StoreError::Disk(error),
        }
    }
}

/// Something in the store that is not as it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Damage {
    /// Where in the log. For the index: the place it names.
    pub at: LogPosition,
    /// The object, where it is known.
    pub id: Option<ObjectId>,
    /// In what way.
    pub what: DamageKind,
}

/// In what way something is damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DamageKind {
    /// No frame can be read for so many bytes.
    Unreadable {
        /// Bytes up to the next whole frame, or to the end of the segment.
        len: u64,
    },
    /// The end of a segment is gone.
    CutShort,
    /// A whole segment is gone.
    SegmentMissing,
    /// The frame's body does not fit its checksum, or does not open.
    Body,
    /// The body opens, but the id does not name it.
    WrongId,
    /// The index does not know an object that is in the log, or names a place where it is not. Rebuilding the
    /// index mends it.
    Index,
}

impl std::fmt::Display for Damage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (segment, offset) = (self.at.segment(), self.at.offset());
        write!(f, "damage in segment {segment} at {offset}: ")?;
        match self.what {
            DamageKind::Unreadable { len } => write!(f, "{len} bytes hold no readable frame")?,
            DamageKind::CutShort => f.write_str("the end is missing")?,
            DamageKind::SegmentMissing => f.write_str("the segment is missing")?,
            DamageKind::Body => f.write_str("wrong key or damaged")?,
            DamageKind::WrongId => f.write_str("the id does not name the content")?,
            DamageKind::Index => f.write_str("the index disagrees with the log")?,
        }
        match self.id {
            Some(id) => write!(f, " (object {id})"),
            None => Ok(()),
        }
    }
}
