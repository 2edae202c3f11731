//! Data for the tests of contents.

/// `len` bytes without any pattern, the same for each `seed`.
pub(super) fn noise(seed: u8, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    blake3::Hasher::new_keyed(&[seed; 32]).finalize_xof().fill(&mut bytes);
    bytes
}
