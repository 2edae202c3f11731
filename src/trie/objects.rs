//! The seam to the store: content-addressed objects by kind.

use std::ops::Range;

use bytes::Bytes;

use super::ObjectsError;
use crate::crypto::{ObjectId, ObjectKind};

/// A set of immutable objects, each named by a keyed hash of its kind and bytes.
///
/// Saving the same bytes twice gives the same id and keeps one copy. What `save` returned can be loaded at
/// once; when it is durable is the store's affair.
pub trait Objects: Send + Sync {
    /// The plaintext of an object.
    ///
    /// # Errors
    /// [`ObjectsError::Missing`] if it is not held. (The id covers the kind: what is held as another kind is
    /// held under another id.)
    fn load(&self, kind: ObjectKind, id: &ObjectId) -> Result<Bytes, ObjectsError>;

    /// Part of an object's plaintext, cut to the object's end. An implementation that can decrypt less than
    /// the whole object for it should.
    ///
    /// # Errors
    /// As [`Objects::load`].
    fn load_range(&self, kind: ObjectKind, id: &ObjectId, range: Range<u32>) -> Result<Bytes, ObjectsError> {
        let whole = self.load(kind, id)?;
        let end = (range.end as usize).min(whole.len());
        Ok(whole.slice((range.start as usize).min(end)..end))
    }

    /// Keeps `plaintext` and says its id.
    ///
    /// # Errors
    /// [`ObjectsError::Full`] if there is no room.
    fn save(&self, kind: ObjectKind, plaintext: &[u8]) -> Result<ObjectId, ObjectsError>;

    /// Whether the object is here.
    ///
    /// # Errors
    /// Failures of the store only.
    fn holds(&self, id: &ObjectId) -> Result<bool, ObjectsError>;
}

impl<T: Objects + ?Sized> Objects for std::sync::Arc<T> {
    fn load(&self, kind: ObjectKind, id: &ObjectId) -> Result<Bytes, ObjectsError> {
        (**self).load(kind, id)
    }

    fn load_range(&self, kind: ObjectKind, id: &ObjectId, range: Range<u32>) -> Result<Bytes, ObjectsError> {
        (**self).load_range(kind, id, range)
    }

    fn save(&self, kind: ObjectKind, plaintext: &[u8]) -> Result<ObjectId, ObjectsError> {
        (**self).save(kind, plaintext)
    }

    fn holds(&self, id: &ObjectId) -> Result<bool, ObjectsError> {
        (**self).holds(id)
    }
}
