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

mod assembly;
mod builder;
mod chunker;
mod content;
mod cutter;
mod error;
mod extents;
mod limits;
mod list;
mod pack;
mod pending;
mod read;
mod rope;
mod source;
mod splice;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod tree;
mod walk;
mod workers;

use std::io::Read;
use std::sync::Arc;

use assembly::Assembly;
use chunker::Chunker;
use cutter::{Cutter, Piece};
use list::List;
use source::ReaderSource;
use workers::Workers;

use crate::ambient::priority::Priority;
use crate::store::recent::Recent;
use crate::trie::Objects;

pub use content::Content;
pub use error::ContentsError;
pub use extents::{Extent, Extents, Stored};
pub use limits::{
    AVERAGE_CHUNK, INLINE_MAX, LIST_BITS, MAX_CHUNK, MAX_DEPTH, MAX_LEN, MAX_LIST, MIN_CHUNK, MIN_HOLE,
    MIN_LIST,
};
pub use list::{Listed, inspect_list};
pub use read::Span;

/// Makes and reads the contents of one vault. Cheap to clone, safe to use from many threads.
#[derive(Clone)]
pub struct Contents {
    shared: Arc<Shared>,
}

struct Shared {
    objects: Arc<dyn Objects>,
    chunker: Chunker,
    workers: Workers,
    lists: Arc<Recent<List>>,
}

impl std::fmt::Debug for Contents {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Contents").finish_non_exhaustive()
    }
}

impl Contents {
    /// Contents kept in `objects`, cut under the vault's `gear_seed`
    /// ([`crate::crypto::ContentKeys::gear_seed`]). Chunks are hashed, sealed and put on `workers` threads of
    /// its own; with 0 on the caller's. Decoded lists are kept up to `cache` bytes of their encodings.
    pub fn new(objects: Arc<dyn Objects>, gear_seed: u64, workers: usize, cache: usize) -> Self {
        let (chunker, workers) = (Chunker::new(gear_seed), Workers::new(workers, Priority::Usual));
        let lists = Arc::new(Recent::new(cache));
        Contents { shared: Arc::new(Shared { objects, chunker, workers, lists }) }
    }

    /// The same contents, made on `workers` threads that give way to whatever else wants to run: for what nobody
    /// waits for.
    pub fn behind(&self, workers: usize) -> Contents {
        let Shared { objects, chunker, lists, .. } = &*self.shared;
        let workers = Workers::new(workers, Priority::Low);
        let (objects, chunker, lists) = (Arc::clone(objects), chunker.clone(), Arc::clone(lists));
        Contents { shared: Arc::new(Shared { objects, chunker, workers, lists }) }
    }

    /// The content with all bytes that `source` gives. Reads about 4 MiB ahead.
    ///
    /// # Errors
    /// [`ContentsError::Source`] if reading fails, a full store, [`ContentsError::TooLarge`].
    pub fn write(&self, source: impl Read) -> Result<Content, ContentsError> {
        let mut cutter = Cutter::new(&self.shared.chunker, ReaderSource(source));
        let mut assembly = Assembly::new(&self.shared);
        let mut next = cutter.next_piece()?;
        if let Some(Piece::Data(first)) = &next
            && first.len() <= INLINE_MAX
        {
            let second = cutter.next_piece()?;
            if second.is_none() {
                return Ok(Content::Inline(first.to_vec()));
            }
            assembly.push(Piece::Data(first.clone()))?;
            next = second;
        }
        while let Some(piece) = next {
            assembly.push(piece)?;
            next = cutter.next_piece()?;
        }
        assembly.finish()
    }
}
