//! Putting edits away: their bytes go into objects of their own, and no longer take memory.
//!
//! For many small edits far apart: making a content of them would cut and save every chunk they touch, fifty
//! times what was written. Packed, they cost what they are, and the content is made once, when the writing is
//! over. A pack is an ordinary chunk to the store; no content names it, and it is of no use once a content
//! holds what is in it.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;

use super::limits::AVERAGE_CHUNK;
use super::workers::Ticket;
use super::{Contents, ContentsError, Extent, Extents, Shared, Stored};
use crate::crypto::{ObjectId, ObjectKind};
use crate::trie::ObjectsError;

/// Bytes of a pack: read back whole when the content is made, in part when the file is read before.
const PACK_LEN: usize = AVERAGE_CHUNK;

impl Contents {
    /// The same edits, with all bytes in objects. They are packed in the order of the file.
    ///
    /// # Errors
    /// A full store.
    pub fn pack(&self, edits: &Extents) -> Result<Extents, ContentsError> {
        let mut packer = Packer::new(&self.shared);
        for (offset, extent) in edits.iter() {
            match extent {
                Extent::Bytes(bytes) => packer.push(offset, bytes)?,
                Extent::Hole(len) => packer.packed.insert_hole(offset, len),
                Extent::Stored(stored) => packer.packed.insert_stored(offset, stored),
            }
        }
        packer.finish()
    }

    /// The bytes of an edit that was packed.
    ///
    /// # Errors
    /// Objects that are missing or invalid.
    pub fn stored(&self, stored: &Stored) -> Result<Bytes, ContentsError> {
        let (from, to) = (u64::from(stored.at), u64::from(stored.at) + u64::from(stored.len));
        self.shared.chunk_part(stored.chunk, stored.chunk_len.into(), from..to)
    }
}

/// Bytes on their way into a pack: where they belong in the file, where they lie in the pack, how many.
type Part = (u64, u32, u32);

struct Pack {
    id: Ticket<Result<ObjectId, ObjectsError>>,
    len: u32,
    parts: Vec<Part>,
}

struct Packer<'a> {
    shared: &'a Shared,
    packed: Extents,
    filling: Vec<u8>,
    parts: Vec<Part>,
    under_way: VecDeque<Pack>,
}

impl<'a> Packer<'a> {
    fn new(shared: &'a Shared) -> Self {
        Packer {
            shared,
            packed: Extents::new(),
            filling: Vec::with_capacity(PACK_LEN),
            parts: Vec::new(),
            under_way: VecDeque::new(),
        }
    }

    fn push(&mut self, mut offset: u64, mut bytes: &[u8]) -> Result<(), ContentsError> {
        while !bytes.is_empty() {
            let (part, rest) = bytes.split_at(bytes.len().min(PACK_LEN - self.filling.len()));
            self.parts.push((offset, self.filling.len() as u32, part.len() as u32));
            self.filling.extend_from_slice(part);
            if self.filling.len() == PACK_LEN {
                self.save();
                self.settle(self.shared.workers.depth())?;
            }
            (offset, bytes) = (offset + part.len() as u64, rest);
        }
        Ok(())
    }

    fn save(&mut self) {
        let bytes = std::mem::replace(&mut self.filling, Vec::with_capacity(PACK_LEN));
        let (len, parts) = (bytes.len() as u32, std::mem::take(&mut self.parts));
        let objects = Arc::clone(&self.shared.objects);
        let id = self.shared.workers.run(move || objects.save(ObjectKind::Chunk, &bytes));
        self.under_way.push_back(Pack { id, len, parts });
    }

    /// Waits until at most `depth` packs are on their way.
    fn settle(&mut self, depth: usize) -> Result<(), ContentsError> {
        while self.under_way.len() > depth
            && let Some(pack) = self.under_way.pop_front()
        {
            let chunk = pack.id.wait()??;
            for (offset, at, len) in pack.parts {
                self.packed.insert_stored(offset, Stored { chunk, chunk_len: pack.len, at, len });
            }
        }
        Ok(())
    }

    fn finish(mut self) -> Result<Extents, ContentsError> {
        if !self.filling.is_empty() {
            self.save();
        }
        self.settle(0)?;
        Ok(self.packed)
    }
}
