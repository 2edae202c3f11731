//! One trie object, decoded: a leaf or a branch, and its bytes.
//!
//! Everything here comes from disk or from a peer: decoding is bounded by the input and refuses all but the
//! one encoding.
#![deny(clippy::indexing_slicing)]

use super::prefix::{KEY_NIBBLES, common_nibbles};
use super::wire::{Reader, put_varint};
use super::{Child, Key, LEAF_BYTES, LEAF_ENTRIES, LeafCodec, Malformed, Prefix};

const TAG_LEAF: u8 = 0;
const TAG_BRANCH: u8 = 1;

/// A trie object.
#[derive(Debug)]
pub(crate) enum Node<C: LeafCodec> {
    /// Entries in ascending order of their keys; at least one.
    Leaf(Vec<(Key, C::Value)>),
    /// Two subtrees or more.
    Branch(Branch),
}

/// A branch at the longest common prefix of all keys below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Branch {
    /// That prefix.
    pub(crate) prefix: Prefix,
    /// The subtrees in order of their next nibble; each child's prefix is `prefix` and that nibble.
    pub(crate) children: Vec<Child>,
}

impl Branch {
    pub(crate) fn count(&self) -> u64 {
        self.children.iter().fold(0, |sum, child| sum.saturating_add(child.count))
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(20 + self.children.len() * 36);
        out.extend([TAG_BRANCH, self.prefix.len()]);
        let whole = self.prefix.first_key();
        out.extend(whole.iter().take(usize::from(self.prefix.len().div_ceil(2))));
        let bits = self.children.iter().fold(0u16, |bits, child| bits | 1 << self.step(child));
        out.extend(bits.to_le_bytes());
        for child in &self.children {
            out.extend(child.id.0);
            put_varint(&mut out, child.count);
        }
        out
    }

    /// The nibble that leads to a child of this branch.
    pub(crate) fn step(&self, child: &Child) -> u8 {
        super::prefix::nibble(&child.prefix.first_key(), self.prefix.len())
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Branch, Malformed> {
        let prefix = decode_prefix(reader)?;
        let bits = u16::from_le_bytes(reader.array()?);
        if bits.count_ones() < 2 {
            return Err(Malformed("branch with fewer than two children"));
        }
        let mut children = Vec::with_capacity(16);
        let mut total = 0u64;
        for step in (0..16u8).filter(|step| bits & (1 << step) != 0) {
            let (id, count) = (reader.id()?, reader.varint()?);
            if count == 0 {
                return Err(Malformed("empty child"));
            }
            total = total.checked_add(count).ok_or(Malformed("count too large"))?;
            children.push(Child { id, count, prefix: prefix.then(step) });
        }
        reader.end()?;
        Ok(Branch { prefix, children })
    }
}

fn decode_prefix(reader: &mut Reader<'_>) -> Result<Prefix, Malformed> {
    let len = reader.u8()?;
    if len >= KEY_NIBBLES {
        return Err(Malformed("prefix too long"));
    }
    let mut key: Key = [0; 16];
    for (slot, byte) in key.iter_mut().zip(reader.take(usize::from(len.div_ceil(2)))?) {
        *slot = *byte;
    }
    let prefix = Prefix::of(&key, len);
    if prefix.first_key() == key { Ok(prefix) } else { Err(Malformed("bits after the prefix")) }
}

impl<C: LeafCodec> Node<C> {
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes);
        match reader.u8()? {
            TAG_LEAF => {
                let entries = C::decode(reader.rest())?;
                let ordered = entries.windows(2).all(|pair| matches!(pair, [a, b] if a.0 < b.0));
                match entries.len() {
                    0 => Err(Malformed("empty leaf")),
                    n if n > LEAF_ENTRIES => Err(Malformed("leaf with too many entries")),
                    n if n > 1 && bytes.len() > LEAF_BYTES => Err(Malformed("leaf too large")),
                    _ if !ordered => Err(Malformed("leaf out of order")),
                    _ => Ok(Node::Leaf(entries)),
                }
            }
            TAG_BRANCH => Branch::decode(&mut reader).map(Node::Branch),
            _ => Err(Malformed("neither leaf nor branch")),
        }
    }

    /// How many entries are below.
    pub(crate) fn count(&self) -> u64 {
        match self {
            Node::Leaf(entries) => entries.len() as u64,
            Node::Branch(branch) => branch.count(),
        }
    }

    /// Checks that this is what `child`, found in a parent, says it is.
    pub(crate) fn check_place(&self, child: &Child) -> Result<(), Malformed> {
        if self.count() != child.count {
            return Err(Malformed("count differs from the parent's"));
        }
        let below = match self {
            Node::Leaf(entries) => entries.iter().all(|(key, _)| child.prefix.holds(key)),
            Node::Branch(branch) => branch.prefix.starts_with(&child.prefix),
        };
        if below { Ok(()) } else { Err(Malformed("not below its parent")) }
    }
}

/// The bytes of a leaf object.
pub(crate) fn encode_leaf<C: LeafCodec>(entries: &[(Key, C::Value)]) -> Vec<u8> {
    let body = C::encode(entries);
    let mut out = Vec::with_capacity(body.len() + 1);
    out.push(TAG_LEAF);
    out.extend(body);
    out
}

/// The longest common prefix of entries in ascending order.
pub(crate) fn common_prefix<V>(entries: &[(Key, V)]) -> Prefix {
    match (entries.first(), entries.last()) {
        (Some((first, _)), Some((last, _))) => Prefix::of(first, common_nibbles(first, last)),
        _ => Prefix::EMPTY,
    }
}
