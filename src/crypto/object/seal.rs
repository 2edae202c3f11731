//! Sealing an object.

use super::super::content::ContentKeys;
use super::super::derive::random_key;
use super::super::epoch::Epoch;
use super::super::error::CryptoError;
use super::super::id::{ObjectId, ObjectKind};
use super::compress;
use super::header::{ObjectHeader, SealedObject};
use super::segments::Segments;
use crate::ambient::Entropy;

/// Seals an object: names it, compresses it where that helps, encrypts it under a new data key, and wraps that
/// under `epoch`.
///
/// # Errors
/// [`CryptoError::TooLong`] over [`ObjectKind::max_len`].
pub fn seal(
    keys: &ContentKeys,
    epoch: &Epoch,
    kind: ObjectKind,
    plaintext: &[u8],
    entropy: &dyn Entropy,
) -> Result<SealedObject, CryptoError> {
    seal_named(keys.object_id(kind, plaintext), epoch, kind, plaintext, entropy)
}

/// As [`seal`], for a plaintext whose id is known already.
pub fn seal_named(
    id: ObjectId,
    epoch: &Epoch,
    kind: ObjectKind,
    plaintext: &[u8],
    entropy: &dyn Entropy,
) -> Result<SealedObject, CryptoError> {
    let plain_len = checked_len(kind, plaintext)?;
    let data_key = random_key(entropy);
    let (content, compressed) = compress::pack(kind, plaintext);
    let header = ObjectHeader {
        kind,
        flags: ObjectHeader::flags(compressed),
        epoch: epoch.id(),
        plain_len,
        id,
        wrapped: epoch.wrap().wrap(&data_key),
    };
    let body = Segments::new(&data_key, &header)?.seal(&content)?;
    Ok(SealedObject { header, body })
}

fn checked_len(kind: ObjectKind, plaintext: &[u8]) -> Result<u32, CryptoError> {
    let limit = kind.max_len();
    match u32::try_from(plaintext.len()) {
        Ok(len) if len <= limit => Ok(len),
        _ => Err(CryptoError::TooLong { len: plaintext.len() as u64, limit: limit.into() }),
    }
}
