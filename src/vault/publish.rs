//! Making a new head: commits of local operations, and states merged from peers.
//!
//! Both are made off the tree's lock and swapped in under it:
//!
//! 1. A snapshot of the overlay (pointers only) is taken under the shared lock.
//! 2. Trie, commit object and the local record that makes it the head are written and made durable.
//! 3. Under the exclusive lock the new state goes below the overlay; what changed since the snapshot stays
//!    in it, joined with the new state where a peer touched the same nodes.
//! 4. The journal lets go of what the commit holds; subscribers are told, with no lock held.
//!
//! Invariants: one [`Publishing`] at a time; a head is durable before anyone can see it; a failure before
//! step 3 changes nothing in memory.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::MutexGuard;

use super::arrivals::Waits;
use super::background::Fold;
use super::changes::{ChangeSet, Origin};
use super::commit::{Author, Commit, CommitId};
use super::committed::{CommittedNodes, trie_changes};
use super::error::{Result, VaultError};
use super::journal::JournalMark;
use super::revocations::revocations_in;
use super::vault::{Head, State, Vault};
use super::view::Touched;
use super::{Context, Node, NodeId, Tree, records};
use crate::crypto::DevicePublic;
use crate::store::JournalSeq;
use crate::trie::Trie;

/// A merge of more changed nodes than this is staged on a copy of the tree, off the lock.
const STAGED_FROM: usize = 1000;

/// A node as a state has it; `None` if it has none.
pub type NodeState = Option<Arc<Node>>;

/// Joins one node of two states, each given with the context of its state. The layer above knows how.
pub type JoinNode<'j> = dyn Fn((NodeState, &Context), (NodeState, &Context)) -> Result<NodeState> + Sync + 'j;

/// The turn to make a new head. Local operations go on meanwhile.
pub struct Publishing<'a> {
    pub(super) vault: &'a Vault,
    _turn: MutexGuard<'a, ()>,
}

/// A state to take over: ours joined with a peer's.
pub struct Staged {
    /// The merged state; for a fast-forward the peer's own commit.
    pub commit: Commit,
    /// Its id.
    pub id: CommitId,
    /// The nodes in which it differs from [`Publishing::commit`]'s, ascending.
    pub changes: Vec<(NodeId, NodeState)>,
    /// The peer it came from, and its head that is now part of ours.
    pub merged: Option<(DevicePublic, CommitId)>,
}

/// What a merge did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Merged {
    /// The head now.
    pub head: Head,
    /// Whether the tree changed.
    pub changed: bool,
}

/// The overlay as it was at one moment.
struct Snapshot {
    head: Head,
    context: Context,
    changed: Vec<(NodeId, NodeState)>,
    journal: JournalMark,
}

impl Vault {
    /// Waits for the turn to make a new head.
    pub fn publishing(&self) -> Publishing<'_> {
        Publishing { vault: self, _turn: self.publishing.lock() }
    }

    /// Commits all operations made so far. Durable when this returns; the head stays if there is nothing
    /// new. Dirty data that was not folded is not in it.
    ///
    /// # Errors
    /// Of the disk: nothing changed then.
    pub fn commit(&self) -> Result<Head> {
        self.publishing().commit()
    }

    /// Has dirty data folded, then commits.
    ///
    /// # Errors
    /// As [`Vault::commit`]; a fold that failed is reported after the commit.
    pub fn fold_and_commit(&self, which: Fold) -> Result<Head> {
        self.timing.lock().schedule.committing();
        let source = self.folds.read().clone();
        let folded = source.as_ref().map_or(Ok(()), |source| source.fold(which));
        let unfinished = source.is_some_and(|source| source.unfinished());
        let head = self.commit();
        self.reschedule(|schedule, now| {
            schedule.set_unfinished(unfinished);
            if self.journal.has_dirty() {
                schedule.still_dirty(now);
            }
            if folded.is_err() || head.is_err() {
                schedule.operation(now);
            }
        });
        folded.and(head)
    }

    /// Has all dirty data folded: what was written through a mount, also to files still open, is then in the
    /// tree for whoever reads it there.
    ///
    /// # Errors
    /// Of the first fold that failed.
    pub fn fold_dirty(&self) -> Result<()> {
        let source = self.folds.read().clone();
        source.map_or(Ok(()), |source| source.fold(Fold::All))
    }

    fn snapshot(&self) -> Snapshot {
        let state = self.state.read();
        Snapshot {
            head: state.head.clone(),
            context: state.tree.context().clone(),
            changed: state.tree.changed().collect(),
            journal: self.journal.mark(),
        }
    }
}

