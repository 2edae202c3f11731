//! Other lives of this replica: a restored backup, a reverted virtual machine, a clone.
//!
//! Two lives take the same stamps for different operations, and a join would silently drop one side's. A
//! store that says it was copied is opened under a new replica id ([`super::Life::New`]). What slips through
//! that is noticed when a peer knows more of this replica than was ever offered: then every own stamp above
//! the offered mark moves to a new id, and the old id's entry in the context drops back to the mark.

use std::sync::Arc;

use super::commit::Commit;
use super::committed::{KeyedNames, trie_changes};
use super::error::Result;
use super::open::view_of;
use super::publish::{NodeState, Publishing};
use super::records::{self, Identity};
use super::vault::{State, Vault};
use super::{Context, DeviceRecord, Node, NodeId, Place, ReplicaId, Stamp, Tree, Versions};
use crate::ambient::{Ambient, random};
use crate::crypto::DevicePublic;
use crate::store::JournalSeq;

impl Publishing<'_> {
    /// Takes a new replica id if `theirs`, a peer's context, shows that another life of this replica was
    /// there, and moves what this life did alone to it. To be called before a merge.
    ///
    /// # Errors
    /// Of the disk: nothing changed then, and the merge must not be made.
    pub fn meet_other_life(&self, theirs: &Context) -> Result<()> {
        let vault = self.vault;
        let own = vault.replica();
        let mark = *vault.offered.lock();
        if theirs.lamport(&own) <= mark {
            return Ok(());
        }
        tracing::warn!("a peer has met another life of this replica; going on under a new replica id");
        let identity = Identity { device: vault.device().0, epoch: new_epoch(&vault.ambient) };
        {
            let mut state = vault.state.write();
            // Everything under the lock, disk waits too: this happens once in the life of a restored backup.
            self.move_stamps(&mut state, LifeMove { from: own, to: identity.replica(), mark }, &identity)?;
        }
        vault.announce_life()
    }

    /// Goes on as another device: this store is a copy, and what it alone has done since moves to the new
    /// device's replica id. The device's keys are the caller's part; they must say `device` before the vault is
    /// opened again.
    ///
    /// # Errors
    /// Of the disk: nothing changed then.
    pub fn become_device(&self, device: DevicePublic) -> Result<()> {
        let vault = self.vault;
        let moved = LifeMove { from: vault.replica(), to: ReplicaId([0; 8]), mark: *vault.offered.lock() };
        let identity = Identity { device: device.0, epoch: new_epoch(&vault.ambient) };
        {
            let mut state = vault.state.write();
            self.move_stamps(&mut state, LifeMove { to: identity.replica(), ..moved }, &identity)?;
        }
        vault.announce_life()
    }

    fn move_stamps(&self, state: &mut State, moved: LifeMove, identity: &Identity) -> Result<()> {
        let vault = self.vault;
        let journal = vault.journal.mark();
        let mut nodes: std::collections::BTreeMap<NodeId, NodeState> = state.tree.changed().collect();
        for entry in vault.forest.iter(&state.head.trie(), ..) {
            let (id, node) = entry?;
            nodes.entry(NodeId(id)).or_insert(Some(node));
        }
        let changes: Vec<(NodeId, NodeState)> =
            nodes.into_iter().map(|(id, node)| (id, node.map(|node| Arc::new(moved.node(&node))))).collect();
        let trie = vault.forest.apply(&state.head.trie(), &trie_changes(changes))?;
        let commit = Commit {
            root: trie.root,
            count: trie.count,
            context: moved.context(state.tree.context()),
            parents: vec![state.head.commit],
            author: None,
        };
        let records = vec![
            records::identity(identity)?,
            records::offered(0),
            // The journal's operations carry the old stamps: they are in this commit under new ones.
            records::journal(&journal)?,
        ];
        let id = vault.put_commit(&commit)?;
        let head = self.make_head(commit, id, records)?;
        let source = vault.nodes_of(head.trie());
        let names = KeyedNames(vault.store.keyring().content_keys().clone());
        let view = view_of(&source, names)?;
        state.tree = Tree::new(source, view, head.context.clone(), moved.to);
        state.head = head;
        *vault.offered.lock() = 0;
        *vault.identity.write() = identity.clone();
        vault.journal.retire(JournalSeq(journal.upto));
        Ok(())
    }
}

impl Vault {
    /// Says in the vault's own state which replica id this device has now.
    pub(super) fn announce_life(&self) -> Result<()> {
        let own = self.replica();
        // A device that has merged nothing yet is not listed here.
        let Some((id, mut record)) = self.device_node(&self.device()) else { return Ok(()) };
        if record.replicas.contains(&own) {
            return Ok(());
        }
        record.replicas.push(own);
        self.edit(super::Origin::VAULT, |tree, draw| tree.change_device(&id, &record, draw))
    }
}

/// An epoch that no copy of this store draws: a counter would give two copies the same.
pub(super) fn new_epoch(ambient: &Ambient) -> u64 {
    u64::from_le_bytes(random(&*ambient.entropy)) | 1
}

/// Stamps of one replica above a mark become another's.
#[derive(Clone, Copy, Debug)]
pub struct LifeMove {
    /// Whose stamps they are.
    pub from: ReplicaId,
    /// Whose they become.
    pub to: ReplicaId,
    /// The highest lamport that stays.
    pub mark: u64,
}

impl LifeMove {
    fn stamp(&self, stamp: Stamp) -> Stamp {
        match stamp.replica == self.from && stamp.lamport > self.mark {
            true => Stamp { replica: self.to, ..stamp },
            false => stamp,
        }
    }

    /// What a state has seen, once its stamps have moved.
    pub fn context(&self, context: &Context) -> Context {
        let mut moved = context.clone();
        if context.lamport(&self.from) > self.mark {
            moved.set(self.to, context.lamport(&self.from));
            moved.set(self.from, self.mark);
        }
        moved
    }

    /// A node with the stamps that are in it moved.
    pub fn node(&self, node: &Node) -> Node {
        Node {
            kind: node.kind,
            places: self.versions(&node.places, |place| match place.clone() {
                Place::Gone { parent, name, covers } => {
                    let mut covers: Vec<Stamp> = covers.into_iter().map(|it| self.stamp(it)).collect();
                    covers.sort_unstable();
                    Place::Gone { parent, name, covers }
                }
                at => at,
            }),
            attr: self.versions(&node.attr, Clone::clone),
            data: self.versions(&node.data, Clone::clone),
        }
    }

    fn versions<T>(&self, versions: &Versions<T>, value: impl Fn(&T) -> T) -> Versions<T> {
        versions.iter().map(|(stamp, it)| (self.stamp(stamp), value(it))).collect()
    }
}

/// The record a device has of itself when it is listed.
pub(super) fn first_record(name: &str, device: &[u8; 32]) -> DeviceRecord {
    let replica = Identity { device: *device, epoch: 0 }.replica();
    DeviceRecord { name: name.to_owned(), public: *device, replicas: vec![replica], revoked: false }
}
