//! List objects: what a content of several pieces consists of.
//!
//! Everything here comes from disk or from a peer: decoding is bounded by the input and refuses what cutting
//! cannot have made.
#![deny(clippy::indexing_slicing)]

use super::limits::{LIST_BITS, MAX_CHUNK, MAX_DEPTH, MAX_LEN, MAX_LIST, MIN_HOLE, MIN_LIST};
use crate::crypto::{ObjectId, ObjectKind};
use crate::trie::Malformed;
use crate::trie::wire::{Reader, put_varint};

/// A piece of a content: a chunk or hole in a list of level 1, a list of one level less in those above.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// The object; `None` is a hole.
    pub(super) target: Option<ObjectId>,
    /// How many bytes of the file it stands for; at least one.
    pub(super) len: u64,
}

/// A list object, decoded.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct List {
    /// How many lists lie between here and a chunk, this one included.
    pub(super) level: u8,
    pub(super) entries: Vec<Entry>,
    /// Where each entry ends, from the start of the list.
    ends: Vec<u64>,
}

/// Whether a list ends after the last of `entries`. Decided by the entries since its start alone.
pub(super) fn list_ends(entries: &[Entry]) -> bool {
    let Some(last) = entries.last() else { return false };
    entries.len() >= MAX_LIST || (entries.len() >= MIN_LIST && last.target.is_some_and(ends_by_id))
}

fn ends_by_id(id: ObjectId) -> bool {
    let [.., last] = id.0;
    last.trailing_zeros() >= LIST_BITS
}

/// The bytes of a list object.
pub(super) fn encode(level: u8, entries: &[Entry]) -> Vec<u8> {
    let mut out = Vec::with_capacity(1 + entries.len() * 36);
    out.push(level);
    for entry in entries {
        // Lengths end below 2^63, so the bit that marks a hole fits.
        put_varint(&mut out, entry.len << 1 | u64::from(entry.target.is_none()));
        if let Some(id) = entry.target {
            out.extend_from_slice(&id.0);
        }
    }
    out
}

impl List {
    pub(super) fn decode(bytes: &[u8]) -> Result<List, Malformed> {
        let mut reader = Reader::new(bytes);
        let level = reader.u8()?;
        if !(1..=MAX_DEPTH).contains(&level) {
            return Err(Malformed("list of an impossible level"));
        }
        let mut list = List { level, entries: Vec::new(), ends: Vec::new() };
        while !reader.is_empty() {
            if list_ends(&list.entries) {
                return Err(Malformed("list goes on after its end"));
            }
            let head = reader.varint()?;
            let target = if head & 1 == 0 { Some(reader.id()?) } else { None };
            list.push(Entry { target, len: head >> 1 })?;
        }
        if list.entries.is_empty() { Err(Malformed("empty list")) } else { Ok(list) }
    }

    fn push(&mut self, entry: Entry) -> Result<(), Malformed> {
        let after_hole = self.entries.last().is_some_and(|last| last.target.is_none());
        let allowed = match entry.target {
            None => self.level == 1 && entry.len >= MIN_HOLE && !after_hole,
            Some(_) => entry.len > 0 && (self.level > 1 || entry.len <= MAX_CHUNK as u64),
        };
        if !allowed {
            return Err(Malformed("list entry of an impossible length"));
        }
        let end = self.len().checked_add(entry.len).filter(|end| *end <= MAX_LEN);
        self.ends.push(end.ok_or(Malformed("list too long"))?);
        self.entries.push(entry);
        Ok(())
    }

    /// How many bytes of the file it stands for.
    pub(super) fn len(&self) -> u64 {
        self.ends.last().copied().unwrap_or(0)
    }

    /// The entry that holds the byte at `offset` from the list's start, its index and where it begins.
    pub(super) fn entry_at(&self, offset: u64) -> Option<(usize, u64, Entry)> {
        let index = self.ends.partition_point(|end| *end <= offset);
        let entry = *self.entries.get(index)?;
        Some((index, self.ends.get(index)? - entry.len, entry))
    }

    /// The entries with where each begins.
    pub(super) fn placed(&self) -> impl Iterator<Item = (u64, Entry)> {
        self.entries.iter().zip(&self.ends).map(|(entry, end)| (end - entry.len, *entry))
    }

    /// What kind of object its entries name.
    pub(super) fn kind_below(&self) -> ObjectKind {
        if self.level == 1 { ObjectKind::Chunk } else { ObjectKind::List }
    }
}

/// An object named by a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The object.
    pub id: ObjectId,
    /// A chunk or a list.
    pub kind: ObjectKind,
    /// How many bytes of the file it stands for. A chunk is exactly so long.
    pub len: u64,
    /// The level of a list, 0 for a chunk.
    pub level: u8,
}

/// Checks the bytes of a list object from a peer and says what it names, in the order of the file. `level` is
/// what its parent says: the depth of the content for the topmost list, [`Listed::level`] below; `None` where
/// the parent is not known, which bounds the walk all the same as levels fall by one.
///
/// # Errors
/// Everything that cutting cannot have made, or not what the parent says.
pub fn inspect_list(level: Option<u8>, bytes: &[u8]) -> Result<Vec<Listed>, Malformed> {
    let list = List::decode(bytes)?;
    if level.is_some_and(|level| level != list.level) {
        return Err(Malformed("list of another level than its parent says"));
    }
    let (kind, level) = (list.kind_below(), list.level - 1);
    let named = list.entries.iter().filter_map(|entry| Some((entry.target?, entry.len)));
    Ok(named.map(|(id, len)| Listed { id, kind, len, level }).collect())
}
