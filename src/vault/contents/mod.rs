//! File contents: cutting bytes into objects and putting them together again.
//!
//! Bytes are cut at content-defined places (FastCDC), each piece a chunk object; long runs of zeros are holes
//! and cost nothing; more than one piece makes list objects, cut by content as well and nested as needed. The
//! layout and the rules of cutting are written down in `docs/specs/vault-format.md`, "Contents".
//!
//! Invariants:
//! - **Cutting is a pure function of the bytes**: the resulting [`Content`] is the identity of the bytes,
//!   whatever edits led there.
//! - Objects are immutable, and saved before the list that names them.
//! - An edit reads and writes what it touches and its surroundings up to where the cuts coincide again.
//!   Bytes without content-defined cuts (one byte value repeated for gigabytes) have no such place before
//!   their end.
//!
//! It does not promise durability (the store does), and does not know files, names or nodes.

mod content;
mod error;
mod extents;
mod limits;

use std::io::Read;
use std::sync::Arc;

use crate::crypto::{ObjectId, ObjectKind};
use crate::trie::Objects;

pub use content::Content;
pub use error::ContentsError;
pub use extents::{Extent, Extents};
pub use limits::{
    AVERAGE_CHUNK, INLINE_MAX, LIST_BITS, MAX_CHUNK, MAX_DEPTH, MAX_LEN, MAX_LIST, MIN_CHUNK, MIN_HOLE,
    MIN_LIST,
};

/// Makes and reads the contents of one vault. Cheap to clone, safe to use from many threads.
#[derive(Clone)]
pub struct Contents {
    objects: Arc<dyn Objects>,
    gear_seed: u64,
    workers: usize,
}

impl std::fmt::Debug for Contents {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Contents").field("workers", &self.workers).finish_non_exhaustive()
    }
}

impl Contents {
    /// Contents kept in `objects`, cut under the vault's `gear_seed`
    /// ([`crate::crypto::ContentKeys::gear_seed`]). Chunks are hashed, sealed and put on `workers` threads of
    /// its own; with 0 on the caller's.
    pub fn new(objects: Arc<dyn Objects>, gear_seed: u64, workers: usize) -> Self {
        Contents { objects, gear_seed, workers }
    }

    /// The bytes of `content` from `offset` on, at most `len` of them and none past its end.
    ///
    /// # Errors
    /// Objects that are missing or invalid.
    pub fn read(&self, content: &Content, offset: u64, len: usize) -> Result<Vec<u8>, ContentsError> {
        let _ = (content, offset, len, &self.objects);
        Err(ContentsError::TooLarge)
    }

    /// The content with all bytes that `source` gives.
    ///
    /// # Errors
    /// [`ContentsError::Source`] if reading fails, a full store.
    pub fn write(&self, source: impl Read) -> Result<Content, ContentsError> {
        let _ = (source, self.gear_seed);
        Err(ContentsError::TooLarge)
    }

    /// `content` with `edits` made on it and then cut or extended with zeros to `new_len`. Equals writing the
    /// final bytes anew.
    ///
    /// # Errors
    /// Objects that are missing or invalid, a full store, [`ContentsError::TooLarge`].
    pub fn splice(&self, content: &Content, edits: &Extents, new_len: u64) -> Result<Content, ContentsError> {
        let _ = (content, edits, new_len);
        Err(ContentsError::TooLarge)
    }

    /// `target` with `len` bytes at `at` taken from `source` at `from`, by reference where cuts coincide.
    /// Bytes past the end of `source` are not copied.
    ///
    /// # Errors
    /// As [`Contents::splice`].
    pub fn copy_range(
        &self,
        source: &Content,
        from: u64,
        len: u64,
        target: &Content,
        at: u64,
    ) -> Result<Content, ContentsError> {
        let _ = (source, from, len, target, at);
        Err(ContentsError::TooLarge)
    }

    /// The first offset from `offset` on that is not in a hole; `None` if there is none before the end.
    ///
    /// # Errors
    /// Lists that are missing or invalid.
    pub fn seek_data(&self, content: &Content, offset: u64) -> Result<Option<u64>, ContentsError> {
        let _ = (content, offset);
        Err(ContentsError::TooLarge)
    }

    /// The first offset from `offset` on that is in a hole, or the end; `None` if `offset` is not before the
    /// end.
    ///
    /// # Errors
    /// Lists that are missing or invalid.
    pub fn seek_hole(&self, content: &Content, offset: u64) -> Result<Option<u64>, ContentsError> {
        let _ = (content, offset);
        Err(ContentsError::TooLarge)
    }

    /// Every object of `content` that is not here, each once. Below a list that is not here nothing is known:
    /// ask again when it has come.
    ///
    /// # Errors
    /// Failures of the store, invalid lists.
    pub fn missing(&self, content: &Content) -> Result<Vec<(ObjectId, ObjectKind)>, ContentsError> {
        let _ = content;
        Err(ContentsError::TooLarge)
    }
}
