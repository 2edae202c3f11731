//! A vault as a replica: what a session asks, answered from the store and the merge.

mod difference;
mod provisional;

use std::sync::Arc;

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use super::claims::Claims;
use super::limits;
use super::message::{Offered, Seen, Tip};
use super::replica::{Announcement, Meeting, Presence, Reference, Replica, ReplicaError, SessionKeys};
use super::session_log::{LogId, Recalled, Record, SessionLogs};
use crate::crypto::{
    CryptoError, DevicePublic, Keyring, ObjectId, ObjectKind, SealedObject, open_verified,
    rewrap_for_session, rewrap_from_session,
};
use crate::merge::merge_commit;
use crate::store::disk::Disk;
use crate::store::{Store, StoreError};
use crate::trie::{Child, Inspected, Malformed, Prefix, inspect, inspect_anywhere};
use crate::vault::contents::inspect_list;
use crate::vault::{Absent, Commit, CommitId, Context, Fold, Head, NodeCodec, ReplicaId, Vault, VaultError};
use provisional::Provisional;

/// A vault as a replica.
pub struct VaultReplica {
    vault: Arc<Vault>,
    provisional: Provisional,
    announced: Mutex<Option<Announcement>>,
    logs: SessionLogs,
    claims: Claims,
    /// Room to open in what arrives.
    scratch: Mutex<Vec<u8>>,
}

/// Where a trie object belongs, as [`Reference::place`] carries it.
#[derive(Serialize, Deserialize)]
struct TriePlace {
    count: u64,
    key: [u8; 16],
    depth: u8,
}

impl VaultReplica {
    /// Of an open vault whose store is on `disk`.
    pub fn new(vault: Arc<Vault>, disk: Arc<dyn Disk>) -> Self {
        let provisional = Provisional::read(vault.store());
        let logs = SessionLogs::open(disk, &vault.store().keyring(), vault.ambient().clone());
        VaultReplica {
            vault,
            provisional,
            announced: Mutex::new(None),
            logs,
            claims: Claims::default(),
            scratch: Mutex::default(),
        }
    }

    fn store(&self) -> &Store {
        self.vault.store()
    }

    fn is_held(&self, id: &ObjectId) -> Result<bool, ReplicaError> {
        Ok(self.store().contains(id).map_err(store_error)? && !self.provisional.holds(id))
    }

    /// The head, as an announcement; the generation rises with each that differs.
    fn announcement(&self, head: &Head) -> Result<Announcement, ReplicaError> {
        let mut announced = self.announced.lock();
        let replica = self.vault.replica().0;
        if let Some(last) = announced.as_ref()
            && last.tip.commit == head.commit.0
            && last.replica == replica
        {
            return Ok(last.clone());
        }
        let tip = Tip { commit: head.commit.0, root: head.root, count: head.count };
        let generation = announced.as_ref().map_or(1, |last| last.generation + 1);
        let context = match head.context.len() <= limits::CONTEXT {
            true => head.context.iter().map(seen).collect(),
            false => Vec::new(),
        };
        let announcement = Announcement { tip, generation, replica, context, recent: self.recent(head)? };
        *announced = Some(announcement.clone());
        Ok(announcement)
    }

    /// If a peer's state is all in ours, remembers that we know it; whether it is.
    fn note_known(&self, peer: &DevicePublic, state: CommitId) -> Result<bool, ReplicaError> {
        let commit = self.vault.load_commit(&state).map_err(vault_error)?;
        let known = self.vault.head().context.contains(&commit.context);
        if known {
            self.vault.publishing().note_merged(Some((*peer, state))).map_err(vault_error)?;
        }
        Ok(known)
    }

