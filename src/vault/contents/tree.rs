//! Finding the way through a content's lists.

use std::ops::ControlFlow;
use std::sync::Arc;

use super::list::{Entry, List};
use super::{Content, ContentsError, Shared};
use crate::crypto::{ObjectId, ObjectKind};
use crate::trie::Malformed;

/// What the visitor of a walk says: go on, or stop here.
pub(super) type Visited = Result<ControlFlow<()>, ContentsError>;

impl Shared {
    /// The list `id`, which must be of `level` and stand for `len` bytes.
    pub(super) fn list(&self, id: ObjectId, level: u8, len: u64) -> Result<Arc<List>, ContentsError> {
        let invalid = |why| ContentsError::Invalid { id, why };
        let list = match self.lists.find(&id) {
            Some(list) => list,
            None => {
                let bytes = self.objects.load(ObjectKind::List, &id)?;
                let list = Arc::new(List::decode(&bytes).map_err(invalid)?);
                self.lists.insert(id, Arc::clone(&list), bytes.len());
                list
            }
        };
        if list.level != level || list.len() != len {
            return Err(invalid(Malformed("not what its parent says")));
        }
        Ok(list)
    }

    /// The piece that holds the byte at `offset`, and where it begins; `None` past the end and for contents
    /// without pieces.
    pub(super) fn piece_at(
        &self,
        content: &Content,
        offset: u64,
    ) -> Result<Option<(u64, Entry)>, ContentsError> {
        self.entry_at(content, offset, 0)
    }

    /// As [`Shared::piece_at`], but of the list entry of `level` there.
    pub(super) fn entry_at(
        &self,
        content: &Content,
        offset: u64,
        level: u8,
    ) -> Result<Option<(u64, Entry)>, ContentsError> {
        let Some((mut at, mut entry)) = top(content).filter(|_| offset < content.len()) else {
            return Ok(None);
        };
        let (mut begin, mut target) = (0, entry.target);
        while at > level
            && let Some(id) = target
        {
            let list = self.list(id, at, entry.len)?;
            let Some((_, start, below)) = list.entry_at(offset - begin) else { return Ok(None) };
            begin += start;
            entry = below;
            target = below.target;
            at -= 1;
        }
        Ok((at == level).then_some((begin, entry)))
    }

    /// Calls `visit` with the pieces of `content` in order, from the one that holds `from` on, with where each
    /// begins.
    pub(super) fn walk_pieces(
        &self,
        content: &Content,
        from: u64,
        visit: &mut dyn FnMut(u64, Entry) -> Visited,
    ) -> Result<(), ContentsError> {
        match top(content) {
            Some((level, entry)) if from < entry.len => self.walk(level, entry, 0, from, visit).map(|_| ()),
            _ => Ok(()),
        }
    }

    fn walk(
        &self,
        level: u8,
        entry: Entry,
        begin: u64,
        from: u64,
        visit: &mut dyn FnMut(u64, Entry) -> Visited,
    ) -> Visited {
        let (1.., Some(id)) = (level, entry.target) else { return visit(begin, entry) };
        let list = self.list(id, level, entry.len)?;
        let first = list.entry_at(from.saturating_sub(begin)).map_or(0, |(index, ..)| index);
        for (start, below) in list.placed().skip(first) {
            if self.walk(level - 1, below, begin + start, from, visit)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }
}

/// The content as one entry with its level; `None` if its bytes stand in the node.
pub(super) fn top(content: &Content) -> Option<(u8, Entry)> {
    let len = content.len();
    match content {
        Content::Empty | Content::Inline(_) => None,
        Content::Hole { .. } => Some((0, Entry { target: None, len })),
        Content::Chunk { id, .. } => Some((0, Entry { target: Some(*id), len })),
        Content::List { id, depth, .. } => Some((*depth, Entry { target: Some(*id), len })),
    }
}
