//! An open file: what it shows, and what was written to it and is in no operation of the vault yet.
//!
//! Writes land in memory ([`Layers`]). They reach the journal when someone asks for durability, in the order
//! they came ([`Unlogged`]); large amounts go into objects first (a *spill*), and the journal names those: a
//! content made by the chunk pipeline, or, for many small writes, packs of their bytes. A *fold* makes everything
//! so far a version of the file.
//!
//! Two locks: `state` for a few instructions, never held while the tree's lock is taken or the disk is waited
//! for; `work` by the one worker that spills or folds, taken first.

mod work;

use std::sync::Arc;
use std::time::Duration;

use bosr_mount::{Error, Inode};
use parking_lot::{Mutex, MutexGuard};

use super::core::Core;
use super::errors::posix;
use super::layers::{Frozen, Layers, ReadPlan};
use super::unlogged::Unlogged;
use crate::ambient::WallNanos;
use crate::vault::contents::{Content, Extents, MAX_LEN};
use crate::vault::{Attr, DirtyRun, NodeId, Shown, Vault, VaultError};

/// A file that someone has open, or that has something to be folded.
#[derive(Debug)]
pub(super) struct File {
    inode: Inode,
    state: Mutex<FileState>,
    work: Mutex<()>,
    packing: Mutex<()>,
}

/// What there is to know of an open file.
#[derive(Debug)]
pub(super) struct FileState {
    /// The node it writes to; an atomic save changes it.
    pub(super) node: NodeId,
    /// What it showed when there was nothing written.
    pub(super) shown: Shown,
    /// Handles that are open; changed with the inode table's lock held, or taken off.
    pub(super) handles: u32,
    /// Of those, the ones that may write.
    pub(super) writers: u32,
    /// Its attributes when it lost its last name; `None` while it has one.
    pub(super) orphan: Option<Attr>,
    /// A worker was asked to spill it and has not begun.
    pub(super) queued: bool,
    /// A tombstone file: kept as it is.
    pub(super) read_only: bool,
    /// Time of modification, while that is in no operation.
    pub(super) modified: Option<WallNanos>,
    /// Begin and end of the writing since the last fold.
    pub(super) written: Option<(Duration, Duration)>,
    layers: Layers,
    run: Option<DirtyRun>,
    /// A run whose content is being made a version. Kept over a failure, to be tried again.
    folding: Option<Folding>,
    unlogged: Unlogged,
    /// Something below the new edits is not in the journal: the next spill has all of it said anew.
    unsaid: bool,
    /// A thread was asked to fold it, and has not.
    pub(super) folds_soon: bool,
    /// Until when it is left in peace, because its last fold took long.
    pub(super) rests_until: Duration,
    /// What went wrong behind the back of the writer; told at the next fsync.
    failed: Option<Error>,
}

/// A run that is being folded.
#[derive(Debug, Clone)]
struct Folding {
    run: DirtyRun,
    /// The journal has all of it, so that what is written meanwhile may go there too.
    said: bool,
    /// All of it is in packs, as of what takes long.
    packed: bool,
}

/// What is to be done before a sync makes a file durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Logging {
    /// Nothing: the journal has everything.
    Done,
    /// A worker must spill first.
    Spill,
}

impl File {
    /// A file that shows `shown`, with nothing written and no handle.
    pub(super) fn new(inode: Inode, node: NodeId, shown: Shown, read_only: bool) -> Arc<File> {
        let layers = Layers::over(shown.content.clone());
        let state = FileState {
            node,
            shown,
            handles: 0,
            writers: 0,
            orphan: None,
            queued: false,
            read_only,
            modified: None,
            written: None,
            layers,
            run: None,
            folding: None,
            unlogged: Unlogged::default(),
            unsaid: false,
            folds_soon: false,
            rests_until: Duration::ZERO,
            failed: None,
        };
        Arc::new(File { inode, state: Mutex::new(state), work: Mutex::new(()), packing: Mutex::new(()) })
    }

    /// Its number.
    pub(super) fn inode(&self) -> Inode {
        self.inode
    }

