//! How a leaf's entries become bytes: the part of the trie its user brings.

use super::{Key, Malformed};
use crate::crypto::{ObjectId, ObjectKind};

/// Encodes the entries of a leaf, and knows which objects a value names.
///
/// The encoding must be canonical: `encode` is a function of the entries alone, and `decode` accepts nothing
/// but what `encode` makes (the trie checks objects of peers by encoding again, so a `decode` that is laxer
/// than that is harmless, only slower to refuse). Decoding must be bounded by the length of its input.
pub trait LeafCodec: Send + Sync + 'static {
    /// What is kept under a key.
    type Value: Clone + PartialEq + Send + Sync + std::fmt::Debug;

    /// The bytes of entries in ascending order of their keys.
    fn encode(entries: &[(Key, Self::Value)]) -> Vec<u8>;

    /// The entries that `bytes` stand for, exactly to the last byte.
    ///
    /// # Errors
    /// Whatever is not an encoding.
    fn decode(bytes: &[u8]) -> Result<Vec<(Key, Self::Value)>, Malformed>;

    /// Calls `visit` with each object a value names directly, not with those below them.
    fn references(value: &Self::Value, visit: &mut dyn FnMut(ObjectId, ObjectKind));
}
