//! Objects in memory, for tests: counts what is loaded and saved, and can forget or fail on demand.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use parking_lot::Mutex;

use super::{Objects, ObjectsError};
use crate::crypto::{ObjectId, ObjectKind};

/// A set of objects in memory. Ids are a keyed hash under a fixed test key.
#[derive(Debug, Default)]
pub struct MemoryObjects {
    held: Mutex<HashMap<ObjectId, (ObjectKind, Bytes)>>,
    loads: AtomicU64,
    saves: AtomicU64,
    room: Mutex<Option<u64>>,
}

impl MemoryObjects {
    /// An empty set.
    pub fn new() -> Self {
        MemoryObjects::default()
    }

    /// How many loads there were since the last call.
    pub fn take_loads(&self) -> u64 {
        self.loads.swap(0, Ordering::Relaxed)
    }

    /// How many saves there were since the last call, those of held objects included.
    pub fn take_saves(&self) -> u64 {
        self.saves.swap(0, Ordering::Relaxed)
    }

    /// Drops an object, as if it had not arrived.
    pub fn forget(&self, id: &ObjectId) {
        self.held.lock().remove(id);
    }

    /// Lets that many more new objects in; then the store is full. `None`: no end.
    pub fn limit(&self, room: Option<u64>) {
        *self.room.lock() = room;
    }

    /// Every id held, in no order.
    pub fn ids(&self) -> Vec<ObjectId> {
        self.held.lock().keys().copied().collect()
    }

    /// The bytes of an object, uncounted.
    pub fn peek(&self, id: &ObjectId) -> Option<Bytes> {
        self.held.lock().get(id).map(|(_, bytes)| bytes.clone())
    }
}

impl Objects for MemoryObjects {
    fn load(&self, kind: ObjectKind, id: &ObjectId) -> Result<Bytes, ObjectsError> {
        self.loads.fetch_add(1, Ordering::Relaxed);
        match self.held.lock().get(id) {
            Some((held, bytes)) if *held == kind => Ok(bytes.clone()),
            _ => Err(ObjectsError::Missing(*id)),
        }
    }

    fn save(&self, kind: ObjectKind, plaintext: &[u8]) -> Result<ObjectId, ObjectsError> {
        self.saves.fetch_add(1, Ordering::Relaxed);
        let mut hasher = blake3::Hasher::new_keyed(&[7; 32]);
        hasher.update(&[kind as u8]).update(plaintext);
        let id = ObjectId(*hasher.finalize().as_bytes());
        if let Entry::Vacant(place) = self.held.lock().entry(id) {
            if let Some(room) = self.room.lock().as_mut() {
                *room = room.checked_sub(1).ok_or(ObjectsError::Full)?;
            }
            place.insert((kind, Bytes::copy_from_slice(plaintext)));
        }
        Ok(id)
    }

    fn holds(&self, id: &ObjectId) -> Result<bool, ObjectsError> {
        Ok(self.held.lock().contains_key(id))
    }
}
