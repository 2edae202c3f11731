//! A path-compressed radix-16 Merkle trie over content-addressed objects, generic over its leaf codec.
//!
//! A [`Trie`] is a map from 16-byte keys to values, named by the id of its root object. Subtrees that fit a
//! leaf are one leaf object; larger ones are a branch at their longest common prefix. The layout is written
//! down in `docs/specs/vault-format.md`, "Trie objects".
//!
//! Invariants:
//! - **The shape depends on the set alone**: equal maps have equal roots, whatever edits made them.
//! - Objects are immutable and saved children first, so a saved root never names something unsaved.
//! - A difference loads only objects that are not common to both sides.
//!
//! This module owns the trait [`Objects`] through which it reaches the store, and the decoded-node cache
//! inside [`Forest`]. It does not know what a value means, and it does not collect garbage.

mod apply;
mod codec;
mod diff;
mod error;
mod forest;
mod iter;
#[cfg(any(test, feature = "testing"))]
mod memory;
mod node;
mod objects;
mod prefix;
mod stored;
#[cfg(test)]
mod tests;
mod walk;
pub(crate) mod wire;

use crate::crypto::ObjectId;

pub use codec::LeafCodec;
pub use error::{Malformed, ObjectsError, TrieError};
pub use forest::Forest;
pub use iter::Iter;
#[cfg(any(test, feature = "testing"))]
pub use memory::MemoryObjects;
pub use objects::Objects;
pub use prefix::Prefix;
pub use walk::{Child, Inspected, inspect, inspect_anywhere};

/// What a trie is keyed by.
pub type Key = [u8; 16];

/// A key with its new value, or `None` to remove it.
pub type Change<V> = (Key, Option<V>);

/// A subtree with at most this many entries is a leaf (if it also fits [`LEAF_BYTES`]). Larger leaves make a
/// one-entry change rewrite more, smaller ones make more objects: 64 entries of about 115 bytes are 7 KiB.
pub const LEAF_ENTRIES: usize = 64;

/// A leaf of two or more entries never encodes to more bytes than this: objects end at 1 MiB, and a few nodes
/// with large extended attributes must not reach it.
pub const LEAF_BYTES: usize = 256 * 1024;

/// A map, by the id of its root object. Two are equal exactly if they hold the same entries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Trie {
    /// The root object; `None` for the empty map.
    pub root: Option<ObjectId>,
    /// How many entries the map has.
    pub count: u64,
}

impl Trie {
    /// The map without entries.
    pub const EMPTY: Trie = Trie { root: None, count: 0 };

    pub(crate) fn top(&self) -> Option<Child> {
        self.root.map(|id| Child { id, count: self.count, prefix: Prefix::EMPTY })
    }
}
