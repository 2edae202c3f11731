//! Objects: put in once, read by id.

use std::ops::Range;
use std::sync::Arc;

use super::index::Place;
use super::log::{FRAME_HEADER_LEN, FrameHeader, body_at};
use super::{Damage, DamageKind, LogPosition, Store, StoreError};
use crate::crypto::{self, CryptoError, ObjectHeader, ObjectId, ObjectKind, SealedObject};

/// What a header kept in memory counts, in bytes.
const HEADER_BYTES: usize = 256;

/// How far from its header a part of an object must begin, and how long it may be, for both to be read at once.
const APART: u32 = 64 << 10;

impl Store {
    /// Stores an object, unless it is here, and gives its id. Durable once the log is synced up to a
    /// [`Store::position`] taken afterwards.
    ///
    /// # Errors
    /// [`StoreError::Full`], [`StoreError::Stopped`]; [`CryptoError::TooLong`].
    pub fn put(&self, kind: ObjectKind, plaintext: &[u8]) -> Result<ObjectId, StoreError> {
        let id = self.keyring().content_keys().object_id(kind, plaintext);
        if !self.contains(&id)? {
            let sealed = self.seal(kind, Some(id), plaintext)?;
            self.append_object(&sealed)?;
        }
        Ok(id)
    }

    /// Stores an object that was verified and wrapped under the current epoch, unless it is here.
    ///
    /// # Errors
    /// As [`Store::put`]. Local state is not taken from others.
    pub fn put_sealed(&self, sealed: &SealedObject) -> Result<ObjectId, StoreError> {
        if !self.contains(&sealed.header.id)? {
            self.append_object(sealed)?;
        }
        Ok(sealed.header.id)
    }

    pub(super) fn seal(
        &self,
        kind: ObjectKind,
        id: Option<ObjectId>,
        plaintext: &[u8],
    ) -> Result<SealedObject, StoreError> {
        let keyring = self.keyring();
        let id = id.unwrap_or_else(|| keyring.content_keys().object_id(kind, plaintext));
        Ok(crypto::seal_named(id, keyring.current(), kind, plaintext, self.ambient.entropy.as_ref())?)
    }

    /// Takes room on the disk for an object; gives the length of its body.
    pub(super) fn claim(&self, sealed: &SealedObject) -> Result<u32, StoreError> {
        let len = sealed.body.len() as u64;
        let body_len = u32::try_from(len).map_err(|_| StoreError::TooLong(len))?;
        self.budget.claim(sealed.header.kind, FRAME_HEADER_LEN as u64 + len, self.log.unwritten())?;
        Ok(body_len)
    }

    fn append_object(&self, sealed: &SealedObject) -> Result<(), StoreError> {
        if sealed.header.kind == ObjectKind::Local {
            return Err(CryptoError::Malformed("object kind").into());
        }
        let body_len = self.claim(sealed)?;
        let id = sealed.header.id;
        let again = self.damaged.read().contains(&id);
        // Two threads may have sealed the same object: the log takes the first.
        self.log.append(&sealed.header, &sealed.body, |position| {
            self.index.note(id, Place { position, body_len }, again)
        })?;
        if again {
            self.headers.forget(&id);
            self.damaged.write().remove(&id);
        }
        Ok(())
    }

    /// Whether an object is here, and not known to be damaged.
    ///
    /// # Errors
    /// [`StoreError::Index`].
    pub fn contains(&self, id: &ObjectId) -> Result<bool, StoreError> {
        Ok(self.find(id)?.is_some() && !self.damaged.read().contains(id))
    }

    /// The plaintext of an object.
    ///
    /// # Errors
    /// [`StoreError::Missing`], [`StoreError::Damaged`], [`StoreError::Disk`]; [`CryptoError::UnknownEpoch`].
    pub fn fetch(&self, id: &ObjectId) -> Result<Vec<u8>, StoreError> {
        let (at, sealed) = self.sealed_at(id)?;
        crypto::open(&self.keyring(), sealed).map_err(|error| self.judge(error, *id, at))
    }

    /// A range of the plaintext of an object; reads only what it needs if the object is not compressed.
    ///
    /// # Errors
    /// As [`Store::fetch`]; [`CryptoError::OutOfRange`].
    pub fn fetch_range(&self, id: &ObjectId, range: Range<u32>) -> Result<Vec<u8>, StoreError> {
        self.expect_range(id, &range)?;
        let (place, header) = self.header_at(id)?.ok_or(StoreError::Missing(*id))?;
        if header.is_compressed() {
            let whole = self.fetch(id)?;
            let part = whole.get(range.start as usize..range.end as usize);
            return part.map(<[u8]>::to_vec).ok_or_else(|| CryptoError::OutOfRange.into());
        }
        let at = place.position;
        let read_body = |part: Range<u64>| {
            let offset = u32::try_from(part.start).map_err(|_| StoreError::TooLong(part.start))?;
            let len = usize::try_from(part.end - part.start).unwrap_or(usize::MAX);
            self.read_log(body_at(at).plus(offset), len, *id, at)
        };
        crypto::open_range(&self.keyring(), &header, range, read_body).map_err(|error| match error {
            StoreError::Crypto(error) => self.judge(error, *id, at),
            error => error,
        })
    }

