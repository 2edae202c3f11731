//! Dirty data: what was written to files and is in no operation yet. Called by whoever holds open files.
//!
//! The caller keeps the bytes (as [`super::contents::Extents`] over a base) and says every change here in
//! the order of the requests on that file, so that a crash loses a suffix of them at most. A run ends with
//! [`Vault::fold`], or with its file ([`Vault::edit_dropping`]). Writes that arrive while a run is being
//! folded go to a run that follows it ([`Vault::follow_run`]).
//!
//! None of these calls waits for the disk, and all may be made with a lock of the caller held that is below
//! the tree's, except [`Vault::fold`].

use std::borrow::Cow;

use super::changes::Origin;
use super::contents::{Content, Extents};
use super::error::{Result, VaultError};
use super::journal::{DirtyChange, DirtyId, DirtyRun, Ends, Packed};
use super::missing::Shown;
use super::vault::{DIRTY_SHARE, Vault};
use super::{AttrPatch, Data, Delta, NodeId, Write};
use crate::ambient::{WallNanos, random};
use crate::store::LogPosition;

impl Vault {
    /// Begins a run of dirty data over what the file `node` shows to the writer. Writes nothing yet.
    pub fn begin_run(&self, node: NodeId, shown: Shown) -> DirtyRun {
        DirtyRun::over(self.dirty_id(), node, shown)
    }

    /// Begins a run over whatever `previous`, which is being folded, becomes. Writes nothing yet.
    pub fn follow_run(&self, previous: &DirtyRun) -> DirtyRun {
        DirtyRun::following(self.dirty_id(), previous)
    }

    /// Journals that `bytes` were written at `offset`.
    ///
    /// # Errors
    /// [`super::VaultError::Busy`] while the journal is full (see [`Vault::wait_for_room`]); the disk.
    pub fn log_extent(&self, run: &DirtyRun, offset: u64, bytes: &[u8], mtime: WallNanos) -> Result<()> {
        let change = DirtyChange::Extent { offset, bytes: Cow::Borrowed(bytes) };
        self.log_dirty(run, change, mtime, LogPosition::START)
    }

    /// Journals that the size was set.
    ///
    /// # Errors
    /// As [`Vault::log_extent`].
    pub fn log_truncate(&self, run: &DirtyRun, size: u64, mtime: WallNanos) -> Result<()> {
        self.log_dirty(run, DirtyChange::Truncate { size }, mtime, LogPosition::START)
    }

    /// Journals that a range inside the file was made a hole.
    ///
    /// # Errors
    /// As [`Vault::log_extent`].
    pub fn log_punch(&self, run: &DirtyRun, offset: u64, length: u64, mtime: WallNanos) -> Result<()> {
        self.log_dirty(run, DirtyChange::Punch { offset, length }, mtime, LogPosition::START)
    }

    /// Journals that everything written so far is in `content`, whose objects are in the log already. A sync
    /// makes the log durable before this entry.
    ///
    /// # Errors
    /// As [`Vault::log_extent`].
    pub fn log_working(&self, run: &DirtyRun, content: &Content, mtime: WallNanos) -> Result<()> {
        let change = DirtyChange::Working { content: content.clone() };
        self.log_dirty(run, change, mtime, self.store.position())
    }

    /// Journals that everything written and not journalled so far is in `packed`, whose bytes are in the log
    /// already ([`super::contents::Contents::pack`]), and that the file is `size` bytes long. A sync makes the
    /// log durable before this entry.
    ///
    /// # Errors
    /// As [`Vault::log_extent`].
    pub fn log_packed(&self, run: &DirtyRun, packed: &Extents, size: u64, mtime: WallNanos) -> Result<()> {
        let change = DirtyChange::Packed(Packed::of(packed, size)?);
        self.log_dirty(run, change, mtime, self.store.position())
    }