    /// Its state, for a few instructions.
    pub(super) fn state(&self) -> MutexGuard<'_, FileState> {
        self.state.lock()
    }

    /// Writes `data` at `offset`, or at the end.
    pub(super) fn write(&self, core: &Core, offset: Option<u64>, data: &[u8]) -> Result<(), Error> {
        let length = data.len() as u64;
        core.admit(length).map_err(posix)?;
        let mut state = self.state();
        let offset = offset.unwrap_or(state.size());
        if offset.checked_add(length).is_none_or(|end| end > MAX_LEN) {
            return Err(Error::TooLarge);
        }
        state.begin(core)?;
        if !state.unlogged.fits(offset, length) {
            state.log_pieces(core);
        }
        state.not_logged(core);
        let before = state.layers.bytes();
        state.layers.write(offset, data);
        state.unlogged.note(offset, length);
        core.budget.changed(before, state.layers.bytes());
        Ok(())
    }

    /// Sets the length.
    pub(super) fn resize(&self, core: &Core, size: u64) -> Result<(), Error> {
        if size > MAX_LEN {
            return Err(Error::TooLarge);
        }
        let mut state = self.state();
        state.begin(core)?;
        state.log_change(core, |vault, run, now| vault.log_truncate(run, size, now));
        let before = state.layers.bytes();
        state.layers.resize(size);
        core.budget.changed(before, state.layers.bytes());
        Ok(())
    }

    /// Makes a range a hole, or zeros, which is the same.
    pub(super) fn punch(&self, core: &Core, offset: u64, length: u64) -> Result<(), Error> {
        let mut state = self.state();
        state.begin(core)?;
        let length = length.min(state.size().saturating_sub(offset));
        if length > 0 {
            state.log_change(core, |vault, run, now| vault.log_punch(run, offset, length, now));
            let before = state.layers.bytes();
            state.layers.punch(offset, length);
            core.budget.changed(before, state.layers.bytes());
        }
        Ok(())
    }

    /// Brings what was written into the journal, as far as that needs no worker.
    pub(super) fn log(&self, core: &Core) -> Result<Logging, Error> {
        let mut state = self.state();
        if let Some(error) = state.failed.take() {
            return Err(error);
        }
        state.log_pieces(core);
        Ok(if state.is_said() { Logging::Done } else { Logging::Spill })
    }

    /// Whether [`fold`](Self::fold) does nothing, or takes little: at most `few` bytes, and no worker has it in
    /// hand.
    pub(super) fn settles_quickly(&self, few: u64) -> bool {
        let state = self.state();
        !state.is_dirty() || (state.dirty_bytes() <= few && !state.is_in_hand())
    }
}

impl FileState {
    /// The length in bytes.
    pub(super) fn size(&self) -> u64 {
        self.layers.size()
    }

    /// Bytes of it that are no holes, at most, if `stored` of its version are none: no hole is told of where one may have
    /// been filled, because programs skip what they take for one.
    pub(super) fn stored_at_most(&self, stored: u64) -> u64 {
        match self.layers.filled_at_most() {
            Some(filled) if *self.layers.under() == self.shown.content => stored.saturating_add(filled),
            _ => self.size(),
        }
    }

    /// How to read a range.
    pub(super) fn plan(&self, offset: u64, length: u64) -> ReadPlan {
        self.layers.plan(offset, length)
    }

    /// Whether something was written that is in no operation.
    pub(super) fn is_dirty(&self) -> bool {
        self.run.is_some() || self.folding.is_some()
    }

    /// Bytes of memory that wait to be folded.
    pub(super) fn dirty_bytes(&self) -> u64 {
        self.layers.bytes()
    }

    /// Whether something was written that is not in the journal, but should be.
    pub(super) fn has_unlogged(&self) -> bool {
        !self.unlogged.is_empty() && self.orphan.is_none()
    }

    /// Whether what was written lies here and there, so that making a content of it rewrites much else.
    pub(super) fn is_scattered(&self) -> bool {
        self.layers.is_scattered()
    }

    /// Lets go of what nobody can read any more; says how many bytes of memory that were.
    pub(super) fn discard(&mut self) -> u64 {
        let layers = std::mem::take(&mut self.layers);
        layers.bytes()
    }

    /// Of those, the bytes that a spill would take.
    pub(super) fn new_bytes(&self) -> u64 {
        self.layers.new_bytes()
    }

    /// Whether a worker has it in hand.
    pub(super) fn is_in_hand(&self) -> bool {
        self.folding.is_some() || self.layers.is_frozen() || self.layers.is_packing()
    }

    /// The runs that end if the file's last name goes.
    pub(super) fn runs(&self) -> Vec<DirtyRun> {
        self.folding.iter().map(|folding| &folding.run).chain(&self.run).cloned().collect()
    }

    /// It lost its last name: what is written from now on is for those who have it open only.
    pub(super) fn become_orphan(&mut self, attr: Attr) {
        self.orphan = Some(attr);
        self.run = None;
        self.unlogged = Unlogged::default();
    }