    /// The state of a peer that was merged here last, if the peer still has all of it: what both have when neither
    /// names a commit that the other knows, after long work on both sides.
    fn merged_before(&self, peer: &DevicePublic, theirs: &Context) -> Result<Option<ObjectId>, ReplicaError> {
        let Some(state) = self.vault.merged_from(peer).map_err(vault_error)? else { return Ok(None) };
        if !self.is_held(&state.0)? {
            return Ok(None);
        }
        let commit = self.vault.load_commit(&state).map_err(vault_error)?;
        Ok(theirs.contains(&commit.context).then_some(state.0))
    }

    fn recent(&self, head: &Head) -> Result<Vec<ObjectId>, ReplicaError> {
        let commits = self.vault.commits_recent(limits::RECENT + 1).map_err(vault_error)?;
        let others = commits.into_iter().map(|(id, _)| id.0).filter(|id| *id != head.commit.0);
        Ok(others.filter(|id| !self.provisional.holds(id)).take(limits::RECENT).collect())
    }

    /// Takes an object off the wire: wrapped for this vault, and what it claims to be.
    fn verified(
        &self,
        keyring: &Keyring,
        object: SealedObject,
        keys: &SessionKeys,
        scratch: &mut Vec<u8>,
    ) -> Result<SealedObject, ReplicaError> {
        let id = object.header.id;
        let bad = |error: CryptoError| rejected(&id, &error.to_string());
        object.header.check().map_err(bad)?;
        let header = rewrap_from_session(keyring.current(), &object.header, &keys.incoming).map_err(bad)?;
        let sealed = SealedObject { header, body: object.body };
        let plain = open_verified(keyring, &sealed, scratch).map_err(bad)?;
        match sealed.header.kind {
            ObjectKind::Chunk | ObjectKind::Trie => {}
            ObjectKind::List => drop(inspect_list(None, plain).map_err(|e| rejected(&id, &e.to_string()))?),
            ObjectKind::Commit => drop(Commit::decode(plain).map_err(|e| rejected(&id, &e.to_string()))?),
            ObjectKind::Local => return Err(rejected(&id, "local state is not for others")),
        }
        Ok(sealed)
    }

    /// The structure below a provisional object, which must fit its place.
    fn children(&self, reference: &Reference) -> Result<Vec<Reference>, ReplicaError> {
        let bytes = self.store().fetch(&reference.id).map_err(store_error)?;
        let bad = |error: &dyn std::fmt::Display| rejected(&reference.id, &error.to_string());
        match reference.kind {
            ObjectKind::Commit => {
                let commit = Commit::decode(&bytes).map_err(|error| bad(&error))?;
                let root = Child::root(&commit.trie());
                // States that were merged into this one, if the offer brought them.
                let sides = commit.parents.iter().filter(|side| self.provisional.holds(&side.0));
                let sides =
                    sides.map(|side| Reference { id: side.0, kind: ObjectKind::Commit, place: Vec::new() });
                Ok(root.iter().map(trie_reference).chain(sides).collect())
            }
            ObjectKind::Trie => {
                let inspected = inspect_in_place(reference, &bytes).map_err(|error| bad(&error))?;
                let lists = inspected.references.iter().filter(|(_, kind)| *kind == ObjectKind::List);
                let lists = lists.map(|(id, kind)| Reference { id: *id, kind: *kind, place: Vec::new() });
                Ok(inspected.children.iter().map(trie_reference).chain(lists).collect())
            }
            ObjectKind::List => {
                let level = reference.place.first().copied();
                let listed = inspect_list(level, &bytes).map_err(|error| bad(&error))?;
                let lists = listed.into_iter().filter(|below| below.kind == ObjectKind::List);
                Ok(lists
                    .map(|below| Reference { id: below.id, kind: below.kind, place: vec![below.level] })
                    .collect())
            }
            ObjectKind::Chunk | ObjectKind::Local => Ok(Vec::new()),
        }
    }

