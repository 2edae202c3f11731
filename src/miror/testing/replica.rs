//! A replica in memory, stricter than a real one: it refuses to merge what is not all there, and forgets at a
//! crash what was not made durable.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use parking_lot::Mutex;

use super::state::{
    Commit, Content, Context, Entries, TrieObject, Versions, contains, join, name, nibble, plant, union,
};
use crate::crypto::{DevicePublic, EpochId, ObjectHeader, ObjectId, ObjectKind, SealedObject};
use crate::miror::claims::Claims;
use crate::miror::limits;
use crate::miror::message::{Offered, Seen, Stage, Tip};
use crate::miror::replica::{Announcement, Meeting, Presence, Reference, Replica, ReplicaError, SessionKeys};
use crate::miror::session_log::{LogId, Recalled, Record, Role};
use crate::vault::{Absent, Rank};

#[derive(Clone, Debug)]
struct Object {
    kind: ObjectKind,
    bytes: Vec<u8>,
    provisional: bool,
    durable: bool,
}

/// Versions by key and stamp, with their bytes as far as they are here.
pub type Contents = BTreeMap<(u32, (u64, u8)), Option<Vec<u8>>>;

/// A replica in memory.
#[derive(Debug)]
pub struct MemoryReplica(Mutex<Inner>, Claims);

#[derive(Debug)]
struct Inner {
    number: u8,
    objects: BTreeMap<ObjectId, Object>,
    head: ObjectId,
    history: Vec<ObjectId>,
    generation: u64,
    entries: Entries,
    context: Context,
    resent: u64,
    ranks: BTreeMap<u32, Rank>,
    logs: BTreeMap<(DevicePublic, LogId), Vec<Record>>,
    logged: u64,
}

impl MemoryReplica {
    /// An empty replica. Replicas of one vault have different numbers.
    pub fn new(number: u8) -> Self {
        let mut inner = Inner {
            number,
            objects: BTreeMap::new(),
            head: ObjectId([0; 32]),
            history: Vec::new(),
            generation: 0,
            entries: Entries::new(),
            context: Context::new(),
            resent: 0,
            ranks: BTreeMap::new(),
            logs: BTreeMap::new(),
            logged: 0,
        };
        inner.commit(Vec::new());
        MemoryReplica(Mutex::new(inner), Claims::default())
    }

    /// Writes a content in place of all versions of `key` that are here, as chunks of these bytes. Gives the
    /// stamp, and the stamps it replaced.
    pub fn write(&self, key: u32, chunks: &[Vec<u8>]) -> ((u64, u8), Vec<(u64, u8)>) {
        let mut inner = self.0.lock();
        let stamp = (1 + inner.context.values().max().copied().unwrap_or_default(), inner.number);
        let mut ids: Vec<_> =
            chunks.iter().map(|bytes| inner.save(ObjectKind::Chunk, bytes.clone())).collect();
        let content = match (ids.pop(), ids.is_empty()) {
            (Some(only), true) => Content::Chunk(only),
            (last, _) => {
                ids.extend(last);
                let bytes = postcard::to_stdvec(&ids).unwrap_or_default();
                Content::List(inner.save(ObjectKind::List, bytes))
            }
        };
        let versions = Versions::from([(stamp, content)]);
        let replaced = inner.entries.insert(key, versions).unwrap_or_default();
        let number = inner.number;
        inner.context.insert(number, stamp.0);
        let parent = inner.head;
        inner.commit(vec![parent]);
        (stamp, replaced.into_iter().map(|(stamp, _)| stamp).collect())
    }

    /// Content of `key` is asked for first, or last; of other keys, from now on, in turn.
    pub fn set_rank(&self, key: u32, rank: Rank) {
        self.0.lock().ranks.insert(key, rank);
    }

    /// Power fails: what was not durable is gone.
    pub fn crash(&self) {
        self.1.forget();
        self.0.lock().objects.retain(|_, object| object.durable);
    }

