//! What can go wrong with file contents, by whose fault it is.

use crate::crypto::ObjectId;
use crate::trie::{Malformed, ObjectsError};

/// Errors of reading and making contents.
#[derive(Debug, thiserror::Error)]
pub enum ContentsError {
    /// The store could not give or take an object.
    #[error(transparent)]
    Objects(#[from] ObjectsError),
    /// An object that the store vouches for is not what the content says it is.
    #[error("content object {id}: {why}")]
    Invalid {
        /// The object at fault.
        id: ObjectId,
        /// What is wrong with it.
        why: Malformed,
    },
    /// The content would be longer than a file can be, or its lists deeper than allowed. The caller's fault.
    #[error("content too large")]
    TooLarge,
    /// Reading the new bytes failed.
    #[error("cannot read the new content: {0}")]
    Source(#[from] std::io::Error),
    /// A worker ended without an answer.
    #[error("a worker of the content pool is gone")]
    WorkerGone,
}
