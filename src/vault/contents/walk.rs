//! What a content consists of: for replication, garbage collection and checking.

use std::collections::HashSet;

use super::list::{Entry, Listed};
use super::tree::top;
use super::{Content, Contents, ContentsError, Shared};
use crate::crypto::{ObjectId, ObjectKind};

impl Contents {
    /// Every object of `content` that is not here, each once. Below a list that is not here nothing is known:
    /// ask again when it has come.
    ///
    /// # Errors
    /// Failures of the store, invalid lists.
    pub fn missing(&self, content: &Content) -> Result<Vec<(ObjectId, ObjectKind)>, ContentsError> {
        let mut missing = Vec::new();
        let mut seen = HashSet::new();
        let Some(top) = listed(content) else { return Ok(missing) };
        let mut ahead = vec![top];
        while let Some(next) = ahead.pop() {
            if !seen.insert(next.id) {
                continue;
            }
            if !self.shared.objects.holds(&next.id)? {
                missing.push((next.id, next.kind));
            } else if next.level > 0 {
                ahead.extend(self.shared.below(&next)?.into_iter().rev().map(|(_, listed)| listed));
            }
        }
        Ok(missing)
    }

    /// Calls `visit` with each object of `new` that is not in the same place of `old`, below before above:
    /// what somebody who holds `old` lacks, but for pieces that moved. An object that occurs in several places
    /// may be told several times.
    ///
    /// # Errors
    /// Lists that are missing or invalid, and whatever `visit` fails with.
    pub fn new_objects<E: From<ContentsError>>(
        &self,
        old: &Content,
        new: &Content,
        mut visit: impl FnMut(&Listed) -> Result<(), E>,
    ) -> Result<(), E> {
        match listed(new) {
            Some(top) => self.visit_new(old, 0, &top, &mut visit),
            None => Ok(()),
        }
    }

    fn visit_new<E: From<ContentsError>>(
        &self,
        old: &Content,
        at: u64,
        new: &Listed,
        visit: &mut dyn FnMut(&Listed) -> Result<(), E>,
    ) -> Result<(), E> {
        let there = self.shared.entry_at(old, at, new.level)?;
        if there.is_some_and(|(start, entry)| start == at && entry.target == Some(new.id)) {
            return Ok(());
        }
        if new.level > 0 {
            for (start, below) in self.shared.below(new)? {
                self.visit_new(old, at + start, &below, visit)?;
            }
        }
        visit(new)
    }
}

impl Shared {
    /// What a list names, with where each begins in it.
    fn below(&self, list: &Listed) -> Result<Vec<(u64, Listed)>, ContentsError> {
        let decoded = self.list(list.id, list.level, list.len)?;
        let level = list.level - 1;
        Ok(decoded.placed().filter_map(|(start, entry)| Some((start, named(level, entry)?))).collect())
    }
}

fn listed(content: &Content) -> Option<Listed> {
    let (level, entry) = top(content)?;
    named(level, entry)
}

fn named(level: u8, entry: Entry) -> Option<Listed> {
    let kind = if level == 0 { ObjectKind::Chunk } else { ObjectKind::List };
    Some(Listed { id: entry.target?, kind, len: entry.len, level })
}
