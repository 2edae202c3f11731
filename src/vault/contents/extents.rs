//! Edits of a file not yet part of its content: a map from offsets to bytes, holes, or bytes kept in an object.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;

use crate::crypto::ObjectId;

/// Bytes written one after another grow one piece up to this length: several chunks, so that few of them lie across
/// two pieces, and not so long that cutting a piece moves much.
const PIECE_MAX: usize = 4 * 1024 * 1024;

/// A piece that has grown to this length takes room for [`PIECE_MAX`]: it goes on growing, most likely, and what is not
/// used of the room costs addresses and no memory.
const GROWS: usize = 64 * 1024;

/// And so does one that begins with this length.
const LONG: usize = 512 * 1024;

/// What a piece takes of memory beside its bytes, roughly.
const PIECE_COST: u64 = 64;

/// Bytes of an edit that lie in an object until they are part of a content ([`super::Contents::pack`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stored {
    /// The object, a chunk.
    pub chunk: ObjectId,
    /// Bytes of the whole chunk.
    pub chunk_len: u32,
    /// Where in it they begin.
    pub at: u32,
    /// How many they are.
    pub len: u32,
}

/// One edit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent<'a> {
    /// These bytes.
    Bytes(&'a [u8]),
    /// So many zeros.
    Hole(u64),
    /// These bytes of an object.
    Stored(Stored),
}

impl Extent<'_> {
    /// How many bytes of the file it covers.
    pub fn len(&self) -> u64 {
        match self {
            Extent::Bytes(bytes) => bytes.len() as u64,
            Extent::Hole(len) => *len,
            Extent::Stored(stored) => stored.len.into(),
        }
    }

    /// Whether it covers nothing.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A map from offsets to what is written there, in order, without overlaps; what is inserted later wins.
///
/// Small writes anywhere and long runs of appends both cost a map access and one copy of the bytes.
#[derive(Clone, Debug, Default)]
pub struct Extents {
    pieces: BTreeMap<u64, Piece>,
    bytes: u64,
}

#[derive(Clone, Debug)]
enum Piece {
    /// Copied, should they be written over while they are shared.
    Bytes(Arc<Vec<u8>>),
    Hole(u64),
    Stored(Stored),
}

/// The bytes of a piece that somebody else reads too.
struct Shared(Arc<Vec<u8>>);

impl AsRef<[u8]> for Shared {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Piece {
    fn len(&self) -> u64 {
        self.extent().len()
    }

    fn extent(&self) -> Extent<'_> {
        match self {
            Piece::Bytes(bytes) => Extent::Bytes(bytes),
            Piece::Hole(len) => Extent::Hole(*len),
            Piece::Stored(stored) => Extent::Stored(*stored),
        }
    }

    /// Keeps the first `at` bytes (fewer than its length) and gives the rest.
    fn split_off(&mut self, at: u64) -> Piece {
        match self {
            Piece::Bytes(bytes) => Piece::Bytes(Arc::new(Arc::make_mut(bytes).split_off(at as usize))),
            Piece::Hole(len) => {
                let rest = *len - at;
                *len = at;
                Piece::Hole(rest)
            }
            Piece::Stored(stored) => {
                let at = at as u32;
                let rest = Stored { at: stored.at + at, len: stored.len - at, ..*stored };
                stored.len = at;
                Piece::Stored(rest)
            }
        }
    }
}

impl Extents {
    /// No edits.
    pub fn new() -> Self {
        Extents::default()
    }

    /// Whether there are no edits.
    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// How many bytes of files the edits carry in memory.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// How much memory the edits take, roughly.
    pub fn weight(&self) -> u64 {
        self.bytes + self.pieces.len() as u64 * PIECE_COST
    }

    /// How many pieces there are.
    pub fn pieces(&self) -> usize {
        self.pieces.len()
    }

    /// Where the last edit ends; 0 if there is none.
    pub fn end(&self) -> u64 {
        self.pieces.last_key_value().map_or(0, |(at, piece)| at.saturating_add(piece.len()))
    }