impl Publishing<'_> {
    /// As [`Vault::commit`].
    ///
    /// # Errors
    /// Of the disk: nothing changed then.
    pub fn commit(&self) -> Result<Head> {
        let vault = self.vault;
        let snapshot = vault.snapshot();
        let upto = JournalSeq(snapshot.journal.upto);
        let record = records::journal(&snapshot.journal)?;
        if snapshot.context == snapshot.head.context {
            if vault.journal.has_dead() {
                let position = vault.store.set_local(vec![record])?;
                vault.store.sync_log(position)?;
                vault.journal.retire(upto);
            }
            return Ok(snapshot.head);
        }
        let changes = trie_changes(snapshot.changed.clone());
        let trie = vault.forest.apply(&snapshot.head.trie(), &changes)?;
        let author = Author { replica: vault.replica(), time: vault.ambient.clock.wall() };
        let commit = Commit {
            root: trie.root,
            count: trie.count,
            context: snapshot.context,
            parents: vec![snapshot.head.commit],
            author: Some(author),
        };
        let id = vault.put_commit(&commit)?;
        let head = self.make_head(commit, id, vec![record])?;
        {
            let mut state = vault.state.write();
            let source = vault.nodes_of(head.trie());
            state.tree.rebase(source, &snapshot.changed);
            state.head = head.clone();
        }
        vault.journal.retire(upto);
        vault.wake.notify_all();
        vault.subscribers.tell_committed();
        Ok(head)
    }

    /// The nodes of a committed state after `changes`.
    ///
    /// # Errors
    /// Objects that are missing or damaged; the disk.
    pub fn trie_after(&self, trie: &Trie, changes: &[(NodeId, NodeState)]) -> Result<Trie> {
        Ok(self.vault.forest.apply(trie, &trie_changes(changes.to_vec()))?)
    }

    /// Takes over `staged`, which joins `local` (what [`Publishing::commit`] gave in this very turn) with a
    /// peer's state. `join` puts together what is touched here meanwhile.
    ///
    /// # Errors
    /// Of the disk, before anything changed.
    pub fn take_over(&self, local: &Head, staged: Staged, join: &JoinNode<'_>) -> Result<Merged> {
        let vault = self.vault;
        if vault.state.read().head != *local {
            return Err(VaultError::Inconsistent("a merge with another head than ours"));
        }
        let changed = !staged.changes.is_empty();
        let Waits { begin, mut records, arrivals } = vault.waits_after(&staged.changes)?;
        records.extend(revocations_in(&staged.changes));
        records.extend(staged.merged.map(|(device, commit)| records::merged(&device, &commit)));
        let head = self.make_head(staged.commit, staged.id, records)?;
        let join = Rejoin { context: &head.context, join };
        let stage = match staged.changes.len() {
            0..STAGED_FROM => None,
            _ => Some(Stage::new(vault, &staged.changes, &join)?),
        };
        let source = vault.nodes_of(head.trie());
        let touched = {
            let mut state = vault.state.write();
            let touched = match stage {
                None => join.absorb(&mut state.tree, &staged.changes)?,
                Some(stage) => stage.catch_up(&mut state, &join)?,
            };
            state.tree.rebase(source, &staged.changes);
            state.head = head.clone();
            vault.begin_waiting(begin);
            touched
        };
        vault.subscribers.tell(&ChangeSet::new(Origin::VAULT, touched));
        vault.subscribers.tell_committed();
        vault.reschedule(super::schedule::Schedule::peers_heard);
        vault.waits_began(arrivals, &staged.changes)?;
        Ok(Merged { head, changed })
    }

    /// Remembers that the head has all of a peer's state, which `merged` names by commit.
    ///
    /// # Errors
    /// Of the disk.
    pub fn note_merged(&self, merged: Option<(DevicePublic, CommitId)>) -> Result<()> {
        if let Some((device, commit)) = merged
            && self.vault.merged_from(&device)? != Some(commit)
        {
            self.vault.store.set_local(vec![records::merged(&device, &commit)])?;
            self.vault.reschedule(super::schedule::Schedule::peers_heard);
        }
        Ok(())
    }

    /// Makes a commit that is in the store the durable head, together with other local records.
    pub(super) fn make_head(
        &self,
        commit: Commit,
        id: CommitId,
        mut records: Vec<records::Change>,
    ) -> Result<Head> {
        let vault = self.vault;
        // Peers that follow are told at once: the mark goes along and saves a sync of its own.
        let own = commit.context.lamport(&vault.replica());
        let mut offered = vault.offered.lock();
        let is_offered = vault.timing.lock().schedule.is_followed() && own > *offered;
        records.extend(is_offered.then(|| records::offered(own)));
        records.push(records::head(&id));
        let position = vault.store.set_local(records)?;
        vault.store.sync_log(position)?;
        if is_offered {
            *offered = own;
        }
        Ok(Head { commit: id, root: commit.root, count: commit.count, context: commit.context })
    }
}

