//! Edits whose bytes lie in packs, as a journal entry says them.
#![deny(clippy::indexing_slicing)]

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::crypto::ObjectId;
use crate::vault::contents::{Extent, Extents, Stored};
use crate::vault::error::{Result, VaultError};

/// Many writes at once: where they are, and the objects that have their bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Packed {
    /// The size of the file after them, in bytes.
    size: u64,
    /// Offset and length of what became zeros.
    holes: Vec<(u64, u64)>,
    /// What became bytes.
    packs: Vec<Pack>,
}

/// A pack, and what of it belongs where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Pack {
    chunk: ObjectId,
    /// Bytes of the whole chunk.
    len: u32,
    /// Offset in the file, offset in the chunk, length.
    parts: Vec<(u64, u32, u32)>,
}

impl Packed {
    /// The edits `packed`, after which the file has `size` bytes.
    ///
    /// # Errors
    /// If not all bytes of them are in packs.
    pub(in crate::vault) fn of(packed: &Extents, size: u64) -> Result<Self> {
        let (mut holes, mut packs) = (Vec::new(), BTreeMap::<ObjectId, Pack>::new());
        for (offset, extent) in packed.iter() {
            match extent {
                Extent::Hole(len) => holes.push((offset, len)),
                Extent::Stored(stored) => {
                    let (chunk, len) = (stored.chunk, stored.chunk_len);
                    let pack = packs.entry(chunk).or_insert_with(|| Pack { chunk, len, parts: Vec::new() });
                    pack.parts.push((offset, stored.at, stored.len));
                }
                Extent::Bytes(_) => return Err(VaultError::Inconsistent("bytes that were not packed")),
            }
        }
        Ok(Packed { size, holes, packs: packs.into_values().collect() })
    }

    /// The size of the file after them, in bytes.
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// Makes the edits on top of others.
    pub(super) fn make(&self, extents: &mut Extents) {
        for (offset, len) in &self.holes {
            extents.insert_hole(*offset, *len);
        }
        for pack in &self.packs {
            for (offset, at, len) in &pack.parts {
                let (chunk, chunk_len) = (pack.chunk, pack.len);
                extents.insert_stored(*offset, Stored { chunk, chunk_len, at: *at, len: *len });
            }
        }
    }
}
