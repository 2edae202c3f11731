//! What was lately decoded from objects, kept for a while within a bound.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

use parking_lot::Mutex;

use crate::crypto::ObjectId;

/// A cache by object id, bounded in bytes, in two generations: what is asked for moves to the young one; when
/// that is full it becomes the old one and what was old is dropped. Nearly as good as exact recency, at the
/// price of one map access.
pub(crate) struct Recent<T> {
    generations: Mutex<Generations<T>>,
    /// Bytes that each generation may hold.
    limit: usize,
}

struct Generations<T> {
    young: ById<(Arc<T>, usize)>,
    old: ById<(Arc<T>, usize)>,
    young_bytes: usize,
}

type ById<T> = HashMap<ObjectId, T, BuildHasherDefault<IdHash>>;

/// Ids are keyed hashes: their first bytes are as good as any hash of them.
#[derive(Default)]
struct IdHash(u64);

impl Hasher for IdHash {
    fn write(&mut self, bytes: &[u8]) {
        if let Some(first) = bytes.first_chunk() {
            self.0 = u64::from_ne_bytes(*first);
        }
    }

    /// The length that goes before the bytes of an array.
    fn write_usize(&mut self, _: usize) {}

    fn finish(&self) -> u64 {
        self.0
    }
}

impl<T> Recent<T> {
    /// A cache of things whose encodings come to at most `bytes` in all.
    pub(crate) fn new(bytes: usize) -> Self {
        let generations = Generations { young: ById::default(), old: ById::default(), young_bytes: 0 };
        Recent { generations: Mutex::new(generations), limit: bytes / 2 }
    }

    /// The thing decoded from object `id`, if it is still here.
    pub(crate) fn find(&self, id: &ObjectId) -> Option<Arc<T>> {
        let mut generations = self.generations.lock();
        if let Some((thing, _)) = generations.young.get(id) {
            return Some(Arc::clone(thing));
        }
        let (thing, bytes) = generations.old.remove(id)?;
        generations.keep(*id, Arc::clone(&thing), bytes, self.limit);
        Some(thing)
    }

    /// Lets go of what was decoded from object `id`.
    pub(crate) fn forget(&self, id: &ObjectId) {
        let mut generations = self.generations.lock();
        generations.old.remove(id);
        if let Some((_, bytes)) = generations.young.remove(id) {
            generations.young_bytes = generations.young_bytes.saturating_sub(bytes);
        }
    }

    /// Keeps a thing whose encoding has `bytes` bytes.
    pub(crate) fn insert(&self, id: ObjectId, thing: Arc<T>, bytes: usize) {
        self.generations.lock().keep(id, thing, bytes, self.limit);
    }
}

impl<T> Generations<T> {
    fn keep(&mut self, id: ObjectId, thing: Arc<T>, bytes: usize, limit: usize) {
        if bytes > limit {
            return;
        }
        if self.young_bytes.saturating_add(bytes) > limit {
            self.old = std::mem::take(&mut self.young);
            self.young_bytes = 0;
        }
        if self.young.insert(id, (thing, bytes)).is_none() {
            self.young_bytes += bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u8) -> ObjectId {
        ObjectId([n; 32])
    }

    #[test]
    fn forgets_the_oldest_first_and_stays_within_its_bound() {
        let recent = Recent::new(40);
        for n in 0..6 {
            recent.insert(id(n), Arc::new(n), 10);
            assert_eq!(recent.find(&id(0)).as_deref(), Some(&0), "what is asked for stays");
        }
        let held = (0..6).filter(|n| recent.find(&id(*n)).is_some()).count();
        assert!((2..=4).contains(&held), "{held} of at most 4");
    }

    #[test]
    fn what_is_forgotten_is_gone_and_makes_room() {
        let recent = Recent::new(40);
        for n in 0..9 {
            recent.insert(id(n), Arc::new(n), 10);
            recent.forget(&id(n));
            assert!(recent.find(&id(n)).is_none());
        }
        recent.insert(id(1), Arc::new(1), 20);
        assert!(recent.find(&id(1)).is_some());
    }

    #[test]
    fn refuses_what_is_larger_than_a_generation() {
        let recent = Recent::new(40);
        recent.insert(id(1), Arc::new(1), 21);
        assert!(recent.find(&id(1)).is_none());
    }
}
