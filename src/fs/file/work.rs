//! What workers do with an open file: they bring what was written into objects, and make versions of it.
//!
//! Making a content of a large file that was written to all over takes seconds. Nobody who writes waits for that: what
//! is new goes into packs meanwhile, and, where the journal has all that came before, into the journal too.

use parking_lot::MutexGuard;

use super::{File, FileState, Folding};
use crate::fs::core::Core;
use crate::fs::errors::{Failure, posix};
use crate::fs::layers::Frozen;
use crate::vault::contents::{Content, Contents, Extents};
use crate::vault::{AttrPatch, Shown, VaultError};

/// As many edits of a file are kept apart from its content before one is made of them: bounds the memory that
/// says where they are, and a journal entry (some 13 bytes each).
const MOST_PIECES: usize = 300_000;

/// So many are no matter of a moment: they are packed before a content is made of them.
const MANY_PIECES: usize = 64;

/// A file that is written to without a pause rests for so many times as long as its last fold took.
const REST: u32 = 4;

/// Keeps workers off a file.
pub(in crate::fs) struct Hold<'a> {
    _work: MutexGuard<'a, ()>,
    _packing: MutexGuard<'a, ()>,
}

impl File {
    /// Brings what was written into objects and names them in the journal. For workers: takes long.
    pub(in crate::fs) fn spill(&self, core: &Core) -> Result<(), VaultError> {
        let packed = {
            let _packing = self.packing.lock();
            self.spill_by_packing(core)?
        };
        if packed { Ok(()) } else { self.spill_whole(core) }
    }

    /// Brings what was written into the journal, if no content must be made for that; false if one must, or if there was
    /// no room.
    pub(in crate::fs) fn say(&self, core: &Core) -> bool {
        let _packing = self.packing.lock();
        let said = self.spill_by_packing(core);
        matches!(said, Ok(true)) && self.state().is_said()
    }

    /// Packs what is new if that will do, or if there is nothing to do. Called by the holder of `packing`.
    fn spill_by_packing(&self, core: &Core) -> Result<bool, VaultError> {
        let mut state = self.state();
        // Whoever had the file in hand may have left only what can be logged piece by piece.
        state.log_pieces(core);
        let for_memory = core.budget.is_tight() && state.new_bytes() > 0;
        if state.is_said() && !for_memory {
            return Ok(true);
        }
        if !state.may_pack() || !(state.is_folding_long() || state.is_scattered()) {
            return Ok(false);
        }
        if state.unsaid {
            return self.pack_and_restate(core, state);
        }
        let (_, packed) = self.pack(core, state, FileState::log_packed);
        match packed {
            // More than the journal takes at once.
            Err(VaultError::TooLarge(_)) => Ok(false),
            packed => Ok(packed?.is_some()),
        }
    }

    /// Makes a content of everything and names it in the journal.
    fn spill_whole(&self, core: &Core) -> Result<(), VaultError> {
        let _work = self.work.lock();
        if self.state().folding.is_some() {
            self.fold_working(core, core.vault.contents())?;
        }
        let _packing = self.packing.lock();
        // The fold may have been all that was in the way.
        if self.spill_by_packing(core)? {
            return Ok(());
        }
        let (under, frozen) = {
            let mut state = self.state();
            state.unlogged.take();
            let frozen = state.freeze(core);
            (state.layers.under().clone(), frozen)
        };
        let made = frozen.map_or(Ok(under), |frozen| splice(core.vault.contents(), &frozen));
        self.take_content(core, made, |_| {})
    }

