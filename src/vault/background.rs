//! What a vault does by itself: commits, flushes, pruning, and giving up on content that does not come.
//!
//! Two loops, each on a thread that its owner provides: [`Vault::run_committer`] and [`Vault::run_flusher`]
//! (apart, because a long commit must not hold up the promise that data is durable within a second). Both
//! end after [`Vault::stop`]. What they do in one turn is [`Vault::commit_if_due`] and
//! [`Vault::flush_if_due`], which tests call themselves.

use std::sync::Arc;
use std::time::Duration;

use super::NodeId;
use super::error::Result;
use super::schedule::Schedule;
use super::stored_view;
use super::vault::Vault;

/// How long a failed commit or flush waits before it is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// What dirty data is to do before a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fold {
    /// What is ready is folded: of files that were released, are quiet for a second, or dirty for five. What takes long
    /// is begun and not waited for.
    Ready,
    /// The journal is filling: all of it takes little room there, once this returns.
    Room,
    /// All of it is folded when this returns.
    All,
}

/// Whoever holds dirty data, asked to fold it before a commit.
pub trait FoldSource: Send + Sync {
    /// Folds by [`Vault::fold`], or journals anew by [`Vault::restate`]. Called with no lock of the vault held.
    ///
    /// # Errors
    /// The first failure; what could be folded is.
    fn fold(&self, which: Fold) -> Result<()>;

    /// Journals what was written and is not there, as far as that can be done without waiting for a content to be
    /// made. Whether that was all. Called with no lock of the vault held.
    fn say(&self) -> bool {
        true
    }

    /// Whether a file made since the last offer is still open for writing, so that a commit for peers had
    /// better wait a moment for it.
    fn unfinished(&self) -> bool {
        false
    }

    /// The nodes of the files that are open: they are not pruned, though they may be dead.
    fn open(&self) -> Vec<NodeId> {
        Vec::new()
    }
}

impl Vault {
    /// Commits and prunes as the schedule says, until [`Vault::stop`].
    pub fn run_committer(self: &Arc<Self>) {
        while self.wait_until(Loop::Commit) {
            if let Err(error) = self.prune_if_due().and_then(|()| self.commit_if_due()) {
                tracing::warn!(%error, "a commit failed; it will be tried again");
                self.timing.lock().commit_not_before = self.now() + RETRY;
            }
            self.store_view_or_warn(stored_view::MANY);
        }
    }

    /// The index is derived: a failure costs memory now and time at the next opening, no more.
    fn store_view_or_warn(&self, many: usize) {
        if let Err(error) = self.store_view(many) {
            tracing::warn!(%error, "the view's index could not be stored; it will be worked out anew");
        }
    }

    /// Makes the journal durable as the schedule says, until [`Vault::stop`].
    pub fn run_flusher(self: &Arc<Self>) {
        while self.wait_until(Loop::Flush) {
            if let Err(error) = self.flush_if_due() {
                tracing::warn!(%error, "a flush failed; it will be tried again");
                self.timing.lock().flush_not_before = self.now() + RETRY;
            }
        }
    }

    /// Ends both loops, soon. What is not durable then is for [`Vault::close`].
    pub fn stop(&self) {
        let mut timing = self.timing.lock();
        timing.stopping = true;
        self.wake.notify_all();
    }

    /// Folds everything, commits, and makes all of it durable: what a vault does last. What fails of it is in
    /// the journal and comes back at the next opening.
    ///
    /// # Errors
    /// The first failure; the rest is done nevertheless.
    pub fn close(&self) -> Result<()> {
        self.stop();
        let committed = self.fold_and_commit(Fold::All).map(drop);
        let synced = self.sync();
        self.store_view_or_warn(0);
        let closed = self.store.close().map_err(Into::into);
        committed.and(synced).and(closed)
    }

