//! Cutting a stream of bytes into chunks and holes.
//!
//! From each cut on, the next piece follows from the bytes after it alone:
//! - a run of at least [`MIN_HOLE`] zeros there is a hole, as long as the run;
//! - otherwise it is the first FastCDC chunk of the bytes there, ended early where such a run begins.
//!
//! Whether the bytes come all at once or bit by bit, and whether zeros are written out, makes no difference.

use bytes::Bytes;

use super::ContentsError;
use super::chunker::Chunker;
use super::limits::{MAX_CHUNK, MIN_CHUNK, MIN_HOLE};
use super::pending::Pending;
use super::source::{Run, Source};

/// Zeros of a hole that are written out all the same, so that the chunker sees beyond the chunk before it as
/// far as its answer depends on (see [`Chunker::first_chunk`]).
const SEEN_OF_HOLE: u64 = 2;

/// A piece of content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// The bytes of one chunk.
    Data(Bytes),
    /// So many zeros.
    Hole(u64),
}

impl Piece {
    pub(super) fn len(&self) -> u64 {
        match self {
            Piece::Data(bytes) => bytes.len() as u64,
            Piece::Hole(len) => *len,
        }
    }
}

/// Cuts what a source gives.
pub(super) struct Cutter<'a, S> {
    chunker: &'a Chunker,
    source: S,
    /// Bytes not yet cut.
    pending: Pending,
    /// Zeros that follow them, part of a run of at least [`MIN_HOLE`].
    zeros: u64,
    ended: bool,
}

impl<'a, S: Source> Cutter<'a, S> {
    /// Cuts from a place on that is known to be a cut.
    pub(super) fn new(chunker: &'a Chunker, source: S) -> Self {
        Cutter { chunker, source, pending: Pending::default(), zeros: 0, ended: false }
    }

    /// The next piece, or `None` at the end.
    pub(super) fn next_piece(&mut self) -> Result<Option<Piece>, ContentsError> {
        while self.pending.is_empty() {
            if !self.grow()? {
                return Ok(None);
            }
        }
        let cut = self.chunk_len()?;
        let data = self.data_before(cut);
        if data < cut && self.hole_begins(data)? {
            if data == 0 {
                return self.take_hole().map(Some);
            }
            return Ok(Some(Piece::Data(self.pending.take(data))));
        }
        Ok(Some(Piece::Data(self.pending.take(cut))))
    }

    /// Takes more from the source; false if nothing more can come before what is here is cut.
    fn grow(&mut self) -> Result<bool, ContentsError> {
        if self.ended || self.zeros > 0 {
            return Ok(false);
        }
        match self.source.fill(&mut self.pending)? {
            Run::Bytes => {}
            Run::Zeros(len) => {
                let shown = if len < MIN_HOLE { len } else { SEEN_OF_HOLE };
                self.pending.zeros(shown as usize);
                self.zeros = len - shown;
            }
            Run::End => self.ended = true,
        }
        Ok(!self.ended)
    }

    /// Where FastCDC ends the first chunk, with as much taken from the source as the answer needs.
    fn chunk_len(&mut self) -> Result<usize, ContentsError> {
        // Before that there is no end but that of all.
        let mut wanted = MIN_CHUNK + 2;
        loop {
            while self.pending.len() < wanted && self.grow()? {}
            let front = self.pending.front(wanted);
            let (cut, seen) = (self.chunker.first_chunk(front), front.len());
            if seen >= MAX_CHUNK || cut + 2 <= seen {
                return Ok(cut);
            }
            let more = seen < self.pending.len();
            if !more && !self.grow()? {
                return Ok(cut);
            }
            // Cutting begins anew with what there is: not for every few bytes that a source gives, and rather with a
            // good deal of what is here already.
            wanted = if more { seen * 2 } else { (seen + seen / 8).max(wanted) };
        }
    }

    /// How many of the first `cut` bytes there are up to the zeros that they end in.
    fn data_before(&mut self, cut: usize) -> usize {
        let mut front = self.pending.front(cut).iter().take(cut);
        front.rposition(|byte| *byte != 0).map_or(0, |last| last + 1)
    }

    /// Whether the zeros that begin at `from` are enough for a hole.
    fn hole_begins(&mut self, from: usize) -> Result<bool, ContentsError> {
        let mut at = from;
        loop {
            let (seen, other) = self.pending.zeros_from(at);
            at += seen;
            if (at - from) as u64 >= MIN_HOLE {
                return Ok(true);
            }
            if other {
                return Ok(false);
            }
            if self.zeros > 0 {
                return Ok(true);
            }
            if !self.grow()? {
                return Ok(false);
            }
        }
    }

    /// Takes all zeros from here on, however many.
    fn take_hole(&mut self) -> Result<Piece, ContentsError> {
        let mut len = 0u64;
        loop {
            let (seen, other) = self.pending.zeros_from(0);
            len = len.checked_add(seen as u64).ok_or(ContentsError::TooLarge)?;
            self.pending.skip(seen);
            if other {
                return Ok(Piece::Hole(len));
            }
            len = len.checked_add(std::mem::take(&mut self.zeros)).ok_or(ContentsError::TooLarge)?;
            if !self.grow()? {
                return Ok(Piece::Hole(len));
            }
        }
    }
}
