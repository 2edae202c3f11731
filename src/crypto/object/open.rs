//! Opening an object, or a range of it.

use std::ops::Range;

use super::super::error::CryptoError;
use super::super::keyring::Keyring;
use super::compress;
use super::header::{ObjectHeader, SealedObject};
use super::segments::{SEGMENT_LEN, Segments, TAG_LEN, sealed_len, segment_count};

/// The plaintext of an object. Its tags say that whoever sealed it had the data key and gave it this id; that
/// the id fits the plaintext is checked by [`open_verified`].
///
/// # Errors
/// [`CryptoError::UnknownEpoch`], [`CryptoError::WrongKeyOrDamaged`], those of [`ObjectHeader::check`], and
/// [`CryptoError::WrongContent`] where compressed content is not as long as declared.
pub fn open(keyring: &Keyring, sealed: &SealedObject) -> Result<Vec<u8>, CryptoError> {
    open_body(keyring, &sealed.header, &sealed.body)
}

fn open_body(keyring: &Keyring, header: &ObjectHeader, body: &[u8]) -> Result<Vec<u8>, CryptoError> {
    header.check()?;
    let whole = sealed_len(header.plain_len);
    let fits = if header.is_compressed() { body.len() as u64 <= whole } else { body.len() as u64 == whole };
    if !fits || body.is_empty() {
        return Err(CryptoError::WrongKeyOrDamaged);
    }
    let data_key = keyring.epoch(&header.epoch)?.wrap().unwrap(&header.wrapped)?;
    let count = (body.len() as u64).div_ceil((SEGMENT_LEN + TAG_LEN) as u64);
    let content = Segments::new(&data_key, &header.associated()).open(body, 0, count)?;
    if !header.is_compressed() {
        return Ok(content);
    }
    // The tags fit, so this is what was sealed: whoever did so did not seal what the header says.
    compress::decompress(&content, header.plain_len).ok_or(CryptoError::WrongContent(header.id))
}

/// As [`open`], and checks the id: for what comes from a peer, before it is stored or acknowledged.
///
/// # Errors
/// Those of [`open`], and [`CryptoError::WrongContent`].
pub fn open_verified(keyring: &Keyring, sealed: &SealedObject) -> Result<Vec<u8>, CryptoError> {
    let plaintext = open(keyring, sealed)?;
    if keyring.content_keys().object_id(sealed.header.kind, &plaintext) != sealed.header.id {
        return Err(CryptoError::WrongContent(sealed.header.id));
    }
    Ok(plaintext)
}

/// A range of the plaintext of an object that is not compressed, opening only the segments it touches.
/// `read_body` is asked once for a range of the body's bytes.
///
/// # Errors
/// Those of [`open`] and of `read_body`; [`CryptoError::Compressed`], [`CryptoError::OutOfRange`].
pub fn open_range<E: From<CryptoError>>(
    keyring: &Keyring,
    header: &ObjectHeader,
    range: Range<u32>,
    read_body: impl FnOnce(Range<u64>) -> Result<Vec<u8>, E>,
) -> Result<Vec<u8>, E> {
    header.check()?;
    if header.is_compressed() {
        return Err(CryptoError::Compressed.into());
    }
    if range.start > range.end || range.end > header.plain_len {
        return Err(CryptoError::OutOfRange.into());
    }
    if range.is_empty() {
        return Ok(Vec::new());
    }
    let data_key = keyring.epoch(&header.epoch)?.wrap().unwrap(&header.wrapped)?;
    let touched = Touched::new(&range, header.plain_len);
    let sealed = read_body(touched.body.clone())?;
    if sealed.len() as u64 != touched.body.end - touched.body.start {
        return Err(CryptoError::WrongKeyOrDamaged.into());
    }
    let count = segment_count(header.plain_len.into());
    let mut content =
        Segments::new(&data_key, &header.associated()).open(&sealed, touched.first_segment, count)?;
    content.truncate(touched.within.end);
    content.drain(..touched.within.start.min(content.len()));
    Ok(content)
}

/// The segments that a range touches.
struct Touched {
    first_segment: u64,
    /// Where they lie in the body.
    body: Range<u64>,
    /// Where the range lies in their plaintext.
    within: Range<usize>,
}

impl Touched {
    fn new(range: &Range<u32>, plain_len: u32) -> Self {
        const SEALED: u64 = (SEGMENT_LEN + TAG_LEN) as u64;
        let first_segment = u64::from(range.start) / SEGMENT_LEN as u64;
        let past_last = u64::from(range.end).div_ceil(SEGMENT_LEN as u64);
        let start = range.start as usize % SEGMENT_LEN;
        Touched {
            first_segment,
            body: first_segment * SEALED..(past_last * SEALED).min(sealed_len(plain_len)),
            within: start..start + range.len(),
        }
    }
}
