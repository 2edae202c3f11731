//! Local frames: what only this replica knows, as keys and values.
//!
//! A frame holds changes, or now and then the whole. They lie in the log as objects of kind *local*, sealed
//! like any other and never sent. What is read back is the state after a prefix of the frames.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::index::Place;
use super::log::{FRAME_HEADER_LEN, FrameHeader, Log};
use super::{Damage, DamageKind, StoreError};
use crate::crypto::{self, CryptoError, Keyring, ObjectKind, SealedObject};

/// The whole is written when the changes since take this much, and twice what the whole takes.
const WHOLE_AFTER: usize = 64 << 10;

/// The plaintext of a local frame, in postcard.
#[derive(Debug, Serialize, Deserialize, PartialEq, Eq)]
pub(super) enum LocalFrame {
    /// Keys set, or removed.
    Changes(Vec<(ByteBuf, Option<ByteBuf>)>),
    /// All keys.
    Whole(Vec<(ByteBuf, ByteBuf)>),
}

impl LocalFrame {
    pub(super) fn is_whole(&self) -> bool {
        matches!(self, LocalFrame::Whole(_))
    }

    fn encode(&self) -> Result<Vec<u8>, StoreError> {
        postcard::to_stdvec(self).map_err(|_| CryptoError::Malformed("local frame").into())
    }

    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        match postcard::take_from_bytes(bytes) {
            Ok((frame, [])) => Some(frame),
            _ => None,
        }
    }

    /// Reads the frame at a place.
    pub(super) fn read(log: &Log, keyring: &Keyring, place: Place) -> Result<Self, StoreError> {
        let damaged = || {
            let what = DamageKind::Body;
            StoreError::Damaged(Damage { at: place.position, id: None, what })
        };
        let mut bytes = log.read(place.position, FRAME_HEADER_LEN + place.body_len as usize)?;
        let header = FrameHeader::decode(&bytes, place.position).and_then(|header| header.object);
        let header = header.filter(|header| header.kind == ObjectKind::Local).ok_or_else(damaged)?;
        bytes.drain(..FRAME_HEADER_LEN.min(bytes.len()));
        match crypto::open(keyring, SealedObject { header, body: bytes }) {
            Ok(plaintext) => Self::decode(&plaintext).ok_or_else(damaged),
            Err(CryptoError::UnknownEpoch(id)) => Err(CryptoError::UnknownEpoch(id).into()),
            Err(_) => Err(damaged()),
        }
    }
}

/// The keys and values.
#[derive(Debug, Default)]
pub(super) struct Locals {
    map: BTreeMap<Vec<u8>, Vec<u8>>,
    /// Bytes of frames since the last whole one, and of that.
    changed: usize,
    whole: usize,
}

impl Locals {
    pub(super) fn value(&self, key: &[u8]) -> Option<&Vec<u8>> {
        self.map.get(key)
    }

    pub(super) fn range(&self, prefix: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
        let from = self.map.range::<[u8], _>((std::ops::Bound::Included(prefix), std::ops::Bound::Unbounded));
        let with_prefix = from.take_while(|(key, _)| key.starts_with(prefix));
        with_prefix.map(|(key, value)| (key.clone(), value.clone())).collect()
    }

    /// The plaintext of the frame that makes these changes, and whether it is a whole one.
    pub(super) fn frame(
        &self,
        changes: &[(Vec<u8>, Option<Vec<u8>>)],
    ) -> Result<(Vec<u8>, bool), StoreError> {
        if self.changed > WHOLE_AFTER.max(2 * self.whole) {
            let mut map = self.map.clone();
            apply(&mut map, changes.iter().cloned());
            let all = map.into_iter().map(|(key, value)| (key.into(), value.into()));
            return Ok((LocalFrame::Whole(all.collect()).encode()?, true));
        }
        let change = |(key, value): &(Vec<u8>, Option<Vec<u8>>)| {
            (ByteBuf::from(key.clone()), value.clone().map(ByteBuf::from))
        };
        Ok((LocalFrame::Changes(changes.iter().map(change).collect()).encode()?, false))
    }

