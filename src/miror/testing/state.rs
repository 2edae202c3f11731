//! The model of a vault's state: keys to sets of versions, held in a radix-16 trie of objects.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::crypto::{ObjectId, ObjectKind};

/// Entries of a leaf at most; small, so that little data makes a deep trie.
pub(super) const LEAF: usize = 4;

pub(super) type Stamp = (u64, u8);
pub(super) type Context = BTreeMap<u8, u64>;

/// What a version holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) enum Content {
    Chunk(ObjectId),
    List(ObjectId),
}

pub(super) type Versions = BTreeSet<(Stamp, Content)>;
pub(super) type Entries = BTreeMap<u32, Versions>;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum TrieObject {
    Leaf(Vec<(u32, Vec<(Stamp, Content)>)>),
    Branch { depth: u8, children: Vec<(u8, ObjectId)> },
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Commit {
    pub(super) root: Option<ObjectId>,
    pub(super) count: u64,
    pub(super) context: Context,
    pub(super) parents: Vec<ObjectId>,
}

/// The id of an object: the model needs no key.
pub fn name(kind: ObjectKind, bytes: &[u8]) -> ObjectId {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&[kind.number()]).update(bytes);
    ObjectId(*hasher.finalize().as_bytes())
}

pub(super) fn nibble(key: u32, depth: u8) -> u8 {
    (key.rotate_left(4 * (u32::from(depth) + 1)) & 15) as u8
}

/// The trie of `entries`: calls `save` for each object, children first; gives the root.
pub(super) fn plant(
    entries: &Entries,
    save: &mut dyn FnMut(ObjectKind, Vec<u8>) -> ObjectId,
) -> Option<ObjectId> {
    let list: Vec<_> = entries.iter().map(|(key, versions)| (*key, versions)).collect();
    (!list.is_empty()).then(|| grow(&list, 0, save))
}

fn grow(
    entries: &[(u32, &Versions)],
    depth: u8,
    save: &mut dyn FnMut(ObjectKind, Vec<u8>) -> ObjectId,
) -> ObjectId {
    let object = if entries.len() <= LEAF {
        let list = entries.iter().map(|(key, versions)| (*key, versions.iter().copied().collect()));
        TrieObject::Leaf(list.collect())
    } else {
        let mut children = Vec::new();
        for digit in 0..16 {
            let below: Vec<_> =
                entries.iter().filter(|(key, _)| nibble(*key, depth) == digit).copied().collect();
            if !below.is_empty() {
                children.push((digit, grow(&below, depth + 1, save)));
            }
        }
        TrieObject::Branch { depth, children }
    };
    save(ObjectKind::Trie, postcard::to_stdvec(&object).unwrap_or_default())
}

/// The join of two states.
pub(super) fn join(a: &Entries, ca: &Context, b: &Entries, cb: &Context) -> Entries {
    let seen = |context: &Context, stamp: &Stamp| context.get(&stamp.1).is_some_and(|l| *l >= stamp.0);
    let none = Versions::new();
    let keys: BTreeSet<u32> = a.keys().chain(b.keys()).copied().collect();
    let joined = keys.into_iter().map(|key| {
        let (va, vb) = (a.get(&key).unwrap_or(&none), b.get(&key).unwrap_or(&none));
        let from_a = va.iter().filter(|v| vb.contains(v) || !seen(cb, &v.0));
        let from_b = vb.iter().filter(|v| va.contains(v) || !seen(ca, &v.0));
        (key, from_a.chain(from_b).copied().collect::<Versions>())
    });
    joined.filter(|(_, versions)| !versions.is_empty()).collect()
}

pub(super) fn union(a: &Context, b: &Context) -> Context {
    let mut sum = a.clone();
    for (replica, lamport) in b {
        let entry = sum.entry(*replica).or_default();
        *entry = (*entry).max(*lamport);
    }
    sum
}

pub(super) fn contains(a: &Context, b: &Context) -> bool {
    b.iter().all(|(replica, lamport)| a.get(replica).is_some_and(|have| have >= lamport))
}
