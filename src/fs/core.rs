//! What the parts of a mounted vault share: the vault, the inode table, the threads.
//!
//! Locks, in the order they may be taken: the vault's tree, inode table, one file's `state`, what the vault
//! takes for journal and log. A file's `work` comes before all of them and is for workers (and for whoever
//! takes a file's name away).

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bosr_mount::{Answer, Error, Inode, Reply, Written};
use parking_lot::Mutex;

use super::budget::{Budget, DirtyLimit, SPILL_AT};
use super::errors::{Failure, posix};
use super::facts::incarnation;
use super::file::{File, Logging};
use super::handles::Handles;
use super::inodes::Inodes;
use super::invalidations::Invalidations;
use super::permissions::Checks;
use super::readers::Readers;
use super::recent::Recent;
use super::syncer::Syncer;
use super::times::{self, Times};
use super::workers::Workers;
use crate::ambient::WallNanos;
use crate::vault::{DirtyRun, Draw, NodeId, Origin, Outcome, Shown, Tree, Vault, VaultError};

/// How long the kernel may keep names and attributes. What changes elsewhere is invalidated, so this bounds
/// only how long a defect would show.
pub(super) const LIFETIME: Duration = Duration::from_secs(3600);

/// Room that a name takes, with all that leads to it.
pub(super) const NAME_ROOM: u64 = 16 << 10;

/// How long a file that was let go of may wait for others to be folded with it: a thread is woken once for all
/// of them.
const FOLD_LINGER: Duration = Duration::from_millis(3);

/// Written bytes up to which the thread that serves requests makes a content itself.
pub(super) const FEW_BYTES: u64 = 256 << 10;

/// Who files belong to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ownership {
    /// User and group are kept and obeyed: a mount by root.
    Keep,
    /// All files belong to this user and group: a mount by an ordinary user.
    Mounter {
        /// The user.
        uid: u32,
        /// The group.
        gid: u32,
    },
}

/// A mounted vault.
#[derive(Debug)]
pub(super) struct Core {
    pub(super) vault: Arc<Vault>,
    pub(super) inodes: Mutex<Inodes>,
    pub(super) handles: Handles,
    pub(super) readers: Readers,
    pub(super) recent: Recent,
    pub(super) budget: Budget,
    pub(super) times: Times,
    pub(super) ownership: Ownership,
    pub(super) checks: Checks,
    pub(super) workers: Workers,
    /// Folds files that were let go of: nobody waits for it.
    pub(super) folding: Workers,
    /// Folds what takes long, so that nothing else waits for it either.
    pub(super) folding_long: Workers,
    pub(super) syncer: Syncer,
    pub(super) reading: Workers,
    pub(super) invalidations: Arc<Invalidations>,
    origin: OnceLock<Origin>,
}

impl Core {
    pub(super) fn new(
        vault: Arc<Vault>,
        ownership: Ownership,
        checks: Checks,
        dirty: DirtyLimit,
    ) -> std::io::Result<Core> {
        Ok(Core {
            inodes: Mutex::new(Inodes::new()),
            handles: Handles::default(),
            readers: Readers::default(),
            recent: Recent::default(),
            budget: Budget::new(dirty),
            times: vault
                .store()
                .local(times::RECORD)
                .map_or_else(Times::default, |kept| Times::decode(&kept)),
            ownership,
            checks,
            workers: Workers::start("bosr-work", 2)?,
            folding: Workers::lingering("bosr-fold", 1, FOLD_LINGER)?,
            folding_long: Workers::lingering("bosr-fold-long", 1, FOLD_LINGER)?,
            syncer: Syncer::start(Arc::clone(&vault))?,
            reading: Workers::start("bosr-read", 2)?,
            invalidations: Arc::new(Invalidations::default()),
            origin: OnceLock::new(),
            vault,
        })
    }

    /// Under which origin the changes made here are told to others.
    pub(super) fn set_origin(&self, origin: Origin) {
        let _ = self.origin.set(origin);
    }

    pub(super) fn origin(&self) -> Origin {
        self.origin.get().copied().unwrap_or(Origin::VAULT)
    }

    /// Writes down the times that are in no node, for the next mount.
    pub(super) fn keep_times(&self) -> Result<(), VaultError> {
        if let Some(record) = self.times.encode() {
            self.vault.store().set_local(vec![(times::RECORD.to_vec(), Some(record))])?;
        }
        Ok(())
    }

