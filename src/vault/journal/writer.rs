//! Writes journal entries in the order of the requests, and knows which of them are dead.
//!
//! An operation is dead once a durable commit has it. The entries of a dirty run are dead once the operation
//! that ended it is; until then nothing from the run's first entry on may be retired. A run that is *restated*
//! begins anew: what was said of it before is dead once that entry is as durable as a commit.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use super::dirty::DirtyRun;
use super::entry::{DirtyChange, DirtyId, Entry, Folded};
use crate::ambient::WallNanos;
use crate::store::{JournalSeq, LogPosition, Store};
use crate::vault::Delta;
use crate::vault::error::{Result, VaultError};
use crate::vault::missing::Shown;

/// What a committed state holds of the journal. Kept beside the head, because the journal's own account of
/// what ended may be lost where the commit is not.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::vault) struct JournalMark {
    /// The last entry that is accounted for.
    pub(in crate::vault) upto: u64,
    /// The runs begun by then that had not ended, each with what it lies over if that was settled.
    pub(in crate::vault) live: Vec<(DirtyId, Option<Shown>)>,
}

/// What an operation does to dirty data, beside what its delta does to nodes.
#[derive(Debug, Default)]
pub(in crate::vault) struct Ends<'a> {
    pub(in crate::vault) fold: Option<(&'a DirtyRun, Shown)>,
    pub(in crate::vault) drops: &'a [DirtyRun],
}

impl Ends<'_> {
    pub(in crate::vault) fn is_empty(&self) -> bool {
        self.fold.is_none() && self.drops.iter().all(DirtyRun::has_ended)
    }
}

/// The writing end of the journal.
#[derive(Debug)]
pub(in crate::vault) struct Journal {
    store: Arc<Store>,
    runs: Mutex<Runs>,
}

#[derive(Debug, Default)]
struct Runs {
    /// The last entry written.
    last: JournalSeq,
    /// The runs that did not end.
    live: BTreeMap<DirtyId, Live>,
    /// First entry and ending operation of runs whose end is in no durable commit yet.
    ended: Vec<(JournalSeq, JournalSeq)>,
}

/// A run that did not end.
#[derive(Debug)]
struct Live {
    run: DirtyRun,
    /// Its first entry that is needed.
    first: JournalSeq,
    /// An entry that says all of it anew, and is not known to be durable.
    restated: Option<JournalSeq>,
}

impl Live {
    fn new(run: &DirtyRun, first: JournalSeq) -> Self {
        Live { run: run.clone(), first, restated: None }
    }
}

impl Journal {
    /// The journal of `store`, whose entries up to `last` are replayed.
    pub(in crate::vault) fn new(store: Arc<Store>, last: JournalSeq) -> Self {
        Journal { store, runs: Mutex::new(Runs { last, ..Runs::default() }) }
    }

    /// The last entry written so far.
    pub(in crate::vault) fn last(&self) -> JournalSeq {
        self.runs.lock().last
    }

    /// What a commit made now would hold, to be kept beside its head.
    pub(in crate::vault) fn mark(&self) -> JournalMark {
        let runs = self.runs.lock();
        let live = runs.live.iter().map(|(id, live)| (*id, live.run.base().ok())).collect();
        JournalMark { upto: runs.last.0, live }
    }

    /// Whether runs ended, or were restated, since the last commit.
    pub(in crate::vault) fn has_dead(&self) -> bool {
        let runs = self.runs.lock();
        !runs.ended.is_empty() || runs.live.values().any(|live| live.restated.is_some())
    }

    /// A run found in the journal, from its first entry on, goes on until it is folded.
    pub(in crate::vault) fn adopt(&self, run: &DirtyRun, first: JournalSeq) {
        run.set_begun();
        self.runs.lock().live.insert(run.id(), Live::new(run, first));
    }

    /// Whether dirty data is waiting to be folded.
    pub(in crate::vault) fn has_dirty(&self) -> bool {
        !self.runs.lock().live.is_empty()
    }