    /// The frame is in the log.
    pub(super) fn wrote(&mut self, changes: Vec<(Vec<u8>, Option<Vec<u8>>)>, bytes: usize, whole: bool) {
        apply(&mut self.map, changes.into_iter());
        if whole {
            (self.whole, self.changed) = (bytes, 0);
        } else {
            self.changed += bytes;
        }
    }

    /// Takes a frame that was read back.
    pub(super) fn replay(&mut self, frame: LocalFrame, bytes: usize) {
        match frame {
            LocalFrame::Whole(all) => {
                self.map = all.into_iter().map(|(key, value)| (key.into_vec(), value.into_vec())).collect();
                (self.whole, self.changed) = (bytes, 0);
            }
            LocalFrame::Changes(changes) => {
                let changes =
                    changes.into_iter().map(|(key, value)| (key.into_vec(), value.map(ByteBuf::into_vec)));
                apply(&mut self.map, changes);
                self.changed += bytes;
            }
        }
    }
}

fn apply(map: &mut BTreeMap<Vec<u8>, Vec<u8>>, changes: impl Iterator<Item = (Vec<u8>, Option<Vec<u8>>)>) {
    for (key, value) in changes {
        match value {
            Some(value) => map.insert(key, value),
            None => map.remove(&key),
        };
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn replaying_the_frames_gives_the_same_keys(
            steps in prop::collection::vec(
                prop::collection::vec((prop::collection::vec(any::<u8>(), 0..2), prop::option::of(0..9000usize)), 0..4),
                0..60,
            ),
        ) {
            let (mut locals, mut again, mut wholes) = (Locals::default(), Locals::default(), 0);
            for step in steps {
                let changes: Vec<_> =
                    step.into_iter().map(|(key, len)| (key, len.map(|len| vec![7; len]))).collect();
                let (frame, whole) = locals.frame(&changes).unwrap();
                locals.wrote(changes, frame.len(), whole);
                wholes += usize::from(whole);
                let read = LocalFrame::decode(&frame).unwrap();
                prop_assert_eq!(read.is_whole(), whole);
                if whole {
                    again = Locals::default();
                }
                again.replay(read, frame.len());
                prop_assert_eq!(&locals.map, &again.map);
                prop_assert_eq!((locals.changed, locals.whole), (again.changed, again.whole));
            }
            prop_assert!(wholes < 60);
        }

        #[test]
        fn mangled_frames_do_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Some(frame) = LocalFrame::decode(&bytes) {
                Locals::default().replay(frame, bytes.len());
            }
        }
    }

    #[test]
    fn golden_bytes_and_exact_length() {
        let frame = LocalFrame::Changes(vec![
            (ByteBuf::from(b"head"), Some(ByteBuf::from([1, 2]))),
            (ByteBuf::from(b"x"), None),
        ]);
        let bytes = frame.encode().unwrap();
        assert_eq!(data_encoding::HEXLOWER.encode(&bytes), "00020468656164010201020178".to_owned() + "00");
        assert_eq!(LocalFrame::decode(&bytes), Some(frame));
        assert_eq!(LocalFrame::decode(&bytes[..bytes.len() - 1]), None);
        assert_eq!(LocalFrame::decode(&[&bytes[..], b"\0"].concat()), None);
    }

    #[test]
    fn a_range_is_the_keys_of_a_prefix() {
        let mut locals = Locals::default();
        let keys = ["", "a", "peer/", "peer/1", "peer/2", "peers", "q"];
        locals.wrote(keys.iter().map(|key| (key.as_bytes().to_vec(), Some(vec![1]))).collect(), 1, false);
        let found: Vec<_> = locals.range(b"peer/").into_iter().map(|(key, _)| key).collect();
        assert_eq!(found, [b"peer/".to_vec(), b"peer/1".to_vec(), b"peer/2".to_vec()]);
        assert_eq!(locals.range(b"").len(), keys.len());
    }
}
