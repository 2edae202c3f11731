//! Putting pieces together: lists of pieces, lists of lists, up to one content.

use std::sync::Arc;

use super::limits::{MAX_DEPTH, MAX_LEN};
use super::list::{Entry, encode, list_ends};
use super::{Content, ContentsError};
use crate::crypto::{ObjectId, ObjectKind};
use crate::trie::Objects;

/// Takes the pieces of a content in order and saves its lists as they fill.
pub(super) struct Builder {
    objects: Arc<dyn Objects>,
    /// What is not yet in a list, by level: pieces first, then lists of level 1, and so on.
    open: Vec<Vec<Entry>>,
    len: u64,
}

impl Builder {
    pub(super) fn new(objects: Arc<dyn Objects>) -> Self {
        Builder { objects, open: vec![Vec::new()], len: 0 }
    }

    /// Appends a chunk or hole.
    pub(super) fn push(&mut self, piece: Entry) -> Result<(), ContentsError> {
        self.push_list(0, piece)
    }

    /// Appends a whole list of `level` (a piece, if 0), which must have ended by its own entries or be the
    /// last of the content.
    pub(super) fn push_list(&mut self, level: u8, list: Entry) -> Result<(), ContentsError> {
        self.len =
            self.len.checked_add(list.len).filter(|len| *len <= MAX_LEN).ok_or(ContentsError::TooLarge)?;
        self.put(level, list)
    }

    /// Whether a list of `level` can be appended whole: nothing below it is waiting for its end.
    pub(super) fn takes_list(&self, level: u8) -> bool {
        self.open.iter().take(usize::from(level)).all(Vec::is_empty)
    }

    fn put(&mut self, level: u8, entry: Entry) -> Result<(), ContentsError> {
        let at = usize::from(level);
        if self.open.len() <= at {
            self.open.resize(at + 1, Vec::new());
        }
        let Some(open) = self.open.get_mut(at) else { return Err(ContentsError::TooLarge) };
        open.push(entry);
        if list_ends(open) {
            let entries = std::mem::take(open);
            self.close(level, &entries)?;
        }
        Ok(())
    }

    /// Saves entries of `level` as a list of the next.
    fn close(&mut self, level: u8, entries: &[Entry]) -> Result<(), ContentsError> {
        let list = level + 1;
        if list > MAX_DEPTH {
            return Err(ContentsError::TooLarge);
        }
        let id = self.objects.save(ObjectKind::List, &encode(list, entries))?;
        let len = entries.iter().map(|entry| entry.len).sum();
        self.put(list, Entry { target: Some(id), len })
    }

    /// The content of everything appended.
    pub(super) fn finish(mut self) -> Result<Content, ContentsError> {
        for level in 0..=MAX_DEPTH {
            let at = usize::from(level);
            let entries = self.open.get_mut(at).map(std::mem::take).unwrap_or_default();
            let topmost = self.open.iter().skip(at + 1).all(Vec::is_empty);
            match entries.as_slice() {
                [] if topmost => return Ok(Content::Empty),
                [] => {}
                [only] if topmost => return single(level, *only),
                entries => self.close(level, entries)?,
            }
        }
        Err(ContentsError::TooLarge)
    }
}

fn single(level: u8, entry: Entry) -> Result<Content, ContentsError> {
    let chunk = |id: ObjectId| {
        let len = u32::try_from(entry.len).map_err(|_| ContentsError::TooLarge)?;
        Ok(Content::Chunk { id, len })
    };
    match entry.target {
        None => Ok(Content::Hole { len: entry.len }),
        Some(id) if level == 0 => chunk(id),
        Some(id) => Ok(Content::List { id, len: entry.len, depth: level }),
    }
}
