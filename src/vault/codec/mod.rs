//! Nodes as bytes: the leaves of the trie. Format: `docs/specs/vault-format.md`, "Nodes".
//!
//! Tight, since a vault has as many nodes as files: what the nodes of a leaf share (replicas, parents) stands
//! once per leaf in ascending tables; a node of which each field has one version, as nearly all have, says so
//! in one bit, and that all were written at once in another. Numbers are LEB128.
//!
//! Canonical: equal nodes are equal bytes. Decoding is bounded by its input and refuses all that encoding
//! does not make.
#![deny(clippy::indexing_slicing)]

mod decode;
mod encode;

use std::sync::Arc;

use super::{Data, Node};
use crate::crypto::{ObjectId, ObjectKind};
use crate::trie::{Key, LeafCodec, Malformed};

/// First byte of a leaf.
const VERSION: u8 = 1;
/// The low bits of a node's first byte: its kind.
const KIND: u8 = 0b0111;
/// Each field has exactly one version (a directory's data none), and the place is a name.
const SINGLE: u8 = 0b1000;
/// All under one stamp.
const SAME: u8 = 0b1_0000;

const AT: u8 = 0;
const GONE: u8 = 1;

const CONTENT: u8 = 0;
const TARGET: u8 = 1;
const BLOCK: u8 = 2;
const CHARACTER: u8 = 3;
const PIPE: u8 = 4;
const SOCKET: u8 = 5;

/// The leaf codec of a vault's trie.
#[derive(Clone, Copy, Debug, Default)]
pub struct NodeCodec;

impl LeafCodec for NodeCodec {
    type Value = Arc<Node>;

    fn encode(entries: &[(Key, Arc<Node>)]) -> Vec<u8> {
        encode::leaf(entries)
    }

    fn decode(bytes: &[u8]) -> Result<Vec<(Key, Arc<Node>)>, Malformed> {
        decode::leaf(bytes)
    }

    fn references(node: &Arc<Node>, visit: &mut dyn FnMut(ObjectId, ObjectKind)) {
        for (_, data) in node.data.iter() {
            if let Data::Content(content) = data
                && let Some((id, kind)) = content.object()
            {
                visit(id, kind);
            }
        }
    }
}

#[cfg(test)]
mod tests;