    /// Journals all of a run anew: the edits `packed` over the content `under` (`None`: over what the run lies over),
    /// `size` bytes in all, as [`Vault::log_working`] and [`Vault::log_packed`] would. The next commit frees what its
    /// entries so far take of the journal. Finds room where those find none, because it makes some.
    ///
    /// # Errors
    /// If not all bytes are in packs, or they are too many for one entry; the disk. The run is as before then.
    pub fn restate(
        &self,
        run: &DirtyRun,
        under: Option<&Content>,
        packed: &Extents,
        size: u64,
        mtime: WallNanos,
    ) -> Result<()> {
        let working = under.map(|content| DirtyChange::Working { content: content.clone() });
        let packed = DirtyChange::Packed(Packed::of(packed, size)?);
        let changes = working.into_iter().chain([packed]).collect();
        self.journal.restate(run, changes, mtime, self.store.position())?;
        self.journalled(|schedule, now| schedule.dirtied(now, 0));
        Ok(())
    }

    /// Makes `content` (base and all changes of `run`) a version of the file, in place of what the run lies
    /// over, and ends the run. Gives what the file shows to its writers now; `landed` hears of it before anybody
    /// can look at the tree, with the tree's lock held. If `content` is what it was, only the time of
    /// modification changes.
    ///
    /// # Errors
    /// As [`Vault::edit`]; the run goes on then.
    pub fn fold(
        &self,
        origin: Origin,
        run: &DirtyRun,
        content: Content,
        mtime: WallNanos,
        landed: impl FnOnce(&Shown),
    ) -> Result<Shown> {
        let base = run.base()?;
        let write = Write {
            base: base.stamps.clone(),
            data: Data::Content(content.clone()),
            attr: AttrPatch { mtime: Some(mtime), ..AttrPatch::default() },
        };
        let shown = std::cell::OnceCell::new();
        self.operate(
            origin,
            |tree, draw| tree.write(&run.node(), write, draw),
            |outcome| {
                let after = shown_after(outcome.delta.as_ref(), run.node(), base, content);
                let after = shown.get_or_init(|| after);
                Ends { fold: Some((run, after.clone())), drops: &[] }
            },
            |_, _| {
                if let Some(shown) = shown.get() {
                    landed(shown);
                }
            },
        )?;
        shown.into_inner().ok_or(VaultError::Inconsistent("a fold without an outcome"))
    }

    /// Ends a run without a trace: its file is gone and nobody can read it after a restart.
    ///
    /// # Errors
    /// As [`Vault::log_extent`].
    pub fn drop_run(&self, run: &DirtyRun) -> Result<()> {
        if run.has_begun() {
            let ends = Ends { fold: None, drops: std::slice::from_ref(run) };
            self.journal.operation(None, ends, LogPosition::START)?;
        }
        Ok(())
    }

    fn log_dirty(
        &self,
        run: &DirtyRun,
        change: DirtyChange<'_>,
        mtime: WallNanos,
        needs: LogPosition,
    ) -> Result<()> {
        if !self.has_room(DIRTY_SHARE) {
            self.reschedule(|schedule, _| schedule.hurry());
            return Err(VaultError::Busy);
        }
        let bytes = change.bytes();
        self.journal.dirty(run, change, mtime, needs)?;
        self.journalled(|schedule, now| schedule.dirtied(now, bytes));
        Ok(())
    }

    fn dirty_id(&self) -> DirtyId {
        DirtyId(u64::from_le_bytes(random(&*self.ambient.entropy)))
    }
}

/// What whoever wrote `content` is shown after its fold.
fn shown_after(delta: Option<&Delta>, node: NodeId, base: Shown, content: Content) -> Shown {
    let changes = delta.map_or(&[][..], |delta| &delta.changes);
    let added = changes.iter().filter(|(id, _)| *id == node).flat_map(|(_, change)| &change.data.added);
    match added.map(|(stamp, _)| *stamp).max() {
        Some(stamp) => Shown { stamps: vec![stamp], content },
        None => Shown { stamps: base.stamps, content },
    }
}
