//! A content to be made, as stretches of others: of old contents, of edits, of zeros.

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};

use bytes::Bytes;

use super::pending::Pending;
use super::source::{Run, Source};
use super::{Content, ContentsError, Extent, Extents, Shared, Stored};
use crate::crypto::ObjectId;

/// How much of a chunk is looked at, in bytes, to see where the one before it ends.
const GLANCE: u64 = 32 * 1024;

/// How many chunks in a row are glanced at before it is assumed that all of each will be needed.
const GLANCES: u8 = 2;

/// How many packs of edits are kept whole. The edits of one time are packed in the order of the file, so as many
/// packs are in use at once as there were times. (Of old times little is left: that is not read whole.)
const PACKS: usize = 128;

/// Where the bytes of a stretch come from.
#[derive(Clone, Copy)]
pub(super) enum Origin<'a> {
    /// A content, from this offset in it on.
    Content(&'a Content, u64),
    /// Edits, by the offsets of the new content.
    Edits(&'a Extents),
    Zeros,
}

/// A part of the new content with one origin.
#[derive(Clone, Copy)]
pub(super) struct Stretch<'a> {
    pub(super) start: u64,
    pub(super) end: u64,
    pub(super) origin: Origin<'a>,
}

/// Stretches in order without gaps, from 0 on.
#[derive(Default)]
pub(super) struct Rope<'a> {
    stretches: Vec<Stretch<'a>>,
}

impl<'a> Rope<'a> {
    /// How long the new content is.
    pub(super) fn len(&self) -> u64 {
        self.stretches.last().map_or(0, |last| last.end)
    }

    /// Appends `len` bytes of `content` from `offset` on; what lies past its end is zeros.
    pub(super) fn push_content(&mut self, content: &'a Content, offset: u64, len: u64) {
        let there = content.len().saturating_sub(offset).min(len);
        self.push(there, Origin::Content(content, offset));
        self.push(len - there, Origin::Zeros);
    }

    /// Appends the edits up to `end`, which they cover from here on.
    fn push_edits(&mut self, edits: &'a Extents, end: u64) {
        match self.stretches.last_mut() {
            Some(Stretch { end: before, origin: Origin::Edits(_), .. }) => *before = end,
            _ => self.push(end - self.len(), Origin::Edits(edits)),
        }
    }

    fn push(&mut self, len: u64, origin: Origin<'a>) {
        let start = self.len();
        if len > 0 {
            self.stretches.push(Stretch { start, end: start + len, origin });
        }
    }

    /// `content` under `edits`, `len` bytes long.
    pub(super) fn edited(content: &'a Content, edits: &'a Extents, len: u64) -> Self {
        let mut rope = Rope::default();
        for (start, extent) in edits.within(0..len) {
            let at = rope.len();
            rope.push_content(content, at, start - at);
            rope.push_edits(edits, start + extent.len());
        }
        let at = rope.len();
        rope.push_content(content, at, len - at);
        rope
    }

    /// How many bytes it takes from each pack of edits.
    fn live(&self) -> HashMap<ObjectId, u32> {
        let mut live = HashMap::new();
        for stretch in &self.stretches {
            let Origin::Edits(edits) = stretch.origin else { continue };
            for (_, extent) in edits.within(stretch.start..stretch.end) {
                if let Extent::Stored(stored) = extent {
                    let bytes: &mut u32 = live.entry(stored.chunk).or_default();
                    *bytes = bytes.saturating_add(stored.len);
                }
            }
        }
        live
    }

    /// The stretch that holds the byte at `at`, and its number.
    pub(super) fn stretch_at(&self, at: u64) -> Option<(usize, Stretch<'a>)> {
        let number = self.stretches.partition_point(|stretch| stretch.end <= at);
        Some((number, *self.stretches.get(number)?))
    }
}

/// Reads chunks of old contents, and keeps the last; and edits that were packed.
pub(super) struct ChunkReader<'a> {
    pub(super) shared: &'a Shared,
    last: RefCell<Option<(ObjectId, Bytes)>>,
    /// How many bytes of each pack are asked for.
    live: HashMap<ObjectId, u32>,
    /// Those used last at the end.
    packs: RefCell<VecDeque<(ObjectId, Bytes)>>,
}

impl<'a> ChunkReader<'a> {
    pub(super) fn new(shared: &'a Shared, rope: &Rope<'_>) -> Self {
        ChunkReader { shared, last: RefCell::default(), live: rope.live(), packs: RefCell::default() }
    }

    /// The whole chunk, of `len` bytes.
    pub(super) fn whole(&self, id: ObjectId, len: u64) -> Result<Bytes, ContentsError> {
        if let Some(bytes) = self.kept(id, len) {
            return Ok(bytes);
        }
        let bytes = self.shared.chunk_part(id, len, 0..len)?;
        *self.last.borrow_mut() = Some((id, bytes.clone()));
        Ok(bytes)
    }

