//! A body in segments: the STREAM construction (Hoang, Reyhanitabar, Rogaway, Vizár 2015) over AES-256-GCM.
//!
//! Each segment has its position and whether it is the last in its nonce, so segments cannot be moved, dropped
//! or added, and any one can be opened alone. The rest of the nonce is zero: a data key seals one body only.

use aead_stream::aead::{self, Buffer};
use aead_stream::{NewStream, StreamBE32, StreamPrimitive};
use aes_gcm::{Aes256Gcm, KeyInit};

use super::super::derive::Key;
use super::super::error::CryptoError;

/// Bytes of a segment before it is sealed. Also what a small random read decrypts at least.
pub const SEGMENT_LEN: usize = 32 << 10;
/// Bytes that sealing adds to a segment.
pub const TAG_LEN: usize = 16;

/// How many segments `len` bytes take: at least one, so that nothing is authenticated too.
pub(super) fn segment_count(len: u64) -> u64 {
    len.div_ceil(SEGMENT_LEN as u64).max(1)
}

/// Bytes of the body that `len` bytes are sealed into.
pub fn sealed_len(len: u32) -> u64 {
    u64::from(len) + segment_count(u64::from(len)) * TAG_LEN as u64
}

/// Seals and opens the segments of one body.
pub(super) struct Segments<'a> {
    stream: StreamBE32<Aes256Gcm>,
    associated: &'a [u8],
}

impl<'a> Segments<'a> {
    pub(super) fn new(data_key: &Key, associated: &'a [u8]) -> Self {
        let aead = Aes256Gcm::new((&**data_key).into());
        Segments { stream: StreamBE32::from_aead(aead, &Default::default()), associated }
    }

    /// All segments of `content`.
    pub(super) fn seal(&self, content: &[u8]) -> Result<Vec<u8>, CryptoError> {
        let count = segment_count(content.len() as u64);
        let mut body = Vec::with_capacity(content.len() + count as usize * TAG_LEN);
        let mut rest = content;
        for position in 0..count {
            let segment = rest.split_off(..SEGMENT_LEN.min(rest.len())).unwrap_or_default();
            let mut tail = Tail { start: body.len(), bytes: &mut body };
            tail.bytes.extend_from_slice(segment);
            self.stream
                .encrypt_in_place(counter(position)?, position + 1 == count, self.associated, &mut tail)
                .map_err(|_| CryptoError::Malformed("object"))?;
        }
        Ok(body)
    }

    /// Opens consecutive whole segments: `sealed` begins with segment `first`, and `count` is how many the body
    /// has in all. Every byte of `sealed` must belong to one of them.
    pub(super) fn open(&self, sealed: &[u8], first: u64, count: u64) -> Result<Vec<u8>, CryptoError> {
        let mut content = Vec::with_capacity(sealed.len());
        let mut rest = sealed;
        let mut position = first;
        while !rest.is_empty() {
            let segment = rest.split_off(..(SEGMENT_LEN + TAG_LEN).min(rest.len())).unwrap_or_default();
            let mut tail = Tail { start: content.len(), bytes: &mut content };
            tail.bytes.extend_from_slice(segment);
            self.stream
                .decrypt_in_place(counter(position)?, position + 1 == count, self.associated, &mut tail)
                .map_err(|_| CryptoError::WrongKeyOrDamaged)?;
            position += 1;
        }
        Ok(content)
    }
}

fn counter(position: u64) -> Result<u32, CryptoError> {
    u32::try_from(position).map_err(|_| CryptoError::Malformed("object"))
}

/// The end of a vector as a buffer of its own, so that segments are sealed where they will lie.
struct Tail<'v> {
    bytes: &'v mut Vec<u8>,
    start: usize,
}

impl AsRef<[u8]> for Tail<'_> {
    fn as_ref(&self) -> &[u8] {
        self.bytes.get(self.start..).unwrap_or_default()
    }
}

impl AsMut<[u8]> for Tail<'_> {
    fn as_mut(&mut self) -> &mut [u8] {
        self.bytes.get_mut(self.start..).unwrap_or_default()
    }
}

impl Buffer for Tail<'_> {
    fn extend_from_slice(&mut self, other: &[u8]) -> aead::Result<()> {
        self.bytes.extend_from_slice(other);
        Ok(())
    }

    fn truncate(&mut self, len: usize) {
        self.bytes.truncate(self.start + len);
    }
}
