//! The store as a set of objects.

use std::ops::Range;

use bytes::Bytes;

use super::{Objects, ObjectsError};
use crate::crypto::{ObjectId, ObjectKind};
use crate::store::Store;

impl Objects for Store {
    fn load(&self, _: ObjectKind, id: &ObjectId) -> Result<Bytes, ObjectsError> {
        Ok(self.fetch(id)?.into())
    }

    fn load_range(&self, _: ObjectKind, id: &ObjectId, range: Range<u32>) -> Result<Bytes, ObjectsError> {
        Ok(self.fetch_range(id, range)?.into())
    }

    fn save(&self, kind: ObjectKind, plaintext: &[u8]) -> Result<ObjectId, ObjectsError> {
        Ok(self.put(kind, plaintext)?)
    }

    fn holds(&self, id: &ObjectId) -> Result<bool, ObjectsError> {
        Ok(self.contains(id)?)
    }
}
