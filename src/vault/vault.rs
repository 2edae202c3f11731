//! The integrated vault: one store, the tree above it, and everything that keeps the two together.
//!
//! Reading takes the tree's lock shared; an operation takes it alone for as long as it computes, and appends
//! its journal entry before it lets go, so the journal has the operations in the order in which they were
//! applied. Nothing here waits for disk or network with that lock held: durability is [`Vault::sync`],
//! commits and merges are made beside it (`publish`).
//!
//! # Locks, in the order they may be taken
//! 0. `stored_view`: the rows in the database go from commit to commit, one at a time.
//! 1. `publishing`: one commit or merge at a time. Held over disk waits.
//! 2. `priorities`: shared while waiting files are given their ranks.
//! 3. `state`: the tree and the head.
//! 4. locks of callers below the tree (open files).
//! 5. the journal's, then the store's own.
//! 6. `waiting`, `reads`, `timing`, subscribers: held for a few instructions, nothing is taken under them.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use parking_lot::{Condvar, Mutex, RwLock};

use super::background::{FoldSource, Timing};
use super::changes::{ChangeSet, Changes, Origin, Subscribers};
use super::codec::NodeCodec;
use super::commit::CommitId;
use super::contents::Contents;
use super::error::Result;
use super::journal::{DirtyRun, Ends, Journal};
use super::missing::Waiting;
use super::past::Pasts;
use super::reads::{Fetch, PendingReads};
use super::records::Identity;
use super::schedule::Schedule;
use super::stored_view::StoredRows;
use super::{Context, Draw, Outcome, Priorities, ReplicaId, Tree};
use crate::ambient::{Ambient, random};
use crate::crypto::{DevicePublic, ObjectId};
use crate::store::Store;
use crate::trie::{Forest, Trie};

/// Hundredths of the journal that dirty data may fill. (Writing goes over to the other file at half of one, so
/// three quarters are all there is when nothing can be retired.)
pub(super) const DIRTY_SHARE: u64 = 50;
/// Hundredths of the journal that dirty data and operations may fill; folds may fill it all.
const OPERATION_SHARE: u64 = 60;

/// A committed state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// The commit.
    pub commit: CommitId,
    /// Root of the trie of its nodes.
    pub root: Option<ObjectId>,
    /// How many nodes it has.
    pub count: u64,
    /// What it has seen.
    pub context: Context,
}

impl Head {
    /// The nodes.
    pub fn trie(&self) -> Trie {
        Trie { root: self.root, count: self.count }
    }
}

/// The tree, and the commit it lies over.
#[derive(Debug)]
pub(super) struct State {
    pub(super) tree: Tree,
    pub(super) head: Head,
}

/// An open vault. Shared; all methods may be called from any thread.
pub struct Vault {
    pub(super) store: Arc<Store>,
    pub(super) forest: Arc<Forest<NodeCodec>>,
    pub(super) contents: Contents,
    /// The same, for what nobody waits for.
    pub(super) contents_behind: Contents,
    pub(super) ambient: Ambient,
    pub(super) identity: RwLock<Identity>,
    /// The rows below the tree's view, if they are in the database.
    pub(super) stored_view: Mutex<Option<Arc<StoredRows>>>,
    pub(super) publishing: Mutex<()>,
    pub(super) state: RwLock<State>,
    pub(super) journal: Journal,
    pub(super) waiting: Mutex<Waiting>,
    /// What is asked for before the rest, and behind it.
    pub(super) priorities: RwLock<Priorities>,
    /// How often objects were stored from outside.
    pub(super) arrivals: AtomicU64,
    pub(super) reads: Mutex<PendingReads>,
    /// The highest own lamport ever offered to a peer, as recorded.
    pub(super) offered: Mutex<u64>,
    pub(super) timing: Mutex<Timing>,
    pub(super) wake: Condvar,
    pub(super) subscribers: Subscribers,
    pub(super) fetch: RwLock<Option<Arc<dyn Fetch>>>,
    pub(super) pasts: Pasts,
    pub(super) folds: RwLock<Option<Arc<dyn FoldSource>>>,
}

impl std::fmt::Debug for Vault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Vault").field("store", &self.store).finish_non_exhaustive()
    }
}

impl Vault {
    /// Looks at the tree. Others may look too; operations wait, so do not linger.
    pub fn read<R>(&self, look: impl FnOnce(&Tree) -> R) -> R {
        look(&self.state.read().tree)
    }