    /// Writes `bytes` at `offset`.
    pub fn insert(&mut self, offset: u64, bytes: &[u8]) {
        let end = offset.saturating_add(bytes.len() as u64);
        self.clear_for_bytes(offset..end);
        // Bytes over bytes are copied in place; only what falls between pieces makes new ones.
        let mut gaps = Vec::new();
        let mut at = offset;
        for (start, piece) in self.touching(offset..end) {
            if let Piece::Bytes(old) = piece {
                let from = (*start).max(offset);
                let to = (*start + old.len() as u64).min(end);
                if at < from {
                    gaps.push(at..from);
                }
                let target = Arc::make_mut(old).get_mut((from - start) as usize..(to - start) as usize);
                let source = bytes.get((from - offset) as usize..(to - offset) as usize);
                if let (Some(target), Some(source)) = (target, source) {
                    target.copy_from_slice(source);
                }
                at = to;
            }
        }
        if at < end {
            gaps.push(at..end);
        }
        for gap in gaps {
            if let Some(new) = bytes.get((gap.start - offset) as usize..(gap.end - offset) as usize) {
                self.fill_gap(gap.start, new);
            }
        }
    }

    /// Makes `len` bytes at `offset` zero.
    pub fn insert_hole(&mut self, offset: u64, len: u64) {
        let end = offset.saturating_add(len);
        self.remove(offset..end);
        if offset < end {
            self.pieces.insert(offset, Piece::Hole(end - offset));
        }
    }

    /// Makes the bytes at `offset` those of an object.
    pub fn insert_stored(&mut self, offset: u64, stored: Stored) {
        self.remove(offset..offset.saturating_add(stored.len.into()));
        if stored.len > 0 {
            self.pieces.insert(offset, Piece::Stored(stored));
        }
    }

    /// Makes the edits of `later` on top of these, without copying bytes.
    pub fn absorb(&mut self, later: Extents) {
        for (offset, piece) in later.pieces {
            self.remove(offset..offset.saturating_add(piece.len()));
            if let Piece::Bytes(bytes) = &piece {
                self.bytes += bytes.len() as u64;
            }
            self.pieces.insert(offset, piece);
        }
    }

    /// Makes the edits of `later` on top of these.
    pub fn merge(&mut self, later: &Extents) {
        for (offset, extent) in later.iter() {
            match extent {
                Extent::Bytes(bytes) => self.insert(offset, bytes),
                Extent::Hole(len) => self.insert_hole(offset, len),
                Extent::Stored(stored) => self.insert_stored(offset, stored),
            }
        }
    }

    /// Forgets every edit at or above `len`.
    pub fn truncate(&mut self, len: u64) {
        self.remove(len..u64::MAX);
    }

    /// Forgets every edit within `range`.
    pub fn remove(&mut self, range: Range<u64>) {
        if range.is_empty() {
            return;
        }
        self.split_at(range.start);
        self.split_at(range.end);
        let inside: Vec<u64> = self.pieces.range(range).map(|(at, _)| *at).collect();
        for at in inside {
            if let Some(Piece::Bytes(bytes)) = self.pieces.remove(&at) {
                self.bytes -= bytes.len() as u64;
            }
        }
    }

    /// Writes what the edits say over `buf`, which holds the file's bytes from `offset` on. What is kept in
    /// objects stays as it is.
    pub fn overlay(&self, offset: u64, buf: &mut [u8]) {
        let end = offset.saturating_add(buf.len() as u64);
        for (at, extent) in self.within(offset..end) {
            let from = (at - offset) as usize;
            let Some(target) = buf.get_mut(from..from + extent.len() as usize) else { continue };
            match extent {
                Extent::Bytes(bytes) => target.copy_from_slice(bytes),
                Extent::Hole(_) => target.fill(0),
                Extent::Stored(_) => {}
            }
        }
    }

    /// `len` bytes at `at`, which are all of one piece, without copying them.
    pub(super) fn share(&self, at: u64, len: usize) -> Option<Bytes> {
        let (start, piece) = self.pieces.range(..=at).next_back()?;
        let Piece::Bytes(bytes) = piece else { return None };
        let from = usize::try_from(at - start).ok()?;
        let whole = Bytes::from_owner(Shared(Arc::clone(bytes)));
        (from.checked_add(len)? <= whole.len()).then(|| whole.slice(from..from + len))
    }

