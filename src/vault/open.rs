//! Making and opening a vault: from the last durable head and the journal to the tree as it was.
//!
//! Opening reads the head's record, brings the stored view up to it, applies the operations that the head does not have, and
//! folds what dirty data a crash left into ordinary operations. All of that can be cut off anywhere and done
//! again: operations carry their stamps, and a fold says which dirty data it ends.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use parking_lot::{Condvar, Mutex, RwLock};

use super::background::Timing;
use super::changes::{Origin, Subscribers};
use super::codec::NodeCodec;
use super::commit::{Commit, CommitId};
use super::committed::{CommittedNodes, KeyedNames};
use super::contents::Contents;
use super::error::{Result, VaultError};
use super::journal::{Base, DirtyRun, Journal, Leftover, Replay};
use super::lives::new_epoch;
use super::missing::{Shown, Waiting};
use super::past::Pasts;
use super::reads::PendingReads;
use super::records::{self, Identity};
use super::schedule::Schedule;
use super::stored_view::open_view;
use super::vault::{Head, State, Vault};
use super::view::{NodeUpdate, View};
use super::{Context, NodeId, Tree};
use crate::ambient::Ambient;
use crate::crypto::{DevicePublic, ObjectKind};
use crate::store::{Damage, Recovery, Store};
use crate::trie::{Forest, Objects};

/// Threads that cut, hash and seal contents.
const CONTENT_WORKERS: usize = 2;

/// What opening a vault found.
#[derive(Debug, Default)]
pub struct OpenReport {
    /// Operations that were in the journal only.
    pub operations: usize,
    /// Files whose unfolded writes were put back.
    pub folded: usize,
    /// Files whose unfolded writes could not be put back, and why. The rest of the vault is whole.
    pub lost: Vec<(NodeId, VaultError)>,
    /// Bytes at the end of the log that were never synced and did not survive.
    pub torn: u64,
    /// What should be there and is not.
    pub damage: Vec<Damage>,
}

/// Which life of a device a vault is opened in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Life {
    /// The store is the one that was closed last.
    Same,
    /// The store was copied or restored: another process may go on from the same state, so this one must
    /// not take stamps of the old replica id.
    New,
}

impl Vault {
    /// Makes a new vault in an empty store, with `device_name` as its first device. Durable when it returns.
    ///
    /// # Errors
    /// Of the disk.
    pub fn create(
        store: Arc<Store>,
        device: DevicePublic,
        device_name: &str,
        ambient: Ambient,
    ) -> Result<Arc<Vault>> {
        let vault = Self::create_joining(store, device, ambient)?;
        vault.add_device(device_name, device)?;
        vault.commit()?;
        Ok(vault)
    }

    /// Makes the replica of a device that joins a vault: with no state yet, not even its own record, which
    /// comes with the first merge.
    ///
    /// # Errors
    /// Of the disk.
    pub fn create_joining(store: Arc<Store>, device: DevicePublic, ambient: Ambient) -> Result<Arc<Vault>> {
        let commit = Commit { root: None, count: 0, context: Context::new(), parents: vec![], author: None };
        let id = CommitId(store.put(ObjectKind::Commit, &commit.encode()?)?);
        let identity = Identity { device: device.0, epoch: 0 };
        let position = store.set_local(vec![records::identity(&identity)?, records::head(&id)])?;
        store.sync_log(position)?;
        Self::assemble(store, identity, ambient)
    }

    /// Opens the vault in `store`, which `recovery` was found opening, and puts back what a crash left.
    ///
    /// # Errors
    /// A store without a head ([`VaultError::Damaged`]); objects that are missing or damaged; the disk.
    pub fn open(
        store: Arc<Store>,
        recovery: Recovery,
        life: Life,
        ambient: Ambient,
    ) -> Result<(Arc<Vault>, OpenReport)> {
        let identity = Self::identity_of(&store, life, &ambient)?;
        let vault = Self::assemble(store, identity, ambient)?;
        let mut report = OpenReport { torn: recovery.torn, damage: recovery.damage, ..OpenReport::default() };
        let mark = vault.store.local(records::JOURNAL).map(|bytes| records::decode(&bytes));
        let replay =
            Replay::read(&recovery.journal, &vault.head().context, &mark.transpose()?.unwrap_or_default())?;
        vault.put_back(replay, &mut report)?;
        vault.read_waiting()?;
        // A copied store lives under a new replica id, and so does one whose device took a new key.
        vault.announce_life()?;
        vault.reschedule(Schedule::peers_heard);
        // With a full disk the operations stay in the journal, and deleting makes room.
        match vault.commit() {
            Err(VaultError::Full) => tracing::warn!("the disk is full: what was replayed is not committed"),
            done => drop(done?),
        }
        Ok((vault, report))
    }

    /// Who this replica is, having recorded it if that changed.
    fn identity_of(store: &Store, life: Life, ambient: &Ambient) -> Result<Identity> {
        let device = store.keyring().device().public();
        let known = store.local(records::IDENTITY).map(|bytes| records::decode::<Identity>(&bytes));
        let known = known.transpose()?;
        match known {
            Some(known) if known.device == device.0 && life == Life::Same => Ok(known),
            _ => {
                let identity = Identity { device: device.0, epoch: new_epoch(ambient) };
                let position = store.set_local(vec![records::identity(&identity)?, records::offered(0)])?;
                store.sync_log(position)?;
                Ok(identity)
            }
        }
    }

