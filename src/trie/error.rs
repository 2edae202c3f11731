//! What can go wrong in the trie, by whose fault it is.

use crate::crypto::ObjectId;
use crate::store::StoreError;

/// Why an object could not be had or kept.
#[derive(Debug, thiserror::Error)]
pub enum ObjectsError {
    /// The object is not held here; a peer may have it.
    #[error("object {0} is not here")]
    Missing(ObjectId),
    /// There is no room to keep more.
    #[error("no space left in the store")]
    Full,
    /// The store failed.
    #[error(transparent)]
    Failed(StoreError),
}

impl From<StoreError> for ObjectsError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Missing(id) => ObjectsError::Missing(id),
            StoreError::Full => ObjectsError::Full,
            other => ObjectsError::Failed(other),
        }
    }
}

/// Bytes that are not what their kind of object must be: damage that its checksum does not show, or a faulty
/// peer. Says what is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("malformed object: {0}")]
pub struct Malformed(pub &'static str);

/// Errors of the trie.
#[derive(Debug, thiserror::Error)]
pub enum TrieError {
    /// The store could not give or take an object.
    #[error(transparent)]
    Objects(#[from] ObjectsError),
    /// An object that the store vouches for is not a valid trie object in its place.
    #[error("trie object {id}: {why}")]
    Invalid {
        /// The object at fault.
        id: ObjectId,
        /// What is wrong with it.
        why: Malformed,
    },
    /// Changes must come in strictly ascending order of their keys. The caller's fault.
    #[error("changes out of order")]
    Unordered,
}
