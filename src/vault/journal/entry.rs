//! What a vault writes into its journal: operations that are not in a durable commit yet, and file data that
//! is not in an operation yet.
//!
//! The order of the entries is the order of the requests: of all name operations, and of the writes to each
//! file. An [`Entry::Operation`] is dead once the durable head has its stamp; dirty data is dead once such an
//! operation ended it. Bytes: `docs/specs/vault-format.md`, "Journal entries".
#![deny(clippy::indexing_slicing)]

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::ambient::WallNanos;
use crate::vault::error::{Result, VaultError};
use crate::vault::missing::Shown;
use crate::vault::{Content, Delta, NodeId};

/// The largest entry, in bytes: a journal frame.
pub const MAX_ENTRY_BYTES: usize = 4 << 20;

/// First byte of an encoded entry.
const VERSION: u8 = 1;

/// Names a run of dirty data on one file, from its first write to the operation that folds or drops it.
/// Drawn at random: never used twice in the life of a vault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct DirtyId(pub u64);

/// What a run of dirty data lies over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Base {
    /// A content that the file showed.
    Shown(Shown),
    /// Whatever an earlier run, still being folded when this entry was written, becomes.
    Run(DirtyId),
}

/// A run of dirty data became a version of its file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Folded {
    /// The run.
    pub run: DirtyId,
    /// What the file shows to whoever wrote it.
    pub shown: Shown,
}

/// One journal entry.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Entry<'a> {
    /// A local operation, or just the end of some dirty data.
    Operation {
        /// What it did to the nodes, if anything.
        delta: Option<Cow<'a, Delta>>,
        /// The run whose bytes the operation wrote.
        folds: Option<Folded>,
        /// Runs that end with their file: dropped.
        drops: Vec<DirtyId>,
    },
    /// A run of dirty data begins.
    Begin {
        /// The run.
        run: DirtyId,
        /// The file.
        node: NodeId,
        /// What it lies over.
        base: Base,
    },
    /// The data of a run changed.
    Dirty {
        /// The run.
        run: DirtyId,
        /// How.
        #[serde(borrow)]
        change: DirtyChange<'a>,
        /// The file's time of modification from now on.
        mtime: WallNanos,
    },
}

/// What a request did to a file's bytes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum DirtyChange<'a> {
    /// Bytes were written.
    Extent {
        /// Where, in bytes from the start of the file.
        offset: u64,
        /// What.
        #[serde(borrow, with = "serde_bytes")]
        bytes: Cow<'a, [u8]>,
    },
    /// The size was set.
    Truncate {
        /// The new size in bytes.
        size: u64,
    },
    /// A range inside the file was made a hole.
    Punch {
        /// Where, in bytes.
        offset: u64,
        /// How long, in bytes.
        length: u64,
    },
    /// Everything written so far is in this content, whose objects are in the log.
    Working {
        /// The whole content of the file.
        content: Content,
    },
}

impl DirtyChange<'_> {
    /// The same, owning its bytes.
    pub fn into_owned(self) -> DirtyChange<'static> {
        match self {
            DirtyChange::Extent { offset, bytes } => {
                DirtyChange::Extent { offset, bytes: Cow::Owned(bytes.into_owned()) }
            }
            DirtyChange::Truncate { size } => DirtyChange::Truncate { size },
            DirtyChange::Punch { offset, length } => DirtyChange::Punch { offset, length },
            DirtyChange::Working { content } => DirtyChange::Working { content },
        }
    }

    /// How many bytes of file data it carries.
    pub fn bytes(&self) -> u64 {
        match self {
            DirtyChange::Extent { bytes, .. } => bytes.len() as u64,
            _ => 0,
        }
    }
}

impl<'a> Entry<'a> {
    /// The payload of a journal frame.
    pub fn encode(&self) -> Result<Vec<u8>> {
        let bytes = postcard::to_extend(self, vec![VERSION])
            .map_err(|_| VaultError::Inconsistent("a journal entry must encode"))?;
        if bytes.len() > MAX_ENTRY_BYTES {
            return Err(VaultError::TooLarge("an operation that does not fit the journal"));
        }
        Ok(bytes)
    }

    /// Reads the payload of a journal frame.
    pub fn decode(bytes: &'a [u8]) -> Result<Self> {
        let damaged = |what: &str| VaultError::Damaged(format!("journal entry: {what}"));
        let body = match bytes.split_first() {
            Some((&VERSION, body)) if bytes.len() <= MAX_ENTRY_BYTES => body,
            Some((&VERSION, _)) => return Err(damaged("too long")),
            _ => return Err(damaged("of a version this program does not know")),
        };
        match postcard::take_from_bytes(body) {
            Ok((entry, [])) => Ok(entry),
            _ => Err(damaged("does not decode")),
        }
    }
}
