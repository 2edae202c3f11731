//! The identity of a file's bytes.

use serde::{Deserialize, Serialize};

use crate::crypto::ObjectId;

/// What a file holds. Equal contents are equal bytes and the other way round: cutting is a function of the
/// bytes alone.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Content {
    /// No bytes.
    Empty,
    /// Very few bytes, kept in the node.
    Inline(#[serde(with = "serde_bytes")] Vec<u8>),
    /// One chunk.
    Chunk {
        /// The chunk.
        id: ObjectId,
        /// Its length in bytes.
        len: u32,
    },
    /// A list of chunks.
    List {
        /// Its topmost list object.
        id: ObjectId,
        /// Length of the whole content in bytes.
        len: u64,
        /// How many lists lie above a chunk.
        depth: u8,
    },
}