    /// The bytes of an edit that was packed.
    fn stored(&self, stored: &Stored) -> Result<Bytes, ContentsError> {
        let live = self.live.get(&stored.chunk).copied().unwrap_or_default();
        if live < stored.chunk_len / 2 {
            let from = u64::from(stored.at);
            let range = from..from + u64::from(stored.len);
            return self.shared.chunk_part(stored.chunk, stored.chunk_len.into(), range);
        }
        let mut packs = self.packs.borrow_mut();
        let known = packs.iter().rposition(|(id, _)| *id == stored.chunk).and_then(|at| packs.remove(at));
        let pack = match known {
            Some(pack) => pack,
            None => {
                let len = u64::from(stored.chunk_len);
                (stored.chunk, self.shared.chunk_part(stored.chunk, len, 0..len)?)
            }
        };
        let end = (stored.at as usize).saturating_add(stored.len as usize).min(pack.1.len());
        let bytes = pack.1.slice((stored.at as usize).min(end)..end);
        packs.push_back(pack);
        if packs.len() > PACKS {
            packs.pop_front();
        }
        Ok(bytes)
    }

    /// The first bytes of the chunk.
    fn glance(&self, id: ObjectId, len: u64) -> Result<Bytes, ContentsError> {
        match self.kept(id, len) {
            Some(bytes) => Ok(bytes.slice(..GLANCE.min(len) as usize)),
            None => self.shared.chunk_part(id, len, 0..GLANCE.min(len)),
        }
    }

    fn kept(&self, id: ObjectId, len: u64) -> Option<Bytes> {
        let last = self.last.borrow();
        last.as_ref().filter(|(kept, bytes)| *kept == id && bytes.len() as u64 == len).map(|(_, b)| b.clone())
    }
}

/// Gives the bytes of a rope from some place on.
pub(super) struct RopeSource<'r, 'a> {
    rope: &'r Rope<'a>,
    chunks: &'r ChunkReader<'a>,
    began: u64,
    at: u64,
    glances: u8,
}

impl<'r, 'a> RopeSource<'r, 'a> {
    pub(super) fn new(rope: &'r Rope<'a>, chunks: &'r ChunkReader<'a>, at: u64) -> Self {
        RopeSource { rope, chunks, began: at, at, glances: GLANCES }
    }

    /// Bytes of `content` from `offset` on, at most `len`.
    fn fill_from(
        &mut self,
        content: &Content,
        offset: u64,
        len: u64,
        pending: &mut Pending,
    ) -> Result<Run, ContentsError> {
        if let Content::Inline(bytes) = content {
            let part = bytes.get(offset as usize..(offset + len) as usize).unwrap_or_default();
            return Ok(self.give(Bytes::copy_from_slice(part), pending));
        }
        let Some((start, piece)) = self.chunks.shared.piece_at(content, offset)? else { return Ok(Run::End) };
        let (from, to) = (offset - start, (offset + len - start).min(piece.len));
        let Some(id) = piece.target else { return Ok(self.give_zeros(to - from)) };
        let bytes = if from == 0 && self.at > self.began && self.glances > 0 {
            self.glances -= 1;
            self.chunks.glance(id, piece.len)?
        } else {
            self.chunks.whole(id, piece.len)?
        };
        let to = (to as usize).min(bytes.len());
        Ok(self.give(bytes.slice((from as usize).min(to)..to), pending))
    }

    fn give(&mut self, bytes: Bytes, pending: &mut Pending) -> Run {
        self.at += bytes.len() as u64;
        let run = if bytes.is_empty() { Run::End } else { Run::Bytes };
        pending.push(bytes);
        run
    }

    fn give_zeros(&mut self, len: u64) -> Run {
        self.at += len;
        Run::Zeros(len)
    }
}

impl Source for RopeSource<'_, '_> {
    fn fill(&mut self, pending: &mut Pending) -> Result<Run, ContentsError> {
        let Some((_, stretch)) = self.rope.stretch_at(self.at) else { return Ok(Run::End) };
        let left = stretch.end - self.at;
        match stretch.origin {
            Origin::Zeros => Ok(self.give_zeros(left)),
            Origin::Content(content, offset) => {
                self.fill_from(content, offset + (self.at - stretch.start), left, pending)
            }
            Origin::Edits(edits) => match edits.within(self.at..stretch.end).next() {
                Some((at, Extent::Bytes(bytes))) => {
                    let bytes = edits.share(at, bytes.len()).unwrap_or_default();
                    Ok(self.give(bytes, pending))
                }
                Some((_, Extent::Hole(len))) => Ok(self.give_zeros(len)),
                Some((_, Extent::Stored(stored))) => {
                    let bytes = self.chunks.stored(&stored)?;
                    Ok(self.give(bytes, pending))
                }
                None => Ok(Run::End),
            },
        }
    }
}