    /// It writes to another node, and shows that node's version, from now on.
    pub(super) fn rebind(&mut self, node: NodeId, shown: Shown) {
        self.node = node;
        self.shown = shown;
    }

    /// Sets the time of modification of what was written; false if nothing was.
    pub(super) fn set_modified(&mut self, core: &Core, mtime: WallNanos) -> bool {
        if !self.is_dirty() {
            return false;
        }
        self.log_pieces(core);
        self.modified = Some(mtime);
        if self.run.is_none() {
            // The fold under way took the time before: it sets this one after.
            return true;
        }
        if self.unlogged.is_empty() {
            let size = self.size();
            self.log_change_at(core, mtime, |vault, run, mtime| vault.log_truncate(run, size, mtime));
        }
        true
    }

    /// Hands all edits to a worker: [`Layers::freeze`].
    fn freeze(&mut self, core: &Core) -> Option<Frozen> {
        let before = self.layers.bytes();
        let frozen = self.layers.freeze();
        core.budget.changed(before, self.layers.bytes());
        frozen
    }

    /// A change is about to be made: begins a run if there is none.
    fn begin(&mut self, core: &Core) -> Result<(), Error> {
        if self.read_only {
            return Err(Error::NotPermitted);
        }
        let now = core.vault.ambient().clock.monotonic();
        self.written = Some((self.written.map_or(now, |(first, _)| first), now));
        self.modified = Some(core.now());
        if let Some(attr) = &mut self.orphan {
            attr.mtime = core.now();
        } else if self.run.is_none() {
            self.run = Some(match &self.folding {
                Some(folding) => core.vault.follow_run(&folding.run),
                None => core.vault.begin_run(self.node, self.shown.clone()),
            });
            core.vault.file_is_dirty();
        }
        Ok(())
    }

    /// Something is about to be noted that is not in the journal: if it is the first, it is seen to in time.
    fn not_logged(&self, core: &Core) {
        if self.unlogged.is_empty() && self.orphan.is_none() {
            core.vault.data_is_unsaid();
        }
    }

    /// Whether what is new may go to the journal: not while a worker has earlier bytes in hand that are not there.
    fn is_in_order(&self) -> bool {
        let is_below_said = self.folding.as_ref().map_or(!self.layers.is_frozen(), |folding| folding.said);
        !self.layers.is_packing() && is_below_said
    }

    /// Whether the journal has everything that was written, also what workers have in hand.
    fn is_said(&self) -> bool {
        self.unlogged.is_empty() && self.is_in_order()
    }

    /// Logs the pieces that can be told apart. What cannot be logged now needs a spill.
    fn log_pieces(&mut self, core: &Core) {
        if self.unlogged.is_tangled() || !self.is_in_order() {
            return;
        }
        if self.orphan.is_some() {
            self.unlogged = Unlogged::default();
        }
        let Some(run) = &self.run else { return };
        let mtime = self.modified.unwrap_or_else(|| core.now());
        for (offset, length) in self.unlogged.take() {
            for (at, bytes) in self.layers.written(offset..offset + length) {
                if core.vault.log_extent(run, at, &bytes, mtime).is_err() {
                    self.unlogged.tangle();
                    return;
                }
            }
        }
    }

    /// Logs a change that is no write, after the writes before it.
    fn log_change(
        &mut self,
        core: &Core,
        log: impl FnOnce(&Vault, &DirtyRun, WallNanos) -> Result<(), VaultError>,
    ) {
        self.log_pieces(core);
        self.log_change_at(core, core.now(), log);
    }

    fn log_change_at(
        &mut self,
        core: &Core,
        mtime: WallNanos,
        log: impl FnOnce(&Vault, &DirtyRun, WallNanos) -> Result<(), VaultError>,
    ) {
        let Some(run) = &self.run else { return };
        let in_order = self.unlogged.is_empty() && self.is_in_order();
        if !in_order || log(&core.vault, run, mtime).is_err() {
            self.not_logged(core);
            self.unlogged.tangle();
        }
    }

    fn log_packed(&mut self, core: &Core, packed: &Extents, size: u64) -> Result<(), VaultError> {
        let mtime = self.modified.unwrap_or_else(|| core.now());
        match &self.run {
            Some(run) => core.vault.log_packed(run, packed, size, mtime),
            None => Ok(()),
        }
    }

    fn log_working(&mut self, core: &Core, content: &Content) -> Result<(), VaultError> {
        let mtime = self.modified.unwrap_or_else(|| core.now());
        match &self.run {
            Some(run) => core.vault.log_working(run, content, mtime),
            None => Ok(()),
        }
    }
}
