//! Reading ranges of contents, and telling data from holes.

use std::ops::{ControlFlow, Range};

use bytes::Bytes;

use super::list::Entry;
use super::{Content, Contents, ContentsError, Shared};
use crate::crypto::{ObjectId, ObjectKind};
use crate::trie::Malformed;

/// A piece of a content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Where in the content it begins.
    pub start: u64,
    /// How many bytes it stands for.
    pub len: u64,
    /// Its chunk; `None` is a hole.
    pub chunk: Option<ObjectId>,
}

/// Holes up to which they are counted one by one.
const MOST_HOLES: usize = 256;

impl Contents {
    /// How many bytes of `content` are no holes. Of one with very many holes, those after the first are counted
    /// as bytes.
    ///
    /// # Errors
    /// Lists that are missing or invalid.
    pub fn data_bytes(&self, content: &Content) -> Result<u64, ContentsError> {
        let mut stored = 0;
        let mut at = 0;
        for _ in 0..MOST_HOLES {
            let Some(data) = self.seek_data(content, at)? else { return Ok(stored) };
            at = self.seek_hole(content, data)?.unwrap_or(content.len());
            stored += at - data;
        }
        Ok(stored + (content.len() - at))
    }

    /// The bytes of `content` from `offset` on, at most `len` of them and none past its end.
    ///
    /// # Errors
    /// Objects that are missing or invalid.
    pub fn read(&self, content: &Content, offset: u64, len: usize) -> Result<Vec<u8>, ContentsError> {
        let end = offset.saturating_add(len as u64).min(content.len());
        if offset >= end {
            return Ok(Vec::new());
        }
        if let Content::Inline(bytes) = content {
            return Ok(bytes.get(offset as usize..end as usize).unwrap_or_default().to_vec());
        }
        let mut out = Vec::with_capacity((end - offset) as usize);
        self.shared.walk_pieces(content, offset, &mut |start, entry| {
            let from = start.max(offset) - start;
            let to = (start + entry.len).min(end) - start;
            self.shared.read_piece(entry, from..to, &mut out)?;
            Ok(if start + to >= end { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })?;
        Ok(out)
    }

    /// The chunk or hole that holds the byte at `offset`; `None` past the end, and for a content that stands
    /// in its node. For readers that keep chunks themselves.
    ///
    /// # Errors
    /// Lists that are missing or invalid.
    pub fn span_at(&self, content: &Content, offset: u64) -> Result<Option<Span>, ContentsError> {
        let piece = self.shared.piece_at(content, offset)?;
        Ok(piece.map(|(start, entry)| Span { start, len: entry.len, chunk: entry.target }))
    }

    /// The first offset from `offset` on that is not in a hole; `None` if there is none before the end.
    ///
    /// # Errors
    /// Lists that are missing or invalid.
    pub fn seek_data(&self, content: &Content, offset: u64) -> Result<Option<u64>, ContentsError> {
        if matches!(content, Content::Inline(_)) {
            return Ok((offset < content.len()).then_some(offset));
        }
        self.seek(content, offset, |entry| entry.target.is_some())
    }

    /// The first offset from `offset` on that is in a hole, or the end; `None` if `offset` is not before the
    /// end.
    ///
    /// # Errors
    /// Lists that are missing or invalid.
    pub fn seek_hole(&self, content: &Content, offset: u64) -> Result<Option<u64>, ContentsError> {
        if offset >= content.len() {
            return Ok(None);
        }
        let hole = self.seek(content, offset, |entry| entry.target.is_none())?;
        Ok(hole.or(Some(content.len())))
    }

    fn seek(
        &self,
        content: &Content,
        offset: u64,
        wanted: impl Fn(&Entry) -> bool,
    ) -> Result<Option<u64>, ContentsError> {
        let mut found = None;
        self.shared.walk_pieces(content, offset, &mut |start, entry| {
            if !wanted(&entry) {
                return Ok(ControlFlow::Continue(()));
            }
            found = Some(start.max(offset));
            Ok(ControlFlow::Break(()))
        })?;
        Ok(found)
    }
}

impl Shared {
    fn read_piece(&self, entry: Entry, part: Range<u64>, out: &mut Vec<u8>) -> Result<(), ContentsError> {
        match entry.target {
            None => out.resize(out.len() + (part.end - part.start) as usize, 0),
            Some(id) => out.extend_from_slice(&self.chunk_part(id, entry.len, part)?),
        }
        Ok(())
    }

    /// Part of the chunk `id`, which must have `len` bytes.
    pub(super) fn chunk_part(
        &self,
        id: ObjectId,
        len: u64,
        part: Range<u64>,
    ) -> Result<Bytes, ContentsError> {
        let whole = part == (0..len);
        let bytes = if whole {
            self.objects.load(ObjectKind::Chunk, &id)?
        } else {
            self.objects.load_range(ObjectKind::Chunk, &id, part.start as u32..part.end as u32)?
        };
        if bytes.len() as u64 == part.end - part.start {
            Ok(bytes)
        } else {
            Err(ContentsError::Invalid { id, why: Malformed("chunk of another length than its list says") })
        }
    }
}
