//! The bytes of a journal file.
//!
//! The first 512 bytes belong to the head; frames follow one another from there.
//!
//! | bytes | head |
//! |---|---|
//! | 8 | magic `bosrjnl1` |
//! | 16 | the vault's id |
//! | 8 | generation: grows each time a file is taken into use |
//! | 12 | the epoch the key is derived from |
//! | 16 | the salt the key is derived with |
//! | 4 | CRC-32 of the above |
//!
//! | bytes | frame |
//! |---|---|
//! | 4 | magic `bosJ` |
//! | 4 | length of the sealed payload |
//! | 8 | generation of the file |
//! | 8 | sequence: the number of the entry |
//! | 8 | `needs`: the log position that must be recovered for the entry to be replayed |
//! | 8 | `retired`: entries up to here were dead when this one was appended |
//! | 8 | `link`: the last 8 bytes of the entry before, 0 for the first of a store |
//! | 4 | CRC-32 of the above |
//! | … | the payload, sealed: nonce, ciphertext, tag, with the header as associated data |
#![deny(clippy::indexing_slicing)]

use super::super::bytes::{Fields, checked_header, checksum_fits};
use super::super::position::{JournalSeq, LogPosition};
use crate::crypto::{EpochId, FRAME_OVERHEAD, VaultId};

/// Where the first frame lies: behind the sector of the head.
pub(super) const FRAMES_AT: u64 = 512;
pub(super) const HEAD_LEN: usize = 8 + 16 + 8 + EpochId::LEN + 16 + 4;
pub(super) const ENTRY_HEADER_LEN: usize = 4 + 4 + 8 + 8 + 8 + 8 + 8 + 4;

const HEAD_MAGIC: [u8; 8] = *b"bosrjnl1";
const ENTRY_MAGIC: [u8; 4] = *b"bosJ";

/// The head of a journal file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) vault: VaultId,
    pub(super) generation: u64,
    pub(super) epoch: EpochId,
    pub(super) salt: [u8; 16],
}

impl Head {
    pub(super) fn encode(&self) -> [u8; HEAD_LEN] {
        let (generation, epoch) = (self.generation.to_le_bytes(), self.epoch.to_bytes());
        checked_header(&[&HEAD_MAGIC, &self.vault.0, &generation, &epoch, &self.salt])
    }

    pub(super) fn decode(bytes: &[u8; HEAD_LEN]) -> Option<Self> {
        let mut fields = Fields(bytes);
        if fields.array() != HEAD_MAGIC || !checksum_fits(bytes) {
            return None;
        }
        Some(Head {
            vault: VaultId(fields.array()),
            generation: fields.u64(),
            epoch: EpochId::from_bytes(&fields.array()),
            salt: fields.array(),
        })
    }
}

/// The header of a journal frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct EntryHeader {
    pub(super) sealed_len: u32,
    pub(super) generation: u64,
    pub(super) seq: JournalSeq,
    pub(super) needs: LogPosition,
    pub(super) retired: JournalSeq,
    pub(super) link: [u8; 8],
}

/// Bytes of the frame of a payload.
pub(super) fn entry_len(payload: usize) -> u64 {
    (ENTRY_HEADER_LEN + payload + FRAME_OVERHEAD) as u64
}

impl EntryHeader {
    pub(super) fn encode(&self) -> [u8; ENTRY_HEADER_LEN] {
        checked_header(&[
            &ENTRY_MAGIC,
            &self.sealed_len.to_le_bytes(),
            &self.generation.to_le_bytes(),
            &self.seq.0.to_le_bytes(),
            &self.needs.to_u64().to_le_bytes(),
            &self.retired.0.to_le_bytes(),
            &self.link,
        ])
    }

    pub(super) fn decode(bytes: &[u8; ENTRY_HEADER_LEN]) -> Option<Self> {
        let mut fields = Fields(bytes);
        if fields.array() != ENTRY_MAGIC || !checksum_fits(bytes) {
            return None;
        }
        Some(EntryHeader {
            sealed_len: fields.u32(),
            generation: fields.u64(),
            seq: JournalSeq(fields.u64()),
            needs: LogPosition::from_u64(fields.u64()),
            retired: JournalSeq(fields.u64()),
            link: fields.array(),
        })
    }
}

/// What the next frame's `link` says of this sealed payload.
pub(super) fn link_of(sealed: &[u8]) -> [u8; 8] {
    sealed.last_chunk().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_round_trip_and_mangled_ones_are_none() {
        let head = Head {
            vault: VaultId([1; 16]),
            generation: 2,
            epoch: EpochId { counter: 3, id: [4; 8] },
            salt: [5; 16],
        };
        let bytes = head.encode();
        let golden = ["626f73726a6e6c31", &"01".repeat(16), "0200000000000000", "03000000", &"04".repeat(8)];
        assert!(data_encoding::HEXLOWER.encode(&bytes).starts_with(&golden.concat()));
        assert_eq!(Head::decode(&bytes), Some(head));
        for bit in 0..HEAD_LEN * 8 {
            let mut mangled = bytes;
            mangled[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Head::decode(&mangled), None, "bit {bit}");
        }
    }

    #[test]
    fn entry_headers_round_trip_and_mangled_ones_are_none() {
        let header = EntryHeader {
            sealed_len: 40,
            generation: 2,
            seq: JournalSeq(7),
            needs: LogPosition::new(1, 99),
            retired: JournalSeq(6),
            link: [8; 8],
        };
        let bytes = header.encode();
        let golden = "626f734a28000000020000000000000007000000000000006300000001000000\
                      06000000000000000808080808080808";
        assert!(data_encoding::HEXLOWER.encode(&bytes).starts_with(golden));
        assert_eq!(EntryHeader::decode(&bytes), Some(header));
        for bit in 0..ENTRY_HEADER_LEN * 8 {
            let mut mangled = bytes;
            mangled[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(EntryHeader::decode(&mangled), None, "bit {bit}");
        }
    }
}
