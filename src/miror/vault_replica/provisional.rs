//! Which structure objects in the store came from a peer and may have holes below them. Durable with the
//! objects: the mark is in the log before its object is.

use std::collections::HashSet;

use parking_lot::RwLock;

use crate::crypto::ObjectId;
use crate::store::{Store, StoreError};

/// The local records: prefix and object id.
const PREFIX: &[u8] = b"miror/provisional/1/";

/// The marks.
pub(super) struct Provisional(RwLock<HashSet<ObjectId>>);

impl Provisional {
    /// Those in the store.
    pub(super) fn read(store: &Store) -> Self {
        let found = store.locals(PREFIX);
        let ids = found.iter().filter_map(|(key, _)| key.get(PREFIX.len()..)?.try_into().ok().map(ObjectId));
        Provisional(RwLock::new(ids.collect()))
    }

    /// Whether an object is marked.
    pub(super) fn holds(&self, id: &ObjectId) -> bool {
        self.0.read().contains(id)
    }

    /// Marks an object that is about to be stored.
    pub(super) fn mark(&self, store: &Store, id: &ObjectId) -> Result<(), StoreError> {
        store.set_local(vec![(key(id), Some(Vec::new()))])?;
        self.0.write().insert(*id);
        Ok(())
    }

    /// Takes the marks off objects below which everything is here.
    pub(super) fn settle(&self, store: &Store, ids: &[ObjectId]) -> Result<(), StoreError> {
        let marked: Vec<_> = ids.iter().filter(|id| self.holds(id)).collect();
        if marked.is_empty() {
            return Ok(());
        }
        store.set_local(marked.iter().map(|id| (key(id), None)).collect())?;
        let mut all = self.0.write();
        for id in marked {
            all.remove(id);
        }
        Ok(())
    }
}

fn key(id: &ObjectId) -> Vec<u8> {
    [PREFIX, &id.0].concat()
}
