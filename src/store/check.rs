//! Checking a store: `bosr fsck`, as far as frames and index go.

use super::index::Place;
use super::log::{FRAME_HEADER_LEN, Found, FrameHeader, body_at};
use super::upkeep::index_error;
use super::{Damage, DamageKind, LogPosition, Store, StoreError};
use crate::crypto::{self, CryptoError, ObjectId, SealedObject};

impl Store {
    /// Reads all of the log and tells what is wrong: every frame opens, every id fits, the index agrees. What is
    /// stored meanwhile is not looked at.
    ///
    /// # Errors
    /// Only what keeps it from going on; damage is reported, not returned.
    pub fn check(&self, report: &mut dyn FnMut(Damage)) -> Result<(), StoreError> {
        self.log.sync(self.log.end())?;
        for damage in self.log.missing()? {
            report(damage);
        }
        self.each_frame(LogPosition::START, &mut |found| {
            match found {
                Found::Broken { at, len } => {
                    report(Damage { at, id: None, what: DamageKind::Unreadable { len } });
                }
                Found::Frame(frame) => self.check_frame(&frame, report)?,
            }
            Ok(())
        })?;
        self.check_index(report)
    }

    fn check_frame(&self, frame: &FrameHeader, report: &mut dyn FnMut(Damage)) -> Result<(), StoreError> {
        let Some(header) = &frame.object else { return Ok(()) };
        let (at, id) = (frame.position, Some(header.id));
        let body = self.log.read(body_at(at), frame.body_len as usize)?;
        if !frame.fits(&body) {
            report(Damage { at, id, what: DamageKind::Body });
            return Ok(());
        }
        let sealed = SealedObject { header: header.clone(), body };
        match crypto::open_verified(&self.keyring(), &sealed, &mut Vec::new()) {
            Ok(_) => {}
            Err(CryptoError::WrongContent(_)) => report(Damage { at, id, what: DamageKind::WrongId }),
            Err(_) => report(Damage { at, id, what: DamageKind::Body }),
        }
        if header.kind != crypto::ObjectKind::Local && self.find(&header.id)?.is_none() {
            report(Damage { at, id, what: DamageKind::Index });
        }
        Ok(())
    }

    /// Every place the index names holds what it says.
    fn check_index(&self, report: &mut dyn FnMut(Damage)) -> Result<(), StoreError> {
        let mut check = |id: ObjectId, place: Place| {
            let frame = self.log.read(place.position, FRAME_HEADER_LEN).ok();
            let frame = frame.and_then(|bytes| FrameHeader::decode(&bytes, place.position));
            let agrees = frame.is_some_and(|frame| {
                frame.body_len == place.body_len && frame.object.is_some_and(|header| header.id == id)
            });
            if !agrees {
                report(Damage { at: place.position, id: Some(id), what: DamageKind::Index });
            }
        };
        self.index.each(&mut check).map_err(index_error)
    }
}