/// The join of a merged state with what happens here meanwhile.
struct Rejoin<'a> {
    context: &'a Context,
    join: &'a JoinNode<'a>,
}

impl Rejoin<'_> {
    /// Brings a tree that goes on from the local side of the merge to the merged state.
    fn absorb(&self, tree: &mut Tree, changes: &[(NodeId, NodeState)]) -> Result<Touched> {
        let touched_here: HashMap<NodeId, NodeState> = tree.changed().collect();
        let own = tree.context().clone();
        let mut joined = Vec::with_capacity(changes.len());
        for (id, theirs) in changes {
            let node = match touched_here.get(id) {
                None => theirs.clone(),
                Some(ours) => (self.join)((ours.clone(), &own), (theirs.clone(), self.context))?,
            };
            joined.push((*id, node));
        }
        tree.absorb(joined, &own.join(self.context))
    }
}

/// A copy of the tree that has the merge already.
struct Stage {
    tree: Tree,
    touched: Touched,
    /// The overlay of the live tree when it was copied.
    seen: HashMap<NodeId, NodeState>,
}

impl Stage {
    fn new(vault: &Vault, changes: &[(NodeId, NodeState)], join: &Rejoin<'_>) -> Result<Self> {
        let mut tree = vault.state.read().tree.fork();
        let seen = tree.changed().collect();
        let touched = join.absorb(&mut tree, changes)?;
        Ok(Stage { tree, touched, seen })
    }

    /// Takes in what was done here since the copy, and takes the live tree's place.
    fn catch_up(self, state: &mut State, join: &Rejoin<'_>) -> Result<Touched> {
        let Stage { mut tree, mut touched, seen } = self;
        let own = state.tree.context().clone();
        let staged = tree.context().clone();
        let mut joined = Vec::new();
        for (id, live) in state.tree.changed().filter(|(id, live)| !is_same(seen.get(id), live)) {
            joined.push((id, (join.join)((tree.node(&id)?, &staged), (live, &own))?));
        }
        touched.merge(tree.absorb(joined, &own.join(&staged))?);
        tree.private = std::mem::take(&mut state.tree.private);
        state.tree = tree;
        Ok(touched)
    }
}

fn is_same(seen: Option<&NodeState>, live: &NodeState) -> bool {
    match (seen, live) {
        (Some(Some(seen)), Some(live)) => Arc::ptr_eq(seen, live),
        (Some(None), None) => true,
        _ => false,
    }
}

impl Vault {
    pub(super) fn nodes_of(&self, trie: Trie) -> Arc<CommittedNodes> {
        CommittedNodes::new(&self.forest, trie)
    }
}