    /// Packs what is new and has it said in the journal by `say`. Gives the file's length with it; `None` if there is
    /// nothing to pack. Called by the holder of `packing` with the state, which is not let go of after the packs lie
    /// where they belong.
    fn pack<'f>(
        &'f self,
        core: &Core,
        mut state: MutexGuard<'f, FileState>,
        say: impl FnOnce(&mut FileState, &Core, &Extents, u64) -> Result<(), VaultError>,
    ) -> (MutexGuard<'f, FileState>, Result<Option<u64>, VaultError>) {
        let Some((edits, size)) = state.layers.freeze_new() else { return (state, Ok(None)) };
        state.unlogged.take();
        drop(state);
        let packed = core.vault.contents().pack(&edits);
        drop(edits);
        let mut state = self.state();
        let before = state.layers.bytes();
        let logged = match packed {
            Ok(packed) => {
                let logged = say(&mut state, core, &packed, size);
                state.layers.thaw_packed(packed);
                state.unsaid |= logged.is_err();
                logged
            }
            Err(error) => {
                state.layers.unfreeze_new();
                Err(error.into())
            }
        };
        if logged.is_err() {
            state.unlogged.tangle();
        }
        core.budget.changed(before, state.layers.bytes());
        (state, logged.map(|()| Some(size)))
    }

    /// Takes in a content that was made of everything that was frozen, and names it in the journal. Called by the
    /// holder of `work` and `packing`.
    fn take_content(
        &self,
        core: &Core,
        made: Result<Content, VaultError>,
        and: impl FnOnce(&mut FileState),
    ) -> Result<(), VaultError> {
        let mut state = self.state();
        let before = state.layers.bytes();
        let logged = match made {
            Ok(content) => {
                state.layers.thaw(content.clone());
                and(&mut state);
                let logged = state.log_working(core, &content);
                state.unsaid = logged.is_err();
                logged
            }
            Err(error) => {
                state.layers.unfreeze();
                Err(error)
            }
        };
        if logged.is_err() {
            state.unlogged.tangle();
        }
        core.budget.changed(before, state.layers.bytes());
        logged
    }

    /// Takes `length` bytes of `source` at `from` in at `to`, by reference. For workers.
    pub(in crate::fs) fn take_in(
        &self,
        core: &Core,
        source: &Content,
        from: u64,
        length: u64,
        to: u64,
    ) -> Result<(), Failure> {
        let _work = self.work.lock();
        if self.state().folding.is_some() {
            self.fold_working(core, core.vault.contents())?;
        }
        let _packing = self.packing.lock();
        let (under, frozen) = {
            let mut state = self.state();
            state.begin(core)?;
            state.unlogged.take();
            let frozen = state.freeze(core);
            (state.layers.under().clone(), frozen)
        };
        let contents = core.vault.contents();
        let whole = frozen.map_or(Ok(under), |frozen| splice(contents, &frozen));
        let made = whole.and_then(|target| {
            contents.copy_range(source, from, length, &target, to).map_err(VaultError::from)
        });
        let is_made = made.is_ok();
        let logged = self.take_content(core, made, |state| state.layers.grow(to + length));
        // What is in the layers is taken in, and will be folded, also if it could not be journalled now.
        match logged.map_err(Failure::from) {
            Err(failure) if is_made && failure.is_busy() => Ok(()),
            logged => logged,
        }
    }

    /// Keeps workers off while an operation takes the file's name away; `None` if one has it in hand.
    pub(in crate::fs) fn try_hold(&self) -> Option<Hold<'_>> {
        let _work = self.work.try_lock()?;
        let _packing = self.packing.try_lock()?;
        Some(Hold { _work, _packing })
    }

    /// As [`try_hold`](Self::try_hold), but waits.
    pub(in crate::fs) fn hold(&self) -> Hold<'_> {
        let _work = self.work.lock();
        let _packing = self.packing.lock();
        Hold { _work, _packing }
    }

    /// Everything written so far as a content; what is not folded yet is made one.
    pub(in crate::fs) fn content(&self, core: &Core) -> Result<Content, Failure> {
        let whole = {
            let state = self.state();
            if state.layers.is_clean() {
                return Ok(state.layers.under().clone());
            }
            state.layers.whole()
        };
        Ok(splice(core.vault.contents(), &whole)?)
    }

    /// Makes everything written so far a version of the file, with a content made by `contents`: the vault's, or
    /// those that give way. For workers, or for a few bytes.
    pub(in crate::fs) fn fold(&self, core: &Core, contents: &Contents) -> Result<(), VaultError> {
        let _work = self.work.lock();
        if self.state().folding.is_some() {
            self.fold_working(core, contents)?;
        }
        self.begin_folding(core)?;
        self.fold_working(core, contents)
    }

    /// Takes what was written out of the hands of those who write. Called by the holder of `work`.
    fn begin_folding(&self, core: &Core) -> Result<(), VaultError> {
        let _packing = self.packing.lock();
        let mut state = self.state();
        if state.orphan.is_some() || state.run.is_none() {
            return Ok(());
        }
        if state.is_many_writes() && state.may_pack() && !state.unsaid {
            let (after, packed) = self.pack(core, state, FileState::log_packed);
            state = after;
            let size = match packed {
                Ok(None) => state.unlogged.is_empty().then(|| state.size()),
                // Without room in the journal: the fold makes some.
                Err(VaultError::Busy | VaultError::TooLarge(_)) => None,
                packed => packed?,
            };
            if let Some(size) = size {
                state.begin_folding_packed(core, size);
                return Ok(());
            }
        }
        let Some(run) = state.run.take() else { return Ok(()) };
        let said = state.is_said() && !state.unsaid;
        state.folding = Some(Folding { run, said, packed: false });
        state.unlogged.take();
        state.unsaid = false;
        state.written = None;
        // Takes the edits away from what is written from now on.
        let _ = state.freeze(core);
        Ok(())
    }

    /// Finishes the fold of the run that is being folded. Called by the holder of `work`.
    fn fold_working(&self, core: &Core, contents: &Contents) -> Result<(), VaultError> {
        let began = core.vault.ambient().clock.monotonic();
        let (run, frozen, mtime) = {
            let mut state = self.state();
            let Some(folding) = state.folding.clone() else { return Ok(()) };
            if state.orphan.is_some() {
                state.folding = None;
                return Ok(());
            }
            let mtime = state.modified.unwrap_or_else(|| core.now());
            (folding.run, state.layers.frozen(), mtime)
        };
        let content = match frozen {
            Some(frozen) => splice(contents, &frozen)?,
            None => self.state().layers.under().clone(),
        };
        let _packing = self.packing.lock();
        let landed = |shown: &Shown| {
            let (node, before) = {
                let mut state = self.state();
                (state.node, std::mem::replace(&mut state.shown, shown.clone()))
            };
            core.now_shows(self.inode, &node, &before, shown);
        };
        core.vault.fold(core.origin(), &run, content.clone(), mtime, landed)?;
        let mut state = self.state();
        let before = state.layers.bytes();
        state.layers.thaw(content);
        core.budget.changed(before, state.layers.bytes());
        state.folding = None;
        let now = core.vault.ambient().clock.monotonic();
        state.rests_until = now + now.saturating_sub(began) * REST;
        let later = state.modified.filter(|later| *later != mtime && state.run.is_none());
        if state.run.is_none() {
            state.modified = None;
        }
        let node = state.node;
        drop(state);
        if later.is_some() {
            let patch = AttrPatch { mtime: later, ..AttrPatch::default() };
            core.edit(|tree, draw| tree.set_attr(&node, &patch, draw))?;
        }
        Ok(())
    }

    /// Has the journal say anew, in a few bytes, what was written to the file, so that what it said before can go.
    /// False if only a fold does that.
    pub(in crate::fs) fn restate(&self, core: &Core) -> Result<bool, VaultError> {
        let _packing = self.packing.lock();
        let state = self.state();
        // A short fold under way does it without help.
        let is_much = state.folding.as_ref().map_or_else(|| state.is_many_writes(), |folding| folding.packed);
        if is_much && state.may_pack() { self.pack_and_restate(core, state) } else { Ok(false) }
    }

    /// Packs what is new, and says all of it in the journal. Called by the holder of `packing` with the state.
    fn pack_and_restate(&self, core: &Core, state: MutexGuard<'_, FileState>) -> Result<bool, VaultError> {
        let (mut state, packed) = self.pack(core, state, |_, _, _, _| Ok(()));
        let size = match packed? {
            // What came since is not in the journal: what is said is of the moment before.
            Some(size) => size,
            None => {
                state.unlogged.take();
                state.size()
            }
        };
        let restated = state.restate(core, size);
        state.unsaid = restated.is_err();
        if restated.is_err() {
            state.unlogged.tangle();
        }
        match restated {
            // More than the journal takes at once.
            Err(VaultError::TooLarge(_)) => Ok(false),
            restated => restated.map(|()| true),
        }
    }

    /// Keeps a failure for whoever asks for durability next.
    pub(in crate::fs) fn tell_failure(&self, done: Result<(), Failure>) {
        if let Err(failure) = done {
            tracing::warn!("written data could not be stored yet");
            self.state().failed = Some(posix(failure));
        }
    }
}

