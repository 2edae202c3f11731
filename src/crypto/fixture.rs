//! Fixed keys for this layer's tests.

use std::sync::atomic::{AtomicU8, Ordering};

use super::keyring::Keyring;
use crate::ambient::Entropy;

/// Gives the bytes 0, 1, 2 … 255, 0 … one after the other.
#[derive(Debug, Default)]
pub(super) struct Counting(AtomicU8);

impl Entropy for Counting {
    fn fill(&self, buf: &mut [u8]) {
        buf.fill_with(|| self.0.fetch_add(1, Ordering::Relaxed));
    }
}

/// A keyring from [`Counting`], and the source to go on with. In order of drawing: device secret 0.., epoch id
/// 32.., epoch key 40.., vault secret 72.., vault id 104..; the next byte is 120.
pub(super) fn keyring() -> (Keyring, Counting) {
    let entropy = Counting::default();
    (Keyring::generate(&entropy), entropy)
}

/// Bytes that do not compress.
pub(super) fn noise(len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    blake3::Hasher::new().update(b"noise").finalize_xof().fill(&mut bytes);
    bytes
}

/// Bytes that do.
pub(super) fn text(len: usize) -> Vec<u8> {
    b"what you saved is never lost; ".iter().copied().cycle().take(len).collect()
}
