//! Reading fixed-size fields off a byte string, bounded.

use super::error::CryptoError;

/// The unread rest of an encoded structure. All integers are little-endian.
pub(super) struct Cursor<'a> {
    rest: &'a [u8],
    what: &'static str,
}

impl<'a> Cursor<'a> {
    /// Over `bytes`; `what` names the structure in errors.
    pub(super) fn new(bytes: &'a [u8], what: &'static str) -> Self {
        Cursor { rest: bytes, what }
    }

    /// The next `N` bytes.
    pub(super) fn array<const N: usize>(&mut self) -> Result<&'a [u8; N], CryptoError> {
        let (head, rest) = self.rest.split_first_chunk::<N>().ok_or(self.malformed())?;
        self.rest = rest;
        Ok(head)
    }

    pub(super) fn u8(&mut self) -> Result<u8, CryptoError> {
        self.array::<1>().map(|[byte]| *byte)
    }

    pub(super) fn u32(&mut self) -> Result<u32, CryptoError> {
        self.array().map(|bytes| u32::from_le_bytes(*bytes))
    }

    /// A count of items of at least `item` bytes each, refused when the rest cannot hold them.
    pub(super) fn count(&mut self, item: usize) -> Result<usize, CryptoError> {
        let count = self.u32()? as usize;
        if count > self.rest.len() / item { Err(self.malformed()) } else { Ok(count) }
    }

    /// The error for a structure that makes no sense.
    pub(super) fn malformed(&self) -> CryptoError {
        CryptoError::Malformed(self.what)
    }

    /// Fails if anything is left.
    pub(super) fn end(self) -> Result<(), CryptoError> {
        if self.rest.is_empty() { Ok(()) } else { Err(self.malformed()) }
    }
}

/// A count as [`Cursor::count`] reads it.
pub(super) fn encode_count(count: usize) -> [u8; 4] {
    // No list here comes near 2^32 items; one that did would fail to decode, not be cut silently.
    u32::try_from(count).unwrap_or(u32::MAX).to_le_bytes()
}