    /// Folds what is ready and commits, if that is due by the clock.
    ///
    /// # Errors
    /// Of the commit. The state in memory is as before.
    pub fn commit_if_due(&self) -> Result<()> {
        let now = self.now();
        let full = self.journal_is_filling();
        let due = self.timing.lock().schedule.due(now).commit;
        if !due && !full {
            return Ok(());
        }
        self.fold_and_commit(if full { Fold::Room } else { Fold::Ready }).map(drop)
    }

    /// Has dirty data journalled and makes the journal durable, if that is due by the clock.
    ///
    /// # Errors
    /// Of the disk.
    pub fn flush_if_due(&self) -> Result<()> {
        self.expire_reads();
        if self.timing.lock().schedule.due(self.now()).flush {
            self.say_dirty();
            self.sync()?;
        }
        Ok(())
    }

    fn say_dirty(&self) {
        self.timing.lock().schedule.saying();
        let source = self.folds.read().clone();
        if source.is_some_and(|source| !source.say()) {
            self.data_is_unsaid();
        }
    }

    /// Tells whether peers wait for commits: they come within milliseconds then instead of a second.
    pub fn set_followed(&self, followed: bool) {
        self.reschedule(|schedule, _| schedule.set_followed(followed));
    }

    /// A file has dirty data: a commit follows as after an operation.
    pub fn file_is_dirty(&self) {
        self.reschedule(Schedule::operation);
    }

    /// A file has dirty data that is not journalled: it is asked for within a second.
    pub fn data_is_unsaid(&self) {
        self.reschedule(Schedule::unsaid);
    }

    /// A file was folded after its last handle was released: a commit follows, and waits no longer if it was
    /// this file that it waited for. Called with no lock of the fold source held.
    pub fn file_is_folded(&self) {
        let waits = self.timing.lock().schedule.is_unfinished();
        let source = if waits { self.folds.read().clone() } else { None };
        let unfinished = source.is_some_and(|source| source.unfinished());
        self.reschedule(|schedule, now| {
            schedule.set_unfinished(unfinished);
            schedule.operation(now);
        });
    }

    /// Changes the schedule and wakes the loops.
    pub(super) fn reschedule(&self, change: impl FnOnce(&mut Schedule, Duration)) {
        let now = self.now();
        let mut timing = self.timing.lock();
        let before = timing.schedule.deadlines();
        change(&mut timing.schedule, now);
        // A later deadline needs no wake: the loop wakes for the earlier one and looks again.
        if timing.schedule.deadlines().need_wake(&before) {
            self.wake.notify_all();
        }
    }

    pub(super) fn now(&self) -> Duration {
        self.ambient.clock.monotonic()
    }

    /// Sleeps until a loop has something to do. `false` when the loops are to end.
    fn wait_until(&self, which: Loop) -> bool {
        let mut timing = self.timing.lock();
        loop {
            if timing.stopping {
                return false;
            }
            let now = self.now();
            let next = match which {
                Loop::Commit => {
                    let next = [timing.schedule.next_commit(), timing.schedule.next_prune()];
                    next.into_iter().flatten().min().map(|at| at.max(timing.commit_not_before))
                }
                Loop::Flush => timing.schedule.next_flush().map(|at| at.max(timing.flush_not_before)),
            };
            match next {
                Some(at) if at <= now => return true,
                Some(at) => drop(self.wake.wait_for(&mut timing, at - now)),
                None => self.wake.wait(&mut timing),
            }
        }
    }
}

impl Timing {
    pub(super) fn is_stopping(&self) -> bool {
        self.stopping
    }
}

/// The schedule and its switches, under one lock.
#[derive(Debug, Default)]
pub(super) struct Timing {
    pub(super) schedule: Schedule,
    stopping: bool,
    /// After a failure.
    commit_not_before: Duration,
    /// After a failure.
    flush_not_before: Duration,
}

#[derive(Clone, Copy)]
enum Loop {
    Commit,
    Flush,
}