    /// Whether the edits say every byte of `range`.
    pub fn covers(&self, range: Range<u64>) -> bool {
        let mut at = range.start;
        for (start, extent) in self.within(range.clone()) {
            if start > at {
                return false;
            }
            at = start + extent.len();
        }
        at >= range.end
    }

    /// All edits in order.
    pub fn iter(&self) -> impl Iterator<Item = (u64, Extent<'_>)> {
        self.pieces.iter().map(|(at, piece)| (*at, piece.extent()))
    }

    /// The edits within `range` in order, cut to it.
    pub fn within(&self, range: Range<u64>) -> impl Iterator<Item = (u64, Extent<'_>)> {
        let first = self.pieces.range(..=range.start).next_back().map_or(range.start, |(at, _)| *at);
        let upto = range.end.max(first);
        self.pieces.range(first..upto).filter_map(move |(at, piece)| cut(*at, piece.extent(), &range))
    }

    /// The pieces that overlap `range`, to be changed.
    fn touching(&mut self, range: Range<u64>) -> impl Iterator<Item = (&u64, &mut Piece)> {
        let first = self.pieces.range(..=range.start).next_back().map_or(range.start, |(at, _)| *at);
        let upto = range.end.max(first);
        self.pieces
            .range_mut(first..upto)
            .filter(move |(at, piece)| at.saturating_add(piece.len()) > range.start && !range.is_empty())
    }

    /// Forgets what is within `range` and is no bytes in memory.
    fn clear_for_bytes(&mut self, range: Range<u64>) {
        let others: Vec<Range<u64>> = self
            .touching(range.clone())
            .filter(|(_, piece)| !matches!(piece, Piece::Bytes(_)))
            .map(|(at, piece)| (*at).max(range.start)..(at + piece.len()).min(range.end))
            .collect();
        for other in others {
            self.remove(other);
        }
    }

    /// Puts bytes where there is nothing yet: at the end of the piece before, if that is not full.
    fn fill_gap(&mut self, offset: u64, new: &[u8]) {
        self.bytes += new.len() as u64;
        if let Some((at, Piece::Bytes(before))) = self.pieces.range_mut(..offset).next_back()
            && at + before.len() as u64 == offset
            && before.len() + new.len() <= PIECE_MAX
        {
            let before = Arc::make_mut(before);
            let length = before.len() + new.len();
            if before.capacity() < length && length >= GROWS {
                before.reserve_exact(PIECE_MAX - before.len());
            }
            before.extend_from_slice(new);
            return;
        }
        let mut piece =
            Vec::with_capacity(if new.len() < LONG { new.len() } else { PIECE_MAX.max(new.len()) });
        piece.extend_from_slice(new);
        self.pieces.insert(offset, Piece::Bytes(Arc::new(piece)));
    }

    /// Cuts the piece that `at` lies inside of in two.
    fn split_at(&mut self, at: u64) {
        if let Some((start, piece)) = self.pieces.range_mut(..at).next_back()
            && start + piece.len() > at
        {
            let rest = piece.split_off(at - start);
            self.pieces.insert(at, rest);
        }
    }
}

/// The part of an extent within `range`, if any.
fn cut<'a>(at: u64, extent: Extent<'a>, range: &Range<u64>) -> Option<(u64, Extent<'a>)> {
    let from = at.max(range.start);
    let to = at.saturating_add(extent.len()).min(range.end);
    if from >= to {
        return None;
    }
    let part = match extent {
        Extent::Bytes(bytes) => Extent::Bytes(bytes.get((from - at) as usize..(to - at) as usize)?),
        Extent::Hole(_) => Extent::Hole(to - from),
        Extent::Stored(stored) => {
            Extent::Stored(Stored { at: stored.at + (from - at) as u32, len: (to - from) as u32, ..stored })
        }
    };
    Some((from, part))
}