/// The content of what is frozen.
fn splice(contents: &Contents, frozen: &Frozen) -> Result<Content, VaultError> {
    Ok(contents.splice(&frozen.under, &frozen.edits, frozen.size)?)
}

impl FileState {
    /// Whether what was written is more, and lies further apart, than a content is made of in no time.
    pub(in crate::fs) fn is_many_writes(&self) -> bool {
        !self.layers.packed().is_empty() || (self.is_scattered() && self.layers.new_pieces() >= MANY_PIECES)
    }

    /// Whether it is being folded, and was many writes.
    pub(in crate::fs) fn is_folding_long(&self) -> bool {
        self.folding.as_ref().is_some_and(|folding| folding.packed)
    }

    /// Whether so much lies apart from the content that a new one had better be made soon.
    pub(in crate::fs) fn is_crowded(&self) -> bool {
        self.layers.pieces() > MOST_PIECES / 5 * 4
    }

    /// Whether what is new may be packed: the journal has, or can be told, all that came before.
    fn may_pack(&self) -> bool {
        self.layers.pieces() <= MOST_PIECES && self.is_in_order()
    }

    /// All that is packed, with which the file was `size` bytes long, is about to be folded; the rest is not.
    fn begin_folding_packed(&mut self, core: &Core, size: u64) {
        let Some(run) = self.run.take() else { return };
        if !self.unlogged.is_empty() {
            self.run = Some(core.vault.follow_run(&run));
        }
        self.written = self.written.filter(|_| self.run.is_some()).map(|(_, last)| (last, last));
        self.folding = Some(Folding { run, said: true, packed: true });
        self.layers.freeze_packed(size);
    }

    /// Says all of the runs in the journal anew: what is packed, with which the file was `size` bytes long.
    fn restate(&mut self, core: &Core, size: u64) -> Result<(), VaultError> {
        let mtime = self.modified.unwrap_or_else(|| core.now());
        let packed = self.folding.as_ref().filter(|folding| folding.packed);
        if let (Some(folding), Some(frozen)) = (packed, self.layers.frozen()) {
            core.vault.restate(&folding.run, Some(&frozen.under), &frozen.edits, frozen.size, mtime)?;
        }
        let Some(run) = &self.run else { return Ok(()) };
        let under = self.folding.is_none().then(|| self.layers.under());
        core.vault.restate(run, under, self.layers.packed(), size, mtime)
    }
}
