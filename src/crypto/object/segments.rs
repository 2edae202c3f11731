//! A body in segments: the STREAM construction (Hoang, Reyhanitabar, Rogaway, Vizár 2015) over AES-256-GCM.
//!
//! Each segment has its position and whether it is the last in its nonce, so segments cannot be moved, dropped
//! or added, and any one can be opened alone. The rest of the nonce is zero: a data key seals one body only.

use std::ops::Range;

use super::super::derive::Key;
use super::super::error::CryptoError;
use super::super::gcm::{Gcm, NONCE_LEN, TAG_LEN};
use super::header::ObjectHeader;

/// How a body is cut: bytes of a segment before it is sealed, of which the last of a body may have fewer. Also what a
/// small random read decrypts at least.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cut(usize);

impl Cut {
    /// For what is opened as a whole.
    pub(super) const COARSE: Cut = Cut(32 << 10);
    /// For what is read in parts: a page of the system's.
    pub(super) const FINE: Cut = Cut(4 << 10);

    /// Bytes of a segment before it is sealed.
    pub(super) fn plain(self) -> u64 {
        self.0 as u64
    }

    /// Bytes of a sealed segment.
    pub(super) fn sealed(self) -> u64 {
        (self.0 + TAG_LEN) as u64
    }

    /// How many segments `len` bytes take: at least one, so that nothing is authenticated too.
    pub(super) fn count(self, len: u64) -> u64 {
        len.div_ceil(self.plain()).max(1)
    }

    /// Where in a body that goes on long enough the segments lie that `range` of its plaintext touches.
    pub(super) fn touched(self, range: &Range<u32>) -> Range<u64> {
        let past_last = u64::from(range.end).div_ceil(self.plain());
        u64::from(range.start) / self.plain() * self.sealed()..past_last * self.sealed()
    }

    /// Bytes of the body that `len` bytes are sealed into.
    pub(super) fn sealed_len(self, len: u32) -> u64 {
        u64::from(len) + self.count(u64::from(len)) * TAG_LEN as u64
    }
}

/// Seals and opens the segments of one body.
pub(super) struct Segments {
    cipher: Gcm,
    associated: [u8; ObjectHeader::ASSOCIATED_LEN],
    cut: Cut,
}

impl Segments {
    /// The segments of the body that goes with `header`.
    pub(super) fn new(data_key: &Key, header: &ObjectHeader) -> Result<Self, CryptoError> {
        Ok(Segments { cipher: Gcm::new(data_key)?, associated: header.associated(), cut: header.cut() })
    }

    /// All segments of `content`.
    pub(super) fn seal(&self, content: &[u8]) -> Result<Vec<u8>, CryptoError> {
        let count = self.cut.count(content.len() as u64);
        let mut body = Vec::with_capacity(content.len() + count as usize * TAG_LEN);
        let mut rest = content;
        for position in 0..count {
            let segment = rest.split_off(..self.cut.0.min(rest.len())).unwrap_or_default();
            let start = body.len();
            body.extend_from_slice(segment);
            let text = body.get_mut(start..).unwrap_or_default();
            let tag = self.cipher.seal_segment(nonce(position, count)?, &self.associated, text)?;
            body.extend_from_slice(&tag);
        }
        Ok(body)
    }

    /// Opens consecutive whole segments in place: `bytes` begins with segment `first`, and `count` is how many the
    /// body has in all. Every byte of `bytes` must belong to one of them. On an error what is left in `bytes` is
    /// nothing to be used.
    pub(super) fn open(&self, bytes: &mut Vec<u8>, first: u64, count: u64) -> Result<(), CryptoError> {
        let mut opened = 0;
        let mut sealed = 0;
        let mut position = first;
        while sealed < bytes.len() {
            let end = bytes.len().min(sealed + self.cut.0 + TAG_LEN);
            // It is moved to where the one before ended: what lies between was its tag.
            let place = bytes.get_mut(opened..end).unwrap_or_default();
            let nonce = nonce(position, count)?;
            opened += self.cipher.open_segment(nonce, &self.associated, place, sealed - opened)?;
            sealed = end;
            position += 1;
        }
        bytes.truncate(opened);
        Ok(())
    }
}

/// The nonce of a segment, of `count`.
fn nonce(position: u64, count: u64) -> Result<[u8; NONCE_LEN], CryptoError> {
    let number = u32::try_from(position).map_err(|_| CryptoError::Malformed("object"))?;
    let [a, b, c, d] = number.to_be_bytes();
    Ok([0, 0, 0, 0, 0, 0, 0, a, b, c, d, u8::from(position + 1 == count)])
}
