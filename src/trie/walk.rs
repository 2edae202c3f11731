//! What replication needs of single trie objects: are they canonical in their place, and what do they name.

use super::node::{Node, encode_leaf};
use super::{LeafCodec, Malformed, Prefix, Trie};
use crate::crypto::{ObjectId, ObjectKind};

/// A subtree as its parent names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Child {
    /// The subtree's top object.
    pub id: ObjectId,
    /// How many entries it has.
    pub count: u64,
    /// What all its keys begin with, at least.
    pub prefix: Prefix,
}

impl Child {
    /// The expectation a commit puts on its root object; `None` for the empty trie.
    pub fn root(trie: &Trie) -> Option<Child> {
        trie.top()
    }
}

/// What an object names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inspected {
    /// Trie objects below it.
    pub children: Vec<Child>,
    /// Objects that its values name: lists and chunks.
    pub references: Vec<(ObjectId, ObjectKind)>,
}

/// Checks the bytes of an object received for `expected` and says what it names. The id must have been
/// verified already. An object that passes for each child on the way down makes a canonical trie, but for one
/// thing that no single object shows: whether a branch of few entries was too large for a leaf.
///
/// # Errors
/// Everything that is not the canonical encoding, or not what the parent says.
pub fn inspect<C: LeafCodec>(expected: &Child, bytes: &[u8]) -> Result<Inspected, Malformed> {
    let node = Node::<C>::decode(bytes)?;
    node.check_place(expected)?;
    named(node, bytes)
}

/// As [`inspect`], of an object whose place is not known: only its encoding is checked.
///
/// # Errors
/// Everything that is not the canonical encoding.
pub fn inspect_anywhere<C: LeafCodec>(bytes: &[u8]) -> Result<Inspected, Malformed> {
    named(Node::<C>::decode(bytes)?, bytes)
}

fn named<C: LeafCodec>(node: Node<C>, bytes: &[u8]) -> Result<Inspected, Malformed> {
    match node {
        Node::Branch(branch) => Ok(Inspected { children: branch.children, references: Vec::new() }),
        Node::Leaf(entries) => {
            if encode_leaf::<C>(&entries) != bytes {
                return Err(Malformed("leaf in another encoding"));
            }
            let mut references = Vec::new();
            for (_, value) in &entries {
                C::references(value, &mut |id, kind| references.push((id, kind)));
            }
            Ok(Inspected { children: Vec::new(), references })
        }
    }
}
