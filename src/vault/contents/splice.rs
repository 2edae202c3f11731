//! Editing: cutting anew from each edit until the cuts coincide with the old ones, and taking the rest over.
//!
//! Why the result equals cutting the final bytes from scratch: what is cut from some place on follows from the
//! bytes after it ([`super::cutter`]). So a place that is a cut in both the old and the new content is followed
//! by the same pieces in both, up to the first piece whose end depends on bytes that differ. The end of a
//! piece depends on the two bytes after it and, if it ends in zeros, on how long the run of zeros goes on; so
//! every piece counts as unchanged that ends at least two bytes before the zeros before the difference.

use std::io::ErrorKind;

use super::assembly::Assembly;
use super::cutter::Cutter;
use super::limits::{INLINE_MAX, MAX_LEN};
use super::pending::Pending;
use super::rope::{ChunkReader, Origin, Rope, RopeSource};
use super::source::{Run, Source};
use super::{Content, Contents, ContentsError, Extents, Shared};

/// How many bytes after a piece its end may depend on, zeros apart.
const LOOKAHEAD: u64 = 2;

impl Contents {
    /// `content` with `edits` made on it and then cut or extended with zeros to `new_len`. Equals writing the
    /// final bytes anew.
    ///
    /// Where the edits say nothing, `content` shows: whoever cut a file and let it grow again must have put a
    /// hole over what was cut off.
    ///
    /// # Errors
    /// Objects that are missing or invalid, a full store, [`ContentsError::TooLarge`].
    pub fn splice(&self, content: &Content, edits: &Extents, new_len: u64) -> Result<Content, ContentsError> {
        weave(&self.shared, &Rope::edited(content, edits, new_len))
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
        let len = len.min(source.len().saturating_sub(from));
        if len == 0 {
            return Ok(target.clone());
        }
        let end = at.checked_add(len).ok_or(ContentsError::TooLarge)?;
        let mut rope = Rope::default();
        rope.push_content(target, 0, at);
        rope.push_content(source, from, len);
        rope.push_content(target, end, target.len().saturating_sub(end));
        weave(&self.shared, &rope)
    }
}

fn weave<'a>(shared: &'a Shared, rope: &Rope<'a>) -> Result<Content, ContentsError> {
    if rope.len() > MAX_LEN {
        return Err(ContentsError::TooLarge);
    }
    let chunks = ChunkReader::new(shared, rope);
    if rope.len() <= INLINE_MAX as u64 {
        return inline(RopeSource::new(rope, &chunks, 0));
    }
    let mut weaver = Weaver { shared, rope, chunks: &chunks, limit: None, assembly: Assembly::new(shared) };
    let mut at = 0;
    while at < rope.len() {
        at = match weaver.take_over(at)? {
            Some(end) => end,
            None => weaver.cut(at)?,
        };
    }
    weaver.assembly.finish()
}

fn inline(mut source: impl Source) -> Result<Content, ContentsError> {
    let mut bytes = Pending::default();
    loop {
        match source.fill(&mut bytes)? {
            Run::Bytes => {}
            Run::Zeros(len) => bytes.zeros(len as usize),
            Run::End if bytes.is_empty() => return Ok(Content::Empty),
            Run::End => return Ok(Content::Inline(bytes.into_vec())),
        }
    }
}

struct Weaver<'r, 'a> {
    shared: &'a Shared,
    rope: &'r Rope<'a>,
    chunks: &'r ChunkReader<'a>,
    /// The stretch last asked about, and up to where its old pieces stay.
    limit: Option<(usize, u64)>,
    assembly: Assembly<'a>,
}

/// Pieces of an old content that stay as they are.
struct Kept<'a> {
    content: &'a Content,
    from: u64,
    to: u64,
}

impl<'a> Weaver<'_, 'a> {
    /// Takes over old pieces from the cut `at` on; says where they end, or `None` if there are none.
    fn take_over(&mut self, at: u64) -> Result<Option<u64>, ContentsError> {
        let Some(kept) = self.kept_from(at)? else { return Ok(None) };
        self.assembly.push_run(kept.content, kept.from, kept.to)?;
        Ok(Some(at + (kept.to - kept.from)))
    }

    /// Cuts from the cut `at` on until old pieces can be taken over again.
    fn cut(&mut self, start: u64) -> Result<u64, ContentsError> {
        let mut at = start;
        let source = RopeSource::new(self.rope, self.chunks, at);
        let mut cutter = Cutter::new(&self.shared.chunker, source);
        while let Some(piece) = cutter.next_piece()? {
            at += piece.len();
            self.assembly.push(piece)?;
            if self.kept_from(at)?.is_some() {
                break;
            }
        }
        // The rope is longer than what it is made of: never go round for ever.
        if at == start { Err(std::io::Error::from(ErrorKind::UnexpectedEof).into()) } else { Ok(at) }
    }

    fn kept_from(&mut self, at: u64) -> Result<Option<Kept<'a>>, ContentsError> {
        let Some((number, stretch)) = self.rope.stretch_at(at) else { return Ok(None) };
        let Origin::Content(content, offset) = stretch.origin else { return Ok(None) };
        let from = offset + (at - stretch.start);
        let to = match self.limit {
            Some((known, to)) if known == number => to,
            _ => {
                let end = offset + (stretch.end - stretch.start);
                let whole = stretch.end == self.rope.len() && end == content.len();
                let to = if whole { end } else { self.unchanged_before(content, offset, end)? };
                self.limit = Some((number, to));
                to
            }
        };
        if from >= to {
            return Ok(None);
        }
        let piece = self.shared.piece_at(content, from)?;
        Ok(piece.filter(|(start, _)| *start == from).map(|_| Kept { content, from, to }))
    }

    /// Up to where the pieces of `content` stay if the bytes from `end` on change. At or below `floor` it does
    /// not matter.
    fn unchanged_before(&self, content: &Content, floor: u64, end: u64) -> Result<u64, ContentsError> {
        let mut zeros_from = end;
        while zeros_from > floor {
            let Some((start, piece)) = self.shared.piece_at(content, zeros_from - 1)? else {
                return Ok(floor);
            };
            let Some(id) = piece.target else {
                zeros_from = start;
                break;
            };
            let bytes = self.chunks.whole(id, piece.len)?;
            let before = bytes.get(..(zeros_from - start) as usize).unwrap_or_default();
            match before.iter().rposition(|byte| *byte != 0) {
                Some(last) => {
                    zeros_from = start + last as u64 + 1;
                    break;
                }
                None => zeros_from = start,
            }
        }
        let piece = self.shared.piece_at(content, zeros_from.saturating_sub(LOOKAHEAD))?;
        Ok(piece.map_or(floor, |(start, _)| start))
    }
}