    fn presence(&self, reference: &Reference) -> Result<Presence, ReplicaError> {
        let Some(header) = self.store().header(&reference.id).map_err(store_error)? else {
            let in_turn = reference.kind == ObjectKind::Chunk && self.vault.has_priorities();
            return Ok(if in_turn { Presence::InTurn } else { Presence::Absent });
        };
        if header.kind != reference.kind {
            return Err(rejected(&reference.id, "is of another kind than its parent says"));
        }
        match self.provisional.holds(&reference.id) {
            true => Ok(Presence::Present(self.children(reference)?)),
            false => Ok(Presence::Held),
        }
    }
}

impl Replica for VaultReplica {
    fn gather(&self) -> Result<(), ReplicaError> {
        self.vault.fold_and_commit(Fold::Ready).map(drop).map_err(vault_error)
    }

    fn introduce(&self) -> Result<Announcement, ReplicaError> {
        self.announcement(&self.vault.head())
    }

    fn announce(&self) -> Result<Announcement, ReplicaError> {
        let head = self.vault.offer().map_err(vault_error)?;
        self.announcement(&head)
    }

    fn meet(
        &self,
        peer: &DevicePublic,
        context: &[Seen],
        commits: &[ObjectId],
    ) -> Result<Meeting, ReplicaError> {
        let mut theirs = Context::new();
        for seen in context {
            theirs.set(ReplicaId(seen.replica), seen.lamport);
        }
        self.vault.publishing().meet_other_life(&theirs).map_err(vault_error)?;
        let ours = self.announce()?;
        let mut common = None;
        for id in commits {
            if self.is_held(id)? {
                common = Some(*id);
                break;
            }
        }
        let tip = commits.first().filter(|tip| common.as_ref() == Some(tip));
        let merged = match tip {
            Some(tip) => self.note_known(peer, CommitId(*tip))?,
            None => false,
        };
        let common = match common {
            Some(common) => Some(common),
            None => self.merged_before(peer, &theirs)?,
        };
        Ok(Meeting { ours, common, merged })
    }

    fn difference(
        &self,
        base: &ObjectId,
        head: &ObjectId,
        limit: usize,
    ) -> Result<Option<Vec<Offered>>, ReplicaError> {
        if !self.is_held(base)? {
            return Ok(None);
        }
        difference::between(&self.vault, base, head, limit)
    }

    fn load(&self, id: &ObjectId, keys: &SessionKeys) -> Result<Option<SealedObject>, ReplicaError> {
        let sealed = match self.store().sealed(id) {
            Ok(sealed) if sealed.header.kind != ObjectKind::Local => sealed,
            Ok(_) | Err(StoreError::Missing(_) | StoreError::Damaged(_)) => return Ok(None),
            Err(error) => return Err(store_error(error)),
        };
        let wrapped = rewrap_for_session(&self.store().keyring(), &sealed.header, &keys.outgoing);
        let wrapped = wrapped.map_err(|error| ReplicaError::Store(error.to_string()))?;
        let SealedObject { mut header, body } = sealed;
        header.wrapped = wrapped;
        Ok(Some(SealedObject { header, body }))
    }

    fn examine(&self, references: &[Reference]) -> Result<Vec<Presence>, ReplicaError> {
        references.iter().map(|reference| self.presence(reference)).collect()
    }

    fn store(&self, objects: Vec<SealedObject>, keys: &SessionKeys) -> Result<(), ReplicaError> {
        let keyring = self.store().keyring();
        let mut arrived = Vec::new();
        let mut failed = None;
        // Whoever stores at the same time has room of its own.
        let mut scratch = std::mem::take(&mut *self.scratch.lock());
        for object in objects {
            let id = object.header.id;
            let stored = self.verified(&keyring, object, keys, &mut scratch).and_then(|sealed| {
                if sealed.header.kind != ObjectKind::Chunk
                    && !self.store().contains(&id).map_err(store_error)?
                {
                    self.provisional.mark(self.store(), &id).map_err(store_error)?;
                }
                self.store().put_sealed(&sealed).map_err(store_error)
            });
            match stored {
                Ok(id) => arrived.push(id),
                Err(error) => {
                    failed = Some(error);
                    break;
                }
            }
        }
        *self.scratch.lock() = scratch;
        self.vault.arrived(&arrived).map_err(vault_error)?;
        failed.map_or(Ok(()), Err)
    }