    /// Records logged so far.
    pub fn logged(&self) -> u64 {
        self.0.lock().logged
    }

    /// The bytes of all contents are gone.
    pub fn lose_chunks(&self) {
        self.0.lock().objects.retain(|_, object| object.kind != ObjectKind::Chunk);
    }

    /// The logs lose their last record, as if it was torn.
    pub fn tear_logs(&self) {
        self.0.lock().logs.values_mut().for_each(|log| drop(log.pop()));
    }

    /// The logs are lost.
    pub fn lose_logs(&self) {
        self.0.lock().logs.clear();
    }

    /// Objects received although they were here, durable.
    pub fn resent(&self) -> u64 {
        self.0.lock().resent
    }

    /// Every version of every key with its bytes; None where content is missing.
    pub fn contents(&self) -> Contents {
        let inner = self.0.lock();
        let mut all = BTreeMap::new();
        for (key, versions) in &inner.entries {
            for (stamp, content) in versions {
                all.insert((*key, *stamp), inner.read(content));
            }
        }
        all
    }

    /// The context, by replica number.
    pub fn context(&self) -> BTreeMap<u8, u64> {
        self.0.lock().context.clone()
    }
}

impl Inner {
    fn save(&mut self, kind: ObjectKind, bytes: Vec<u8>) -> ObjectId {
        let id = name(kind, &bytes);
        let object =
            self.objects.entry(id).or_insert(Object { kind, bytes, provisional: false, durable: true });
        object.durable = true;
        object.provisional = false;
        id
    }

    fn commit(&mut self, parents: Vec<ObjectId>) {
        let entries = std::mem::take(&mut self.entries);
        let root = plant(&entries, &mut |kind, bytes| self.save(kind, bytes));
        let count = entries.len() as u64;
        self.entries = entries;
        let commit = Commit { root, count, context: self.context.clone(), parents };
        let id = self.save(ObjectKind::Commit, postcard::to_stdvec(&commit).unwrap_or_default());
        self.lead(id);
    }

    fn lead(&mut self, head: ObjectId) {
        for object in self.objects.values_mut() {
            object.durable = true;
        }
        self.head = head;
        self.history.push(head);
        self.generation += 1;
    }

    fn load_commit(&self, id: &ObjectId) -> Option<Commit> {
        let object = self.objects.get(id).filter(|object| object.kind == ObjectKind::Commit)?;
        postcard::from_bytes(&object.bytes).ok()
    }

    fn chunks(&self, content: &Content) -> Option<Vec<ObjectId>> {
        match content {
            Content::Chunk(id) => Some(vec![*id]),
            Content::List(id) => postcard::from_bytes(&self.objects.get(id)?.bytes).ok(),
        }
    }

