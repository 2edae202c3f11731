//! Opening an object, or a range of it.

use std::ops::Range;

use super::super::error::CryptoError;
use super::super::keyring::Keyring;
use super::compress;
use super::header::{ObjectHeader, SealedObject};
use super::segments::{Cut, Segments};

/// The plaintext of an object. Its tags say that whoever sealed it had the data key and gave it this id; that
/// the id fits the plaintext is checked by [`open_verified`].
///
/// # Errors
/// [`CryptoError::UnknownEpoch`], [`CryptoError::WrongKeyOrDamaged`], those of [`ObjectHeader::check`], and
/// [`CryptoError::WrongContent`] where compressed content is not as long as declared.
pub fn open(keyring: &Keyring, sealed: SealedObject) -> Result<Vec<u8>, CryptoError> {
    let SealedObject { header, mut body } = sealed;
    open_in_place(keyring, &header, &mut body)?;
    Ok(body)
}

/// Leaves the plaintext in `body`.
fn open_in_place(keyring: &Keyring, header: &ObjectHeader, body: &mut Vec<u8>) -> Result<(), CryptoError> {
    header.check()?;
    let len = body.len() as u64;
    if !header.fits(len) {
        return Err(CryptoError::WrongKeyOrDamaged);
    }
    let data_key = keyring.epoch(&header.epoch)?.wrap().unwrap(&header.wrapped)?;
    Segments::new(&data_key, header)?.open(body, 0, len.div_ceil(header.cut().sealed()))?;
    if header.is_compressed() {
        // The tags fit, so this is what was sealed: whoever did so did not seal what the header says.
        *body = compress::decompress(body, header.plain_len).ok_or(CryptoError::WrongContent(header.id))?;
    }
    Ok(())
}

/// As [`open`], and checks the id: for what comes from a peer, before it is stored or acknowledged. The plaintext lies
/// in `scratch`, whose room is used again from one object to the next.
///
/// # Errors
/// Those of [`open`], and [`CryptoError::WrongContent`].
pub fn open_verified<'s>(
    keyring: &Keyring,
    sealed: &SealedObject,
    scratch: &'s mut Vec<u8>,
) -> Result<&'s [u8], CryptoError> {
    scratch.clear();
    scratch.extend_from_slice(&sealed.body);
    open_in_place(keyring, &sealed.header, scratch)?;
    if keyring.content_keys().object_id(sealed.header.kind, scratch) != sealed.header.id {
        return Err(CryptoError::WrongContent(sealed.header.id));
    }
    Ok(scratch)
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
    let touched = Touched::new(&range, header);
    let mut content = read_body(touched.body.clone())?;
    if content.len() as u64 != touched.body.end - touched.body.start {
        return Err(CryptoError::WrongKeyOrDamaged.into());
    }
    let count = header.cut().count(header.plain_len.into());
    Segments::new(&data_key, header)?.open(&mut content, touched.first_segment, count)?;
    content.truncate(touched.within.end);
    content.drain(..touched.within.start.min(content.len()));
    Ok(content)
}

/// Where in the body of an object `range` of its plaintext lies, if it is not compressed and was sealed as objects are
/// now; the end may be past that of the body. For asking the disk before the header is known.
pub fn likely_place(range: &Range<u32>) -> Range<u64> {
    Cut::FINE.touched(range)
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
    fn new(range: &Range<u32>, header: &ObjectHeader) -> Self {
        let cut = header.cut();
        let start = (u64::from(range.start) % cut.plain()) as usize;
        let body = cut.touched(range);
        Touched {
            first_segment: u64::from(range.start) / cut.plain(),
            body: body.start..body.end.min(cut.sealed_len(header.plain_len)),
            within: start..start + range.len(),
        }
    }
}
