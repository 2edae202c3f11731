//! Fixed fields in fixed places: what the frame headers are written and read with.
#![deny(clippy::indexing_slicing)]

/// Takes fields off the front of a header. Reading past the end gives zeros, which no checksum fits.
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

impl Fields<'_> {
    pub(super) fn array<const N: usize>(&mut self) -> [u8; N] {
        match self.0.split_first_chunk::<N>() {
            Some((head, rest)) => {
                self.0 = rest;
                *head
            }
            None => {
                self.0 = &[];
                [0; N]
            }
        }
    }

    pub(super) fn u32(&mut self) -> u32 {
        u32::from_le_bytes(self.array())
    }

    pub(super) fn u64(&mut self) -> u64 {
        u64::from_le_bytes(self.array())
    }
}

/// Joins fields into a header whose last four bytes are the CRC-32 of the rest.
pub(super) fn checked_header<const N: usize>(fields: &[&[u8]]) -> [u8; N] {
    let mut header = [0; N];
    let mut rest = header.as_mut_slice();
    for field in fields {
        if let Some(room) = rest.split_off_mut(..field.len()) {
            room.copy_from_slice(field);
        }
    }
    if let Some((body, crc)) = header.split_last_chunk_mut::<4>() {
        *crc = crc32fast::hash(body).to_le_bytes();
    }
    header
}

/// Whether the last four bytes of a header are the CRC-32 of the rest.
pub(super) fn checksum_fits(header: &[u8]) -> bool {
    header.split_last_chunk::<4>().is_some_and(|(body, crc)| crc32fast::hash(body).to_le_bytes() == *crc)
}