    fn read(&self, content: &Content) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        for id in self.chunks(content)? {
            bytes.extend_from_slice(&self.objects.get(&id)?.bytes);
        }
        Some(bytes)
    }

    /// All entries below a root; None if an object is missing, lists included.
    fn gather(&self, root: Option<ObjectId>, all: &mut Entries) -> Option<()> {
        let Some(root) = root else { return Some(()) };
        match postcard::from_bytes(&self.objects.get(&root)?.bytes).ok()? {
            TrieObject::Leaf(list) => {
                for (key, versions) in list {
                    for (_, content) in &versions {
                        self.chunks(content)?;
                    }
                    all.insert(key, versions.into_iter().collect());
                }
            }
            TrieObject::Branch { children, .. } => {
                for (_, child) in children {
                    self.gather(Some(child), all)?;
                }
            }
        }
        Some(())
    }

    /// The objects of a commit, children first, each once.
    fn closure(&self, commit: &ObjectId) -> Option<Vec<(ObjectId, ObjectKind)>> {
        let mut list = Vec::new();
        let mut seen = HashSet::new();
        let root = self.load_commit(commit)?.root;
        if let Some(root) = root {
            self.below(root, &mut seen, &mut list)?;
        }
        list.push((*commit, ObjectKind::Commit));
        Some(list)
    }

    fn below(
        &self,
        id: ObjectId,
        seen: &mut HashSet<ObjectId>,
        list: &mut Vec<(ObjectId, ObjectKind)>,
    ) -> Option<()> {
        if !seen.insert(id) {
            return Some(());
        }
        match postcard::from_bytes(&self.objects.get(&id)?.bytes).ok()? {
            TrieObject::Branch { children, .. } => {
                for (_, child) in children {
                    self.below(child, seen, list)?;
                }
            }
            TrieObject::Leaf(entries) => {
                for (_, content) in entries.iter().flat_map(|(_, versions)| versions) {
                    for chunk in self.chunks(content)? {
                        if seen.insert(chunk) {
                            list.push((chunk, ObjectKind::Chunk));
                        }
                    }
                    if let Content::List(id) = content
                        && seen.insert(*id)
                    {
                        list.push((*id, ObjectKind::List));
                    }
                }
            }
        }
        list.push((id, ObjectKind::Trie));
        Some(())
    }

    fn held(&self, id: &ObjectId) -> bool {
        self.objects.get(id).is_some_and(|object| !object.provisional)
    }

    fn announce(&self) -> Announcement {
        let commit = self.load_commit(&self.head);
        let (root, count) = commit.map_or((None, 0), |commit| (commit.root, commit.count));
        let seen = |(replica, lamport): (&u8, &u64)| Seen { replica: [*replica; 8], lamport: *lamport };
        Announcement {
            tip: Tip { commit: self.head, root, count },
            generation: self.generation,
            replica: [self.number; 8],
            context: self.context.iter().map(seen).collect(),
            recent: self.history.iter().rev().skip(1).take(8).copied().collect(),
        }
    }

    /// What is below a provisional object, checked against its place.
    fn children(&self, reference: &Reference, object: &Object) -> Result<Vec<Reference>, ReplicaError> {
        let trie = |id, place| Reference { id, kind: ObjectKind::Trie, place };
        let bad = |why: &str| reject(&reference.id, why);
        match object.kind {
            ObjectKind::Commit => {
                let commit = self.load_commit(&reference.id).ok_or_else(|| bad("no commit"))?;
                Ok(commit.root.map(|id| trie(id, vec![255])).into_iter().collect())
            }
            ObjectKind::Trie => {
                let path = reference.place.strip_prefix(&[255]).unwrap_or_default();
                match postcard::from_bytes(&object.bytes).map_err(|_| bad("no trie object"))? {
                    TrieObject::Branch { depth, children } => {
                        if usize::from(depth) != path.len() && !reference.place.is_empty() {
                            return Err(bad("branch at the wrong depth"));
                        }
                        let child = |(digit, id)| trie(id, [&[255], path, &[digit]].concat());
                        Ok(children.into_iter().map(child).collect())
                    }
                    TrieObject::Leaf(list) => Ok(list
                        .iter()
                        .map(|(key, versions)| {
                            let fits = path.iter().zip(0..).all(|(n, depth)| nibble(*key, depth) == *n);
                            fits.then_some(versions).ok_or_else(|| bad("entry in the wrong leaf"))
                        })
                        .collect::<Result<Vec<_>, _>>()?
                        .into_iter()
                        .flatten()
                        .filter_map(|(_, content)| match content {
                            Content::List(id) => {
                                Some(Reference { id: *id, kind: ObjectKind::List, place: Vec::new() })
                            }
                            Content::Chunk(_) => None,
                        })
                        .collect()),
                }
            }
            _ => Ok(Vec::new()),
        }
    }
}

fn reject(id: &ObjectId, why: &str) -> ReplicaError {
    ReplicaError::Rejected { what: format!("object {id}"), why: why.to_owned() }
}

