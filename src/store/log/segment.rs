//! The segments of the log: their names, and the head each begins with.
//!
//! A segment is begun only when the one before it is durable as a whole, so only the last can have a torn end.
//!
//! | bytes | field |
//! |---|---|
//! | 8 | magic `bosrlog1` |
//! | 16 | the vault's id |
//! | 4 | the segment's number, from 1 |
//! | 4 | the length of the segment before it (0 for the first) |
//! | 4 | CRC-32 of the above |
#![deny(clippy::indexing_slicing)]

use super::super::bytes::{Fields, checked_header, checksum_fits};
use crate::crypto::VaultId;

/// Bytes before the first frame.
pub(in super::super) const SEGMENT_HEAD_LEN: u32 = 36;

/// The folder of the segments.
pub(in super::super) const LOG_DIR: &str = "log";

const MAGIC: [u8; 8] = *b"bosrlog1";

/// The head of a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct SegmentHead {
    pub(in super::super) vault: VaultId,
    pub(in super::super) number: u32,
    pub(in super::super) previous_len: u32,
}

impl SegmentHead {
    pub(in super::super) fn encode(&self) -> [u8; SEGMENT_HEAD_LEN as usize] {
        let (number, previous) = (self.number.to_le_bytes(), self.previous_len.to_le_bytes());
        checked_header(&[&MAGIC, &self.vault.0, &number, &previous])
    }

    pub(in super::super) fn decode(bytes: &[u8; SEGMENT_HEAD_LEN as usize]) -> Option<Self> {
        let mut fields = Fields(bytes);
        if fields.array() != MAGIC || !checksum_fits(bytes) {
            return None;
        }
        let vault = VaultId(fields.array());
        Some(SegmentHead { vault, number: fields.u32(), previous_len: fields.u32() })
    }
}

/// The path of a segment.
pub(in super::super) fn segment_path(number: u32) -> String {
    format!("{LOG_DIR}/{number:08}.seg")
}

/// The number of the segment with this name in the log's folder.
pub(in super::super) fn segment_number(name: &str) -> Option<u32> {
    let number = name.strip_suffix(".seg")?.parse().ok().filter(|n| *n > 0)?;
    (segment_path(number).strip_prefix(LOG_DIR)?.strip_prefix('/')? == name).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_round_trip_and_mangled_ones_are_none() {
        let head = SegmentHead { vault: VaultId([9; 16]), number: 3, previous_len: 77 };
        let bytes = head.encode();
        assert_eq!(
            data_encoding::HEXLOWER.encode(&bytes[..32]),
            format!("626f73726c6f6731{}030000004d000000", "09".repeat(16))
        );
        assert_eq!(SegmentHead::decode(&bytes), Some(head));
        for bit in 0..bytes.len() * 8 {
            let mut mangled = bytes;
            mangled[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(SegmentHead::decode(&mangled), None, "bit {bit}");
        }
    }

    #[test]
    fn only_exact_names_are_segments() {
        assert_eq!(segment_path(1), "log/00000001.seg");
        assert_eq!(segment_number("00000001.seg"), Some(1));
        assert_eq!(segment_number("123456789.seg"), Some(123_456_789));
        for name in ["1.seg", "00000000.seg", "00000001.seg.new", "+0000001.seg", "x", ""] {
            assert_eq!(segment_number(name), None, "{name}");
        }
    }
}
