//! The header of a frame of the log.
//!
//! | bytes | field |
//! |---|---|
//! | 4 | magic: `bosF`, or `bosV` for a void frame |
//! | 90 | the object header ([`ObjectHeader::encode`]); zeros in a void frame |
//! | 4 | length of the body |
//! | 4 | CRC-32 of the body; 0 in a void frame |
//! | 8 | `synced`: the log position known durable when the frame was appended |
//! | 8 | the position of the frame itself |
//! | 4 | CRC-32 of all of the above |
//!
//! The checksums find accidents without a key. They prove nothing against an attacker: the body's tags do.
//! A frame says where it lies, so bytes that were copied or left over elsewhere are never taken for one. A
//! void frame fills a place that recovery found broken or took back; its body means nothing.
#![deny(clippy::indexing_slicing)]

use super::super::bytes::{Fields, checked_header, checksum_fits};
use super::super::position::LogPosition;
use crate::crypto::{HEADER_LEN, ObjectHeader};

/// Bytes of a frame's header.
pub(in super::super) const FRAME_HEADER_LEN: usize = 4 + HEADER_LEN + 4 + 4 + 8 + 8 + 4;

/// Where the body of the frame at a place begins.
pub(in super::super) fn body_at(frame: LogPosition) -> LogPosition {
    frame.plus(FRAME_HEADER_LEN as u32)
}

const OBJECT: [u8; 4] = *b"bosF";
const VOID: [u8; 4] = *b"bosV";

/// What every magic begins with: what a search for the next frame looks for.
pub(super) const MAGIC_START: u8 = b'b';

/// The header of a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct FrameHeader {
    /// `None`: a void frame.
    pub(in super::super) object: Option<ObjectHeader>,
    pub(in super::super) body_len: u32,
    pub(in super::super) body_crc: u32,
    pub(in super::super) synced: LogPosition,
    pub(in super::super) position: LogPosition,
}

impl FrameHeader {
    /// A frame that makes `len` bytes (header included) mean nothing.
    pub(in super::super) fn void(position: LogPosition, len: u64) -> Self {
        let body_len = u32::try_from(len.saturating_sub(FRAME_HEADER_LEN as u64)).unwrap_or(u32::MAX);
        FrameHeader { object: None, body_len, body_crc: 0, synced: LogPosition::START, position }
    }

    /// Bytes of the whole frame.
    pub(in super::super) fn frame_len(&self) -> u64 {
        FRAME_HEADER_LEN as u64 + u64::from(self.body_len)
    }

    pub(in super::super) fn encode(&self) -> [u8; FRAME_HEADER_LEN] {
        let (magic, object) = match &self.object {
            Some(object) => (OBJECT, object.encode()),
            None => (VOID, [0; HEADER_LEN]),
        };
        checked_header(&[
            &magic,
            &object,
            &self.body_len.to_le_bytes(),
            &self.body_crc.to_le_bytes(),
            &self.synced.to_u64().to_le_bytes(),
            &self.position.to_u64().to_le_bytes(),
        ])
    }

    /// The header at `position`, if these bytes are one and say that they lie there.
    pub(in super::super) fn decode(bytes: &[u8], position: LogPosition) -> Option<Self> {
        let bytes: &[u8; FRAME_HEADER_LEN] = bytes.first_chunk()?;
        let mut fields = Fields(bytes);
        let magic: [u8; 4] = fields.array();
        if (magic != OBJECT && magic != VOID) || !checksum_fits(bytes) {
            return None;
        }
        let object: [u8; HEADER_LEN] = fields.array();
        let header = FrameHeader {
            object: if magic == OBJECT { Some(ObjectHeader::decode(&object).ok()?) } else { None },
            body_len: fields.u32(),
            body_crc: fields.u32(),
            synced: LogPosition::from_u64(fields.u64()),
            position: LogPosition::from_u64(fields.u64()),
        };
        (header.position == position).then_some(header)
    }

    /// Whether `body` is what was written.
    pub(in super::super) fn fits(&self, body: &[u8]) -> bool {
        self.object.is_none() || crc32fast::hash(body) == self.body_crc
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::{EpochId, ObjectId, ObjectKind};

    fn sample() -> FrameHeader {
        FrameHeader {
            object: Some(ObjectHeader {
                kind: ObjectKind::Chunk,
                flags: 1,
                epoch: EpochId { counter: 2, id: [3; 8] },
                plain_len: 5,
                id: ObjectId([6; 32]),
                wrapped: [7; 40],
            }),
            body_len: 8,
            body_crc: crc32fast::hash(b"the body"),
            synced: LogPosition::new(1, 40),
            position: LogPosition::new(2, 0x0908),
        }
    }

    #[test]
    fn golden_bytes() {
        let text = data_encoding::HEXLOWER.encode(&sample().encode());
        let fields = [
            "626f7346",
            "01010200000003030303030303030500000006060606060606060606060606060606060606060606060606060606",
            "0606060607070707070707070707070707070707070707070707070707070707070707070707070707070707",
            "08000000",
        ];
        assert!(text.starts_with(&fields.concat()), "{text}");
        assert_eq!(
            &text[98 * 2..118 * 2 - 16],
            format!("{:08x}{}", crc32fast::hash(b"the body").swap_bytes(), "2800000001000000")
        );
        assert_eq!(&text[110 * 2..118 * 2], "0809000002000000");
        assert_eq!(text.len(), 122 * 2);
    }

    #[test]
    fn headers_round_trip() {
        for header in [sample(), FrameHeader::void(LogPosition::new(2, 7), 500)] {
            assert_eq!(FrameHeader::decode(&header.encode(), header.position), Some(header.clone()));
        }
        assert_eq!(FrameHeader::void(LogPosition::new(2, 7), 500).frame_len(), 500);
        assert!(sample().fits(b"the body") && !sample().fits(b"the b0dy"));
    }

    #[test]
    fn a_changed_or_short_or_moved_header_is_none() {
        let (header, bytes) = (sample(), sample().encode());
        for bit in 0..bytes.len() * 8 {
            let mut mangled = bytes;
            mangled[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(FrameHeader::decode(&mangled, header.position), None, "bit {bit}");
        }
        for len in 0..bytes.len() {
            assert_eq!(FrameHeader::decode(&bytes[..len], header.position), None);
        }
        assert_eq!(FrameHeader::decode(&bytes, LogPosition::new(2, 0x0907)), None);
    }
}