fn shape(kind: ObjectKind, bytes: &[u8]) -> bool {
    match kind {
        ObjectKind::Trie => match postcard::from_bytes(bytes) {
            Ok(TrieObject::Leaf(list)) => list.is_sorted_by(|a, b| a.0 < b.0),
            Ok(TrieObject::Branch { children, .. }) => children.is_sorted_by(|a, b| a.0 < b.0),
            Err(_) => false,
        },
        ObjectKind::List => postcard::from_bytes::<Vec<ObjectId>>(bytes).is_ok(),
        ObjectKind::Commit => postcard::from_bytes::<Commit>(bytes).is_ok(),
        _ => true,
    }
}

impl Replica for MemoryReplica {
    fn announce(&self) -> Result<Announcement, ReplicaError> {
        Ok(self.0.lock().announce())
    }

    fn meet(&self, _: &DevicePublic, _: &[Seen], commits: &[ObjectId]) -> Result<Meeting, ReplicaError> {
        let inner = self.0.lock();
        let merged = commits.first().and_then(|tip| inner.load_commit(tip));
        Ok(Meeting {
            ours: inner.announce(),
            common: commits.iter().find(|id| inner.held(id)).copied(),
            merged: merged.is_some_and(|commit| contains(&inner.context, &commit.context)),
        })
    }

    fn difference(
        &self,
        base: &ObjectId,
        head: &ObjectId,
        limit: usize,
    ) -> Result<Option<Vec<Offered>>, ReplicaError> {
        let inner = self.0.lock();
        if !inner.held(base) {
            return Ok(None);
        }
        let Some(old) = inner.closure(base) else { return Ok(None) };
        let old: BTreeSet<_> = old.into_iter().collect();
        let Some(new) = inner.closure(head) else { return Ok(None) };
        let offered = |(id, kind): (ObjectId, ObjectKind)| {
            let len = inner.objects.get(&id).map_or(0, |object| object.bytes.len() as u32);
            Offered { id, kind, len }
        };
        let list: Vec<_> = new.into_iter().filter(|entry| !old.contains(entry)).map(offered).collect();
        Ok((list.len() <= limit).then_some(list))
    }

    fn load(&self, id: &ObjectId, _: &SessionKeys) -> Result<Option<SealedObject>, ReplicaError> {
        let inner = self.0.lock();
        Ok(inner.objects.get(id).map(|object| SealedObject {
            header: ObjectHeader {
                kind: object.kind,
                flags: 0,
                epoch: EpochId { counter: 1, id: [0; 8] },
                plain_len: object.bytes.len() as u32,
                id: *id,
                wrapped: [0; 40],
            },
            body: object.bytes.clone(),
        }))
    }

    fn examine(&self, references: &[Reference]) -> Result<Vec<Presence>, ReplicaError> {
        let inner = self.0.lock();
        let look = |reference: &Reference| match inner.objects.get(&reference.id) {
            None if reference.kind == ObjectKind::Chunk && !inner.ranks.is_empty() => Ok(Presence::InTurn),
            None => Ok(Presence::Absent),
            Some(object) if object.kind != reference.kind => Err(reject(&reference.id, "wrong kind")),
            Some(object) if object.provisional => Ok(Presence::Present(inner.children(reference, object)?)),
            Some(_) => Ok(Presence::Held),
        };
        references.iter().map(look).collect()
    }

    fn store(&self, objects: Vec<SealedObject>, _: &SessionKeys) -> Result<(), ReplicaError> {
        let mut inner = self.0.lock();
        for SealedObject { header, body } in objects {
            if name(header.kind, &body) != header.id {
                return Err(reject(&header.id, "bytes do not match the id"));
            }
            if !shape(header.kind, &body) {
                return Err(reject(&header.id, "not canonical"));
            }
            if inner.objects.get(&header.id).is_some_and(|object| object.durable) {
                inner.resent += 1;
            }
            let provisional = header.kind != ObjectKind::Chunk;
            let object = Object { kind: header.kind, bytes: body, provisional, durable: false };
            inner.objects.entry(header.id).or_insert(object);
        }
        Ok(())
    }