    /// The vault at its last durable head.
    fn assemble(store: Arc<Store>, identity: Identity, ambient: Ambient) -> Result<Arc<Vault>> {
        let objects: Arc<dyn Objects> = store.clone();
        let caches = store.caches();
        let forest = Arc::new(Forest::<NodeCodec>::new(objects.clone(), caches.nodes));
        let keyring = store.keyring();
        let contents =
            Contents::new(objects, keyring.content_keys().gear_seed(), CONTENT_WORKERS, caches.lists);
        let head = last_head(&store)?;
        let source = CommittedNodes::new(&forest, head.trie());
        let names = KeyedNames(keyring.content_keys().clone());
        let trie_of = |id: &CommitId| Ok(Commit::decode(&store.fetch(&id.0)?)?.trie());
        let (view, stored_view) = open_view(&store, &source, &names, trie_of)?;
        let tree = Tree::new(source, view, head.context.clone(), identity.replica());
        let offered = store.local(records::OFFERED).map_or(Ok(0), |bytes| records::lamport(&bytes))?;
        let journal = Journal::new(store.clone(), store.journal_position());
        Ok(Arc::new(Vault {
            store,
            forest,
            contents_behind: contents.behind(CONTENT_WORKERS),
            contents,
            ambient,
            identity: RwLock::new(identity),
            stored_view: Mutex::new(stored_view),
            publishing: Mutex::new(()),
            state: RwLock::new(State { tree, head }),
            journal,
            waiting: Mutex::new(Waiting::default()),
            priorities: RwLock::default(),
            arrivals: AtomicU64::new(0),
            reads: Mutex::new(PendingReads::default()),
            offered: Mutex::new(offered),
            timing: Mutex::new(Timing::default()),
            wake: Condvar::new(),
            subscribers: Subscribers::default(),
            fetch: RwLock::new(None),
            pasts: Pasts::default(),
            folds: RwLock::new(None),
        }))
    }

    /// Applies what the journal has beyond the head.
    fn put_back(&self, mut replay: Replay, report: &mut OpenReport) -> Result<()> {
        {
            let mut state = self.state.write();
            for delta in &replay.operations {
                state.tree.apply(delta)?;
            }
        }
        report.operations = replay.operations.len();
        for leftover in std::mem::take(&mut replay.leftover) {
            match self.fold_leftover(&leftover, &replay) {
                Ok(shown) => {
                    report.folded += usize::from(leftover.mtime.is_some());
                    replay.folded.insert(leftover.run, shown);
                }
                Err(error) => report.lost.push((leftover.node, error)),
            }
        }
        Ok(())
    }

    /// Writes what a crash left of a file's dirty data as an ordinary operation, if there is anything in it, and gives
    /// what the file shows then. If the disk is full the data stays in the journal for the next opening.
    fn fold_leftover(&self, leftover: &Leftover, replay: &Replay) -> Result<Shown> {
        let base = match &leftover.base {
            Base::Shown(shown) => shown.clone(),
            Base::Run(previous) => {
                let shown = replay.folded.get(previous).cloned();
                shown.ok_or_else(|| VaultError::Damaged("dirty data over dirty data that is lost".into()))?
            }
        };
        let run = DirtyRun::over(leftover.run, leftover.node, base.clone());
        self.journal.adopt(&run, leftover.first);
        let folded = match leftover.mtime {
            None => self.drop_run(&run).map(|()| base),
            Some(mtime) => leftover
                .content(&self.contents, base.content)
                .and_then(|content| self.fold(Origin::VAULT, &run, content, mtime, |_| {})),
        };
        if let Err(error) = &folded
            && !matches!(error, VaultError::Full | VaultError::Busy)
        {
            self.drop_run(&run)?;
        }
        folded
    }

    /// Reads which versions waited for content when the vault was closed, and looks what came since.
    fn read_waiting(&self) -> Result<()> {
        for (key, value) in self.store.locals(records::waiting_prefix()) {
            let (version, shown) = records::read_waiting(&key, &value)?;
            self.resume_waiting(version, shown)?;
        }
        Ok(())
    }
}

fn last_head(store: &Store) -> Result<Head> {
    let record = store.local(records::HEAD).ok_or_else(|| VaultError::Damaged("no head".into()))?;
    let id = records::commit_id(&record)?;
    let commit = Commit::decode(&store.fetch(&id.0)?)?;
    Ok(Head { commit: id, root: commit.root, count: commit.count, context: commit.context })
}

/// The view from scratch.
pub(super) fn view_of(source: &Arc<CommittedNodes>, names: KeyedNames) -> Result<View> {
    let mut updates = Vec::new();
    for entry in source.forest().iter(source.trie(), ..) {
        let (id, node) = entry?;
        updates.push(NodeUpdate { id: NodeId(id), old: None, new: Some(node) });
    }
    let mut view = View::in_memory(Arc::new(names));
    view.update(&**source, &updates)?;
    Ok(view)
}