    /// Writes an operation that needs the log up to `needs`, and the end of the runs it ends.
    pub(in crate::vault) fn operation(
        &self,
        delta: Option<&Delta>,
        ends: Ends<'_>,
        needs: LogPosition,
    ) -> Result<JournalSeq> {
        let mut runs = self.runs.lock();
        let folds = ends.fold.as_ref().map(|(run, shown)| Folded { run: run.id(), shown: shown.clone() });
        let drops: Vec<_> = ends.drops.iter().filter(|run| !run.has_ended()).map(DirtyRun::id).collect();
        let delta = delta.map(Cow::Borrowed);
        let seq = self.append(&mut runs, &Entry::Operation { delta, folds, drops }, needs)?;
        if let Some((run, shown)) = ends.fold {
            run.set_folded(shown);
            runs.end(run.id(), seq);
        }
        for run in ends.drops {
            if !run.has_ended() {
                run.set_dropped();
                runs.end(run.id(), seq);
            }
        }
        Ok(seq)
    }

    /// Writes a change of dirty data that needs the log up to `needs`.
    pub(in crate::vault) fn dirty(
        &self,
        run: &DirtyRun,
        change: DirtyChange<'_>,
        mtime: WallNanos,
        needs: LogPosition,
    ) -> Result<JournalSeq> {
        let mut runs = self.runs.lock();
        self.begin(&mut runs, run)?;
        self.append(&mut runs, &Entry::Dirty { run: run.id(), change, mtime }, needs)
    }

    /// Says all of a run anew, which needs the log up to `needs`.
    pub(in crate::vault) fn restate(
        &self,
        run: &DirtyRun,
        changes: Vec<DirtyChange<'_>>,
        mtime: WallNanos,
        needs: LogPosition,
    ) -> Result<JournalSeq> {
        let mut runs = self.runs.lock();
        // Whoever reads this must know what it lies over.
        self.begin(&mut runs, run)?;
        let (node, base) = (run.node(), run.journal_base()?);
        let entry = Entry::Restated { run: run.id(), node, base, changes, mtime };
        let seq = self.append(&mut runs, &entry, needs)?;
        if let Some(live) = runs.live.get_mut(&run.id()) {
            live.restated = Some(seq);
        }
        Ok(seq)
    }

    /// Everything up to `committed` is in a durable commit, or as durable: retires what is dead.
    pub(in crate::vault) fn retire(&self, committed: JournalSeq) {
        let mut runs = self.runs.lock();
        runs.ended.retain(|(_, end)| *end > committed);
        for live in runs.live.values_mut() {
            if let Some(restated) = live.restated.take_if(|restated| *restated <= committed) {
                live.first = restated;
            }
        }
        let live = runs.live.values().map(|live| &live.first);
        let needed = live.chain(runs.ended.iter().map(|(first, _)| first)).min().copied();
        let upto = needed.map_or(committed, |first| JournalSeq(first.0.saturating_sub(1)).min(committed));
        self.store.journal_retire(upto);
    }

    /// Writes the first entry of `run` if it has none, after that of the run it follows.
    fn begin(&self, runs: &mut Runs, run: &DirtyRun) -> Result<()> {
        if run.has_ended() {
            return Err(VaultError::Inconsistent("dirty data on a run that ended"));
        }
        if run.has_begun() {
            return Ok(());
        }
        if let Some(previous) = run.previous() {
            self.begin(runs, &previous)?;
        }
        let entry = Entry::Begin { run: run.id(), node: run.node(), base: run.journal_base()? };
        // The bytes under the run may have come a moment ago: they must be as durable as what lies over them.
        let seq = self.append(runs, &entry, self.store.position())?;
        run.set_begun();
        runs.live.insert(run.id(), Live::new(run, seq));
        Ok(())
    }

    fn append(&self, runs: &mut Runs, entry: &Entry<'_>, needs: LogPosition) -> Result<JournalSeq> {
        let seq = self.store.journal_append(&entry.encode()?, needs)?;
        runs.last = seq;
        Ok(seq)
    }
}

impl Runs {
    fn end(&mut self, run: DirtyId, at: JournalSeq) {
        if let Some(live) = self.live.remove(&run) {
            self.ended.push((live.first, at));
        }
    }
}
