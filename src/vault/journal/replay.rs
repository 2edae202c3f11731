//! What a journal says after a crash: operations to apply again, and dirty data that was never folded.
//!
//! Pure: reads entries, applies nothing. The same entries always give the same answer, so replaying twice is
//! replaying once.

use std::collections::{BTreeMap, BTreeSet};

use super::entry::{Base, DirtyChange, DirtyId, Entry};
use super::writer::JournalMark;
use crate::ambient::WallNanos;
use crate::store::{JournalEntry, JournalSeq};
use crate::vault::contents::{Content, Contents, Extents};
use crate::vault::error::Result;
use crate::vault::missing::Shown;
use crate::vault::{Context, Delta, NodeId};

/// What the journal holds beyond the head.
#[derive(Debug, Default)]
pub(in crate::vault) struct Replay {
    /// Operations the head does not have, in order.
    pub(in crate::vault) operations: Vec<Delta>,
    /// Dirty data without an operation, in the order in which it began.
    pub(in crate::vault) leftover: Vec<Leftover>,
    /// What runs became that were folded, for those that follow them.
    pub(in crate::vault) folded: BTreeMap<DirtyId, Shown>,
    /// The last entry.
    pub(in crate::vault) last: JournalSeq,
}

/// A run of dirty data that a crash cut off.
#[derive(Debug)]
pub(in crate::vault) struct Leftover {
    pub(in crate::vault) first: JournalSeq,
    pub(in crate::vault) run: DirtyId,
    pub(in crate::vault) node: NodeId,
    pub(in crate::vault) base: Base,
    pub(in crate::vault) mtime: Option<WallNanos>,
    changes: Vec<DirtyChange<'static>>,
}

impl Replay {
    /// Reads `entries`. What the head has seen, and the runs that `mark` knows to have ended, are left out.
    pub(in crate::vault) fn read(
        entries: &[JournalEntry],
        head: &Context,
        mark: &JournalMark,
    ) -> Result<Self> {
        let mut replay = Replay::default();
        for entry in entries {
            replay.take(entry.seq, Entry::decode(&entry.payload)?, head, mark);
            replay.last = entry.seq;
        }
        replay.order();
        Ok(replay)
    }

    /// Puts each run behind the one that it lies over: restated, that may have come later.
    fn order(&mut self) {
        let mut rest = std::mem::take(&mut self.leftover);
        while !rest.is_empty() {
            let waiting: BTreeSet<DirtyId> = rest.iter().map(|run| run.run).collect();
            let waits = |run: &mut Leftover| matches!(run.base, Base::Run(under) if waiting.contains(&under));
            let before = self.leftover.len();
            self.leftover.extend(rest.extract_if(.., |run| !waits(run)));
            if self.leftover.len() == before {
                // Nothing that we write goes round in a circle: whoever takes these in finds them lost.
                self.leftover.append(&mut rest);
            }
        }
    }

    /// Whether there is nothing to put back.
    #[cfg(test)]
    pub(in crate::vault) fn is_empty(&self) -> bool {
        self.operations.is_empty() && self.leftover.is_empty()
    }

    fn take(&mut self, seq: JournalSeq, entry: Entry<'_>, head: &Context, mark: &JournalMark) {
        let committed = seq.0 <= mark.upto;
        match entry {
            Entry::Operation { delta, folds, drops } => {
                self.leftover.retain(|run| !drops.contains(&run.run));
                if let Some(folded) = folds {
                    self.leftover.retain(|run| run.run != folded.run);
                    self.folded.insert(folded.run, folded.shown);
                }
                let new = delta.filter(|delta| !committed && !head.has_seen(&delta.stamp()));
                self.operations.extend(new.map(|delta| delta.into_owned()));
            }
            Entry::Begin { run, node, base } => {
                let known = mark.live.iter().find(|(id, _)| *id == run);
                let base = known.and_then(|(_, base)| base.clone()).map_or(base, Base::Shown);
                if !committed || known.is_some() {
                    let (mtime, changes) = (None, Vec::new());
                    self.leftover.push(Leftover { first: seq, run, node, base, mtime, changes });
                }
            }
            Entry::Restated { run, node, base, changes, mtime } => {
                let began = self.leftover.iter().position(|leftover| leftover.run == run);
                let first = began.map_or(seq, |at| self.leftover.remove(at).first);
                self.take(first, Entry::Begin { run, node, base }, head, mark);
                for change in changes {
                    self.take(seq, Entry::Dirty { run, change, mtime }, head, mark);
                }
            }
            // Data of a run without a beginning belongs to one that ended.
            Entry::Dirty { run, change, mtime } => {
                if let Some(leftover) = self.leftover.iter_mut().find(|leftover| leftover.run == run) {
                    leftover.changes.push(change.into_owned());
                    leftover.mtime = Some(mtime);
                }
            }
        }
    }
}

impl Leftover {
    /// The content that the run makes of `base`.
    pub(in crate::vault) fn content(&self, contents: &Contents, base: Content) -> Result<Content> {
        let mut edited = Edited::over(base);
        for change in &self.changes {
            edited.make(change);
        }
        Ok(contents.splice(&edited.base, &edited.extents, edited.len)?)
    }
}

/// A content with edits on it.
struct Edited {
    base: Content,
    extents: Extents,
    len: u64,
}

impl Edited {
    fn over(base: Content) -> Self {
        Edited { len: base.len(), base, extents: Extents::new() }
    }

    fn make(&mut self, change: &DirtyChange<'_>) {
        match change {
            DirtyChange::Extent { offset, bytes } => {
                self.extents.insert(*offset, bytes);
                self.len = self.len.max(offset.saturating_add(bytes.len() as u64));
            }
            DirtyChange::Truncate { size } => {
                self.extents.truncate(*size);
                // What was cut off stays cut off when the file grows again.
                if *size < self.base.len() {
                    self.extents.insert_hole(*size, self.base.len() - size);
                }
                self.len = *size;
            }
            DirtyChange::Punch { offset, length } => self.extents.insert_hole(*offset, *length),
            DirtyChange::Working { content } => *self = Edited::over(content.clone()),
            DirtyChange::Packed(packed) => {
                packed.make(&mut self.extents);
                self.make(&DirtyChange::Truncate { size: packed.size() });
            }
        }
    }
}
