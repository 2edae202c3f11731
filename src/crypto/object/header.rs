//! What stands beside an object's body, in the log and on the wire.

use serde::{Deserialize, Serialize};

use super::super::cursor::Cursor;
use super::super::epoch::EpochId;
use super::super::error::CryptoError;
use super::super::id::{ObjectId, ObjectKind};
use super::super::wrap::WrappedKey;
use super::segments::Cut;

/// The body is a zstd frame.
const COMPRESSED: u8 = 1;
/// The body is cut finely.
const FINE: u8 = 2;

/// Bytes of an encoded header: kind (1), flags (1), epoch (12), plain length (4), id (32), wrapped key (40), in
/// this order, integers little-endian.
pub const HEADER_LEN: usize = 1 + 1 + EpochId::LEN + 4 + 32 + 40;

/// All of a sealed object but its body.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectHeader {
    /// What it holds.
    pub kind: ObjectKind,
    /// Bit 0: the body is compressed. Bit 1: it is sealed in segments of 4 KiB, not 32. The others are 0.
    pub flags: u8,
    /// The epoch that wraps the data key (on the wire: the one the sender would wrap it under).
    pub epoch: EpochId,
    /// Bytes of plaintext.
    pub plain_len: u32,
    /// Its name.
    pub id: ObjectId,
    /// The data key, wrapped.
    #[serde(with = "serde_bytes")]
    pub wrapped: WrappedKey,
}

/// An object as it lies in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedObject {
    /// What stands beside the body.
    pub header: ObjectHeader,
    /// Segments of ciphertext, each with its tag.
    pub body: Vec<u8>,
}

impl ObjectHeader {
    /// Whether only the whole object can be opened, not a range of it.
    pub fn is_compressed(&self) -> bool {
        self.flags & COMPRESSED != 0
    }

    /// The flags of an object that is sealed now: what is not compressed can be read in parts, and is cut for that.
    pub(super) fn flags(compressed: bool) -> u8 {
        if compressed { COMPRESSED } else { FINE }
    }

    /// How the body is cut.
    pub(super) fn cut(&self) -> Cut {
        if self.flags & FINE == 0 { Cut::COARSE } else { Cut::FINE }
    }

    /// Whether a body of `len` bytes can be this object's.
    pub(super) fn fits(&self, len: u64) -> bool {
        let whole = self.cut().sealed_len(self.plain_len);
        len > 0 && if self.is_compressed() { len <= whole } else { len == whole }
    }

    /// The bytes of it, as documented at [`HEADER_LEN`].
    pub fn encode(&self) -> [u8; HEADER_LEN] {
        let mut bytes = [0; HEADER_LEN];
        let mut rest = bytes.as_mut_slice();
        let epoch = self.epoch.to_bytes();
        let plain_len = self.plain_len.to_le_bytes();
        let fields: [&[u8]; 5] =
            [&[self.kind.number(), self.flags], &epoch, &plain_len, &self.id.0, &self.wrapped];
        for field in fields {
            if let Some(room) = rest.split_off_mut(..field.len()) {
                room.copy_from_slice(field);
            }
        }
        bytes
    }

    /// The reverse of [`ObjectHeader::encode`].
    ///
    /// # Errors
    /// [`CryptoError::Malformed`] for an unknown kind or flag, [`CryptoError::TooLong`] for a length that no
    /// object of the kind has.
    pub fn decode(bytes: &[u8; HEADER_LEN]) -> Result<Self, CryptoError> {
        let mut cursor = Cursor::new(bytes, "object header");
        let header = ObjectHeader {
            kind: ObjectKind::try_from(cursor.u8()?)?,
            flags: cursor.u8()?,
            epoch: EpochId::from_bytes(cursor.array()?),
            plain_len: cursor.u32()?,
            id: ObjectId(*cursor.array()?),
            wrapped: *cursor.array()?,
        };
        cursor.end()?;
        header.check()?;
        Ok(header)
    }

    /// Whether flags and length can be.
    ///
    /// # Errors
    /// As [`ObjectHeader::decode`].
    pub fn check(&self) -> Result<(), CryptoError> {
        if self.flags & !(COMPRESSED | FINE) != 0 {
            return Err(CryptoError::Malformed("object flags"));
        }
        let (len, limit) = (u64::from(self.plain_len), u64::from(self.kind.max_len()));
        if len > limit { Err(CryptoError::TooLong { len, limit }) } else { Ok(()) }
    }

    /// Bytes of what the body is bound to.
    pub(super) const ASSOCIATED_LEN: usize = 1 + 1 + 4 + 32;

    /// Kind, flags, plain length, id: what the body is bound to.
    pub(super) fn associated(&self) -> [u8; Self::ASSOCIATED_LEN] {
        let mut bytes = [0; Self::ASSOCIATED_LEN];
        let mut rest = bytes.as_mut_slice();
        let plain_len = self.plain_len.to_le_bytes();
        let fields: [&[u8]; 3] = [&[self.kind.number(), self.flags], &plain_len, &self.id.0];
        for field in fields {
            if let Some(room) = rest.split_off_mut(..field.len()) {
                room.copy_from_slice(field);
            }
        }
        bytes
    }
}