    fn sync(&self) -> Result<(), ReplicaError> {
        for object in self.0.lock().objects.values_mut() {
            object.durable = true;
        }
        Ok(())
    }

    fn merge(
        &self,
        _: &DevicePublic,
        head: &ObjectId,
        settled: &[ObjectId],
    ) -> Result<Announcement, ReplicaError> {
        let mut inner = self.0.lock();
        let hole = || ReplicaError::Store("merge of a state with holes".into());
        let commit = inner.load_commit(head).ok_or_else(hole)?;
        let mut theirs = Entries::new();
        inner.gather(commit.root, &mut theirs).ok_or_else(hole)?;
        for id in settled {
            if let Some(object) = inner.objects.get_mut(id) {
                object.provisional = false;
            }
        }
        if contains(&inner.context, &commit.context) {
            let head = inner.head;
            inner.generation -= 1;
            inner.history.pop();
            inner.lead(head);
        } else if contains(&commit.context, &inner.context) {
            inner.entries = theirs;
            inner.context = commit.context;
            inner.lead(*head);
        } else {
            inner.entries = join(&inner.entries, &inner.context, &theirs, &commit.context);
            inner.context = union(&inner.context, &commit.context);
            let mut parents = vec![inner.head, *head];
            parents.sort_unstable();
            inner.commit(parents);
        }
        Ok(inner.announce())
    }

    fn missing(&self, after: Option<&Absent>, limit: usize) -> Result<Vec<Absent>, ReplicaError> {
        let inner = self.0.lock();
        let mut ranks: BTreeMap<ObjectId, Rank> = BTreeMap::new();
        for (key, versions) in &inner.entries {
            let rank = inner.ranks.get(key).copied().unwrap_or_default();
            for id in versions.iter().filter_map(|(_, content)| inner.chunks(content)).flatten() {
                let known = ranks.entry(id).or_insert(rank);
                *known = rank.min(*known);
            }
        }
        let missing = ranks.into_iter().filter(|(id, _)| !inner.objects.contains_key(id));
        let all: BTreeSet<_> = missing.map(|(id, rank)| Absent { rank, len: 0, id }).collect();
        Ok(all.into_iter().filter(|one| after.is_none_or(|after| one > after)).take(limit).collect())
    }

    fn claims(&self) -> &Claims {
        &self.1
    }

    fn note_shared(&self, _: &DevicePublic, _: &Tip) -> Result<(), ReplicaError> {
        Ok(())
    }

    fn log(&self, peer: &DevicePublic, entries: &[(LogId, Record)]) {
        let mut inner = self.0.lock();
        for (id, record) in entries {
            inner.logged += 1;
            match record {
                Record::Hello { .. } => drop(inner.logs.insert((*peer, *id), vec![record.clone()])),
                Record::Complete(Stage::All) => drop(inner.logs.remove(&(*peer, *id))),
                _ => {
                    if let Some(log) = inner.logs.get_mut(&(*peer, *id)) {
                        log.push(record.clone());
                    }
                }
            }
        }
    }

    fn resumable(&self, _: Option<&DevicePublic>) -> Vec<[u8; 32]> {
        let inner = self.0.lock();
        let receives = inner.logs.iter().filter(|((_, id), log)| {
            id.role == Role::Receives && Recalled::replay(log.iter().cloned()).is_some()
        });
        receives.map(|((_, id), _)| id.offer).take(limits::NAMED).collect()
    }

    fn recall(&self, peer: &DevicePublic, id: &LogId) -> Option<Recalled> {
        let inner = self.0.lock();
        inner.logs.get(&(*peer, *id)).and_then(|log| Recalled::replay(log.iter().cloned()))
    }
}