    fn sync(&self) -> Result<(), ReplicaError> {
        self.store().sync_log(self.store().position()).map_err(store_error)
    }

    fn merge(
        &self,
        peer: &DevicePublic,
        head: &ObjectId,
        settled: &[ObjectId],
    ) -> Result<Announcement, ReplicaError> {
        merge_commit(&self.vault, Some(*peer), CommitId(*head)).map_err(vault_error)?;
        self.provisional.settle(self.store(), settled).map_err(store_error)?;
        self.sync()?;
        self.announce()
    }

    fn missing(&self, after: Option<&Absent>, limit: usize) -> Result<Vec<Absent>, ReplicaError> {
        Ok(self.vault.missing(after, limit))
    }

    fn claims(&self) -> &Claims {
        &self.claims
    }

    fn note_shared(&self, peer: &DevicePublic, tip: &Tip) -> Result<(), ReplicaError> {
        self.note_known(peer, CommitId(tip.commit)).map(drop)
    }

    fn log(&self, peer: &DevicePublic, entries: &[(LogId, Record)]) {
        let keyring = self.store().keyring();
        for (id, record) in entries {
            if let Err(error) = self.logs.append(peer, id, record, &keyring) {
                tracing::debug!(%error, "the log of a transfer is given up");
            }
        }
    }

    fn resumable(&self, peer: Option<&DevicePublic>) -> Vec<[u8; 32]> {
        self.logs.resumable(peer)
    }

    fn recall(&self, peer: &DevicePublic, id: &LogId) -> Option<Recalled> {
        self.logs.recall(peer, id).unwrap_or_default()
    }
}

fn seen((replica, lamport): (ReplicaId, u64)) -> Seen {
    Seen { replica: replica.0, lamport }
}

fn trie_reference(child: &Child) -> Reference {
    let place = TriePlace { count: child.count, key: child.prefix.first_key(), depth: child.prefix.len() };
    let place = postcard::to_stdvec(&place).unwrap_or_default();
    Reference { id: child.id, kind: ObjectKind::Trie, place }
}

/// What a trie object names. On an offer it comes without its place; in a walk its parent tells it.
fn inspect_in_place(reference: &Reference, bytes: &[u8]) -> Result<Inspected, Malformed> {
    if reference.place.is_empty() {
        return inspect_anywhere::<NodeCodec>(bytes);
    }
    let place: TriePlace = postcard::from_bytes(&reference.place).map_err(|_| Malformed("place"))?;
    let prefix = Prefix::of(&place.key, place.depth);
    inspect::<NodeCodec>(&Child { id: reference.id, count: place.count, prefix }, bytes)
}

fn rejected(id: &ObjectId, why: &str) -> ReplicaError {
    ReplicaError::Rejected { what: format!("object {id}"), why: why.to_owned() }
}

fn store_error(error: StoreError) -> ReplicaError {
    match error {
        StoreError::Full => ReplicaError::Full,
        error => ReplicaError::Store(error.to_string()),
    }
}

fn vault_error(error: VaultError) -> ReplicaError {
    match error {
        VaultError::Full => ReplicaError::Full,
        VaultError::Refused(why) => {
            ReplicaError::Rejected { what: "a state".to_owned(), why: why.to_owned() }
        }
        error => ReplicaError::Store(error.to_string()),
    }
}

/// Hands `bytes` to all that decodes here.
#[cfg(any(test, feature = "testing"))]
pub(super) fn feed(bytes: &[u8]) {
    let (place, object) = bytes.split_at(bytes.len().min(32));
    let reference = Reference { id: ObjectId([0; 32]), kind: ObjectKind::Trie, place: place.to_vec() };
    let _ = inspect_in_place(&reference, object);
}