    /// Makes one operation and journals it. It is visible when this returns, durable after
    /// [`Vault::sync`], and told to all subscribers but `origin`.
    ///
    /// # Errors
    /// Of the operation; [`super::VaultError::Busy`] while the journal is full (see [`Vault::wait_for_room`]);
    /// [`super::VaultError::Full`] and [`super::VaultError::Disk`] if it could not be journalled. Nothing changed then.
    pub fn edit<R>(
        &self,
        origin: Origin,
        operation: impl FnOnce(&mut Tree, Draw<'_>) -> Result<Outcome<R>>,
    ) -> Result<R> {
        self.edit_dropping(origin, &[], operation, |_, _| {})
    }

    /// As [`Vault::edit`]; with the operation the dirty data of `drops` ends: its file is gone, or what was
    /// written to it is of no more use. Without this a crash would bring the data, and so the file, back.
    /// `landed` hears of the outcome before anybody else can look at the tree; of none if nothing changed.
    ///
    /// # Errors
    /// As [`Vault::edit`].
    pub fn edit_dropping<R>(
        &self,
        origin: Origin,
        drops: &[DirtyRun],
        operation: impl FnOnce(&mut Tree, Draw<'_>) -> Result<Outcome<R>>,
        landed: impl FnOnce(&Tree, &R),
    ) -> Result<R> {
        if !self.has_room(OPERATION_SHARE) {
            self.reschedule(|schedule, _| schedule.hurry());
            return Err(super::VaultError::Busy);
        }
        self.operate(origin, operation, |_| Ends { fold: None, drops }, landed)
    }

    /// One operation, with what it does to dirty data. `landed` is called once it is journalled, before anybody
    /// can look at the tree.
    pub(super) fn operate<'e, R>(
        &self,
        origin: Origin,
        operation: impl FnOnce(&mut Tree, Draw<'_>) -> Result<Outcome<R>>,
        ends: impl FnOnce(&Outcome<R>) -> Ends<'e>,
        landed: impl FnOnce(&Tree, &R),
    ) -> Result<R> {
        let mut draw = || random(&*self.ambient.entropy);
        let outcome = {
            let mut state = self.state.write();
            let outcome = operation(&mut state.tree, &mut draw)?;
            let ends = ends(&outcome);
            if outcome.delta.is_none() && ends.is_empty() {
                return Ok(outcome.value);
            }
            // Whatever contents the operation names are in the log already.
            let needs = self.store.position();
            if let Err(error) = self.journal.operation(outcome.delta.as_ref(), ends, needs) {
                state.tree.take_back(outcome.undo)?;
                return Err(error);
            }
            landed(&state.tree, &outcome.value);
            outcome
        };
        self.journalled(Schedule::operation);
        self.review_nodes(outcome.delta.iter().flat_map(|delta| &delta.changes).map(|(node, _)| *node));
        self.subscribers.tell(&ChangeSet::new(origin, outcome.touched));
        Ok(outcome.value)
    }

    /// After an entry was journalled: sees that it becomes durable and committed in time.
    pub(super) fn journalled(&self, note: impl FnOnce(&mut Schedule, Duration)) {
        let filling = self.journal_is_filling();
        self.reschedule(|schedule, now| {
            note(schedule, now);
            if filling {
                schedule.hurry();
            }
        });
    }

    pub(super) fn journal_is_filling(&self) -> bool {
        self.store.journal_fill().commit_due
    }

    /// Makes everything journalled so far durable, with the contents it names. Callers share the waits.
    ///
    /// # Errors
    /// Of the disk.
    pub fn sync(&self) -> Result<()> {
        let mark = self.journal.last();
        self.timing.lock().schedule.flushed();
        self.store.sync_journal(mark).inspect_err(|_| self.reschedule(Schedule::operation))?;
        Ok(())
    }

    /// Waits until the journal has room again after [`super::VaultError::Busy`]. Not for threads that serve
    /// others; the committer must be running.
    ///
    /// # Errors
    /// [`super::VaultError::Closed`] once the vault is stopped.
    pub fn wait_for_room(&self) -> Result<()> {
        self.reschedule(|schedule, _| schedule.hurry());
        let mut timing = self.timing.lock();
        while !self.has_room(DIRTY_SHARE) {
            if timing.is_stopping() {
                return Err(super::VaultError::Closed);
            }
            self.wake.wait(&mut timing);
        }
        Ok(())
    }

    /// Whether less than `share` hundredths of the journal are in use. Dirty data may fill less of it than
    /// operations, and those less than folds: so that what makes room always finds some.
    pub(super) fn has_room(&self, share: u64) -> bool {
        let fill = self.store.journal_fill();
        fill.used.saturating_mul(100) < fill.capacity.saturating_mul(share)
    }

    /// Has `listener` told of every change but those made with the origin that is returned.
    pub fn subscribe(&self, listener: Arc<dyn Changes>) -> Origin {
        self.subscribers.add(listener)
    }

    /// Tells the listener of `origin` nothing more. One change may still be under way.
    pub fn unsubscribe(&self, origin: Origin) {
        self.subscribers.remove(origin);
    }

    /// Who is asked to fold dirty data before commits.
    pub fn set_fold_source(&self, source: Option<Arc<dyn FoldSource>>) {
        *self.folds.write() = source;
    }

    /// The committed state below the tree. Durable; local operations since may not be.
    pub fn head(&self) -> Head {
        self.state.read().head.clone()
    }

    /// This device's public key.
    pub fn device(&self) -> DevicePublic {
        DevicePublic(self.identity.read().device)
    }

    /// The id that this replica's operations carry now.
    pub fn replica(&self) -> ReplicaId {
        self.identity.read().replica()
    }

    /// The store, for whoever moves objects.
    pub fn store(&self) -> &Arc<Store> {
        &self.store
    }

    /// The nodes' tries, for whoever walks them.
    pub fn forest(&self) -> &Arc<Forest<NodeCodec>> {
        &self.forest
    }

    /// Cuts and reads file contents.
    pub fn contents(&self) -> &Contents {
        &self.contents
    }

    /// The same as [`contents`](Self::contents), for what nobody waits for: it gives way to all else.
    pub fn contents_behind(&self) -> &Contents {
        &self.contents_behind
    }

    /// Clock and randomness.
    pub fn ambient(&self) -> &Ambient {
        &self.ambient
    }
}