    /// An object as it lies in the log.
    ///
    /// # Errors
    /// As [`Store::fetch`]; that it opens is not checked.
    pub fn sealed(&self, id: &ObjectId) -> Result<SealedObject, StoreError> {
        Ok(self.sealed_at(id)?.1)
    }

    /// What stands beside an object's body, if it is here.
    ///
    /// # Errors
    /// [`StoreError::Damaged`], [`StoreError::Disk`].
    pub fn header(&self, id: &ObjectId) -> Result<Option<ObjectHeader>, StoreError> {
        Ok(self.header_at(id)?.map(|(_, header)| header))
    }

    /// The length of an object's body as it lies in the log, if it is here.
    ///
    /// # Errors
    /// [`StoreError::Damaged`], [`StoreError::Index`].
    pub fn body_len(&self, id: &ObjectId) -> Result<Option<u32>, StoreError> {
        Ok(self.place(id)?.map(|place| place.body_len))
    }

    fn place(&self, id: &ObjectId) -> Result<Option<Place>, StoreError> {
        let place = self.find(id)?;
        match place {
            Some(place) if self.damaged.read().contains(id) => {
                Err(StoreError::Damaged(Damage { at: place.position, id: Some(*id), what: DamageKind::Body }))
            }
            other => Ok(other),
        }
    }

    fn header_at(&self, id: &ObjectId) -> Result<Option<(Place, ObjectHeader)>, StoreError> {
        if let Some(known) = self.headers.find(id)
            && !self.damaged.read().contains(id)
        {
            return Ok(Some((*known).clone()));
        }
        let Some(place) = self.place(id)? else { return Ok(None) };
        let bytes = self.read_log(place.position, FRAME_HEADER_LEN, *id, place.position)?;
        let frame = self.frame_of(&bytes, *id, place)?;
        let Some(header) = frame.object else { return Ok(None) };
        self.headers.insert(*id, Arc::new((place, header.clone())), HEADER_BYTES);
        Ok(Some((place, header)))
    }

    /// Has the disk begin with a range for which the header must be read first, from another place of the disk: both
    /// are waited for at once. Not where the system reads so far by itself, nor so much that a wrong guess would hurt.
    fn expect_range(&self, id: &ObjectId, range: &Range<u32>) -> Result<(), StoreError> {
        let apart = range.start >= APART && range.len() <= APART as usize;
        if apart
            && self.headers.find(id).is_none()
            && let Some(place) = self.place(id)?
        {
            let part = crypto::likely_place(range);
            let upto = part.end.min(place.body_len.into());
            if let Ok(offset) = u32::try_from(part.start) {
                self.log.expect(body_at(place.position).plus(offset), upto.saturating_sub(part.start));
            }
        }
        Ok(())
    }

    fn sealed_at(&self, id: &ObjectId) -> Result<(LogPosition, SealedObject), StoreError> {
        let place = self.place(id)?.ok_or(StoreError::Missing(*id))?;
        let at = place.position;
        let frame = self.read_log(at, FRAME_HEADER_LEN, *id, at)?;
        let frame = self.frame_of(&frame, *id, place)?;
        let body = self.read_log(body_at(at), place.body_len as usize, *id, at)?;
        match frame.object {
            Some(ref header) if frame.fits(&body) => Ok((at, SealedObject { header: header.clone(), body })),
            _ => Err(self.damaged_object(*id, at, DamageKind::Body)),
        }
    }

    /// The header that begins `bytes`, if it is the one of this object.
    fn frame_of(&self, bytes: &[u8], id: ObjectId, place: Place) -> Result<FrameHeader, StoreError> {
        let is_it = |frame: &FrameHeader| {
            frame.body_len == place.body_len && frame.object.as_ref().is_some_and(|header| header.id == id)
        };
        FrameHeader::decode(bytes, place.position)
            .filter(is_it)
            .ok_or_else(|| self.damaged_object(id, place.position, DamageKind::Body))
    }

    fn read_log(
        &self,
        from: LogPosition,
        len: usize,
        id: ObjectId,
        at: LogPosition,
    ) -> Result<Vec<u8>, StoreError> {
        self.log.read(from, len).map_err(|error| match error {
            StoreError::Disk(error) if is_gone(&error) => self.damaged_object(id, at, DamageKind::CutShort),
            error => error,
        })
    }

    /// What a failure to open an object means.
    fn judge(&self, error: CryptoError, id: ObjectId, at: LogPosition) -> StoreError {
        match error {
            CryptoError::UnknownEpoch(_) | CryptoError::OutOfRange | CryptoError::Compressed => error.into(),
            _ => self.damaged_object(id, at, DamageKind::Body),
        }
    }

    fn damaged_object(&self, id: ObjectId, at: LogPosition, what: DamageKind) -> StoreError {
        self.damaged.write().insert(id);
        self.headers.forget(&id);
        StoreError::Damaged(Damage { at, id: Some(id), what })
    }
}

/// Whether a read failed because the place is not there, rather than because the disk failed.
fn is_gone(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::UnexpectedEof | std::io::ErrorKind::NotFound)
}
