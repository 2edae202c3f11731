//! Nodes as entries of trie leaves.
#![deny(clippy::indexing_slicing)]

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::node::{Attr, Data, Kind, Node, Place};
use super::{Stamp, Versions};
use crate::crypto::{ObjectId, ObjectKind};
use crate::trie::{Key, LeafCodec, Malformed};

/// Encodes leaves of nodes.
#[derive(Clone, Copy, Debug)]
pub struct NodeCodec;

#[derive(Serialize, Deserialize)]
struct Wire {
    kind: Kind,
    places: Vec<(Stamp, Place)>,
    attr: Vec<(Stamp, Attr)>,
    data: Vec<(Stamp, Data)>,
}

impl LeafCodec for NodeCodec {
    type Value = Arc<Node>;

    fn encode(entries: &[(Key, Arc<Node>)]) -> Vec<u8> {
        let wire: Vec<(Key, Wire)> = entries.iter().map(|(key, node)| (*key, Wire::of(node))).collect();
        postcard::to_stdvec(&wire).unwrap_or_default()
    }

    fn decode(bytes: &[u8]) -> Result<Vec<(Key, Arc<Node>)>, Malformed> {
        let wire: Vec<(Key, Wire)> = postcard::from_bytes(bytes).map_err(|_| Malformed("leaf of nodes"))?;
        Ok(wire.into_iter().map(|(key, wire)| (key, Arc::new(wire.node()))).collect())
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

impl Wire {
    fn of(node: &Node) -> Self {
        fn list<T: Clone>(versions: &Versions<T>) -> Vec<(Stamp, T)> {
            versions.iter().map(|(stamp, value)| (stamp, value.clone())).collect()
        }
        Wire { kind: node.kind, places: list(&node.places), attr: list(&node.attr), data: list(&node.data) }
    }

    fn node(self) -> Node {
        Node {
            kind: self.kind,
            places: self.places.into_iter().collect(),
            attr: self.attr.into_iter().collect(),
            data: self.data.into_iter().collect(),
        }
    }
}