    /// Fails unless there is room for `bytes` more, beside what must be kept for removing and renaming.
    pub(super) fn admit(&self, bytes: u64) -> Result<(), VaultError> {
        self.budget.admit(bytes, || Ok(self.vault.store().space()?.free))
    }

    /// The time of day.
    pub(super) fn now(&self) -> WallNanos {
        self.vault.ambient().clock.wall()
    }

    /// Makes one operation on the tree.
    pub(super) fn edit<R>(
        &self,
        operation: impl FnOnce(&mut Tree, Draw<'_>) -> Result<Outcome<R>, VaultError>,
    ) -> Result<R, VaultError> {
        self.edit_then(&[], operation, |_, _| {})
    }

    /// Makes one operation on the tree, with which the dirty data of `drops` ends. What it changes of numbers and
    /// open files `landed` does: nobody looks at the tree before.
    pub(super) fn edit_then<R>(
        &self,
        drops: &[DirtyRun],
        operation: impl FnOnce(&mut Tree, Draw<'_>) -> Result<Outcome<R>, VaultError>,
        landed: impl FnOnce(&Tree, &R),
    ) -> Result<R, VaultError> {
        let mut besides = None;
        let operation = |tree: &mut Tree, draw: Draw<'_>| {
            let outcome = operation(tree, draw)?;
            besides = self.invalidations.besides(&outcome.touched);
            Ok(outcome)
        };
        let done = self.vault.edit_dropping(self.origin(), drops, operation, landed);
        if let (Ok(_), Some(besides)) = (&done, besides) {
            self.invalidations.push(besides);
        }
        done
    }

    /// Does `act` again when the journal has room, as often as it has none. For workers.
    pub(super) fn until_room<R, E: Into<Failure>>(
        &self,
        act: impl Fn() -> Result<R, E>,
    ) -> Result<R, Failure> {
        loop {
            match act().map_err(Into::into) {
                Err(failure) if failure.is_busy() => self.vault.wait_for_room()?,
                done => return done,
            }
        }
    }

    /// Answers a request with what `operation` comes to, once what was written to `files` is part of them:
    /// at once if that takes little, else on a worker.
    pub(super) fn carry_out<T: Answer>(
        self: &Arc<Self>,
        files: Vec<Arc<File>>,
        mut reply: Reply<T>,
        operation: impl Fn(&Core) -> Result<T, Failure> + Send + 'static,
    ) {
        if files.iter().all(|file| file.settles_quickly(FEW_BYTES)) {
            match self.settle(&files).map_err(Failure::from).and_then(|()| operation(self)) {
                Err(failure) if failure.is_busy() => {}
                done => return reply.answer(done.map_err(posix)),
            }
        }
        reply.park();
        let core = Arc::clone(self);
        self.workers.run(move || {
            let settled = core.until_room(|| core.settle(&files));
            let done = settled.and_then(|()| core.until_room(|| operation(&core)));
            reply.answer(done.map_err(posix));
        });
    }

    fn settle(&self, files: &[Arc<File>]) -> Result<(), VaultError> {
        files.iter().try_for_each(|file| file.fold(self, self.vault.contents()))
    }

    /// Makes a file durable, with its name, and answers.
    pub(super) fn make_durable(self: &Arc<Self>, file: &Arc<File>, mut reply: Reply<()>) {
        match file.log(self) {
            Err(error) => reply.fail(error),
            Ok(Logging::Done) => self.syncer.sync(reply),
            Ok(Logging::Spill) => {
                reply.park();
                let (core, file) = (Arc::clone(self), Arc::clone(file));
                self.workers.run(move || match core.spill(&file) {
                    Ok(()) => core.syncer.sync(reply),
                    Err(error) => reply.fail(posix(error)),
                });
            }
        }
    }

    /// Answers a write, and has contents made of what is dirty if it is much.
    pub(super) fn written(self: &Arc<Self>, file: &Arc<File>, length: u32, reply: Reply<Written>) {
        let much = {
            let state = file.state();
            state.new_bytes() >= SPILL_AT && (!state.is_scattered() || self.budget.is_tight())
        };
        if much {
            self.spill_soon(file);
        }
        if self.budget.is_over() {
            let files = self.inodes.lock().files();
            for file in files {
                if file.state().dirty_bytes() > 0 {
                    self.spill_soon(&file);
                }
            }
        }
        self.budget.answer(reply, length);
    }

    /// Sees that what was written to a file comes into the journal; false if that is not done yet. (A fold under way
    /// journals what it has in hand when it ends.)
    pub(super) fn say(self: &Arc<Self>, file: &Arc<File>) -> bool {
        let is_said = !file.state().has_unlogged() || file.say(self);
        if !is_said {
            self.spill_soon(file);
        }
        is_said
    }

    fn spill_soon(self: &Arc<Self>, file: &Arc<File>) {
        if !std::mem::replace(&mut file.state().queued, true) {
            let (core, file) = (Arc::clone(self), Arc::clone(file));
            self.workers.run(move || {
                file.state().queued = false;
                let spilled = core.spill(&file);
                if spilled.is_err() {
                    // Nobody waits for room that does not come; new writes are refused.
                    core.budget.let_go();
                }
                file.tell_failure(spilled);
            });
        }
    }

    fn spill(self: &Arc<Self>, file: &Arc<File>) -> Result<(), Failure> {
        self.until_room(|| file.spill(self))?;
        if file.state().is_crowded() {
            self.fold_soon(file);
        }
        Ok(())
    }

    /// Has a file folded that nobody writes to any more, and let go of; or one that is written to all over.
    pub(super) fn fold_soon(self: &Arc<Self>, file: &Arc<File>) {
        let threads = {
            let mut state = file.state();
            if std::mem::replace(&mut state.folds_soon, true) {
                return;
            }
            if state.is_many_writes() { &self.folding_long } else { &self.folding }
        };
        let (core, file) = (Arc::clone(self), Arc::clone(file));
        threads.run(move || {
            file.state().folds_soon = false;
            // A failure is kept with the file, and tried again before the next commit.
            file.tell_failure(core.until_room(|| file.fold(&core, core.vault.contents_behind())));
            core.close_if_unused(&file);
            core.vault.file_is_folded();
        });
    }

    /// Folds a file before a commit, which does not wait for it if it takes long.
    pub(super) fn fold_in_time(self: &Arc<Self>, file: &Arc<File>) -> Result<(), VaultError> {
        let takes_long = {
            let state = file.state();
            state.is_many_writes() || state.is_folding_long()
        };
        if takes_long {
            self.fold_soon(file);
            return Ok(());
        }
        file.fold(self, self.vault.contents_behind())
    }

    /// Sees that what was written to a file takes little room in the journal.
    pub(super) fn make_room(&self, file: &File) -> Result<(), VaultError> {
        if file.restate(self)? { Ok(()) } else { file.fold(self, self.vault.contents()) }
    }

    /// The kernel lets go of `lookups` lookups of a number.
    pub(super) fn forget(&self, inode: Inode, lookups: u64) {
        let file = {
            let mut inodes = self.inodes.lock();
            inodes.forget(inode, lookups);
            inodes.find(inode).filter(|known| !known.is_known).and_then(|known| known.file.cloned())
        };
        if let Some(file) = file {
            self.close_if_unused(&file);
        }
    }

    /// Lets go of a file that has no handle and nothing to be folded. One that lost its name stays what it was for
    /// whoever found it before and opens it only now.
    pub(super) fn close_if_unused(&self, file: &File) {
        let mut inodes = self.inodes.lock();
        let is_known = inodes.find(file.inode()).is_some_and(|known| known.is_known);
        let mut state = file.state();
        let of_use = if state.orphan.is_some() { is_known } else { state.is_dirty() };
        if state.handles == 0 && !of_use {
            self.budget.changed(state.discard(), 0);
            drop(state);
            inodes.close(file);
        }
    }

    /// What was written through `inode`, which showed `before`, is the version `shown` of `node` now. Called with
    /// the tree's lock held: who looks the file up must find its number, and not believe the content a peer's.
    pub(super) fn now_shows(&self, inode: Inode, node: &NodeId, before: &Shown, shown: &Shown) {
        self.readers.replaced(node, &before.stamps, &shown.stamps);
        self.inodes.lock().now_shows(inode, incarnation(shown));
    }

    /// The open or dirty file of a number.
    pub(super) fn file_at(&self, inode: Inode) -> Option<Arc<File>> {
        self.inodes.lock().find(inode)?.file.cloned()
    }

    /// The node of a number that must be a directory's.
    pub(super) fn directory(&self, inode: Inode) -> Result<NodeId, Error> {
        let inodes = self.inodes.lock();
        let known = inodes.find(inode).ok_or(Error::Stale)?;
        Ok(known.subject.node())
    }
}
