//! Round trips, the format as it stands, and what is refused.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;

use super::NodeCodec;
use crate::crypto::ObjectId;
use crate::trie::{Key, LeafCodec};
use crate::vault::{Attr, Content, Data, Kind, Name, Node, NodeId, Place, ReplicaId, Stamp, Versions};

fn stamps() -> impl Strategy<Value = Stamp> {
    (1u64..1 << 40, 0u8..4).prop_map(|(lamport, replica)| Stamp { lamport, replica: ReplicaId([replica; 8]) })
}

fn versions<T: Clone + std::fmt::Debug>(
    value: impl Strategy<Value = T>,
    most: usize,
) -> impl Strategy<Value = Versions<T>> {
    vec((stamps(), value), 1..=most).prop_map(|all| all.into_iter().collect())
}

fn places() -> impl Strategy<Value = Place> {
    let slot =
        (0u8..3, "[a-c.]{1,4}x").prop_map(|(parent, name)| (NodeId([parent; 16]), Name::new(name).unwrap()));
    (slot, proptest::option::of(vec(stamps(), 0..3))).prop_map(|((parent, name), gone)| match gone {
        None => Place::At { parent, name },
        Some(mut covers) => {
            covers.sort();
            covers.dedup();
            Place::Gone { parent, name, covers }
        }
    })
}

fn attrs() -> impl Strategy<Value = Attr> {
    let xattrs = btree_map(vec(any::<u8>(), 1..4), vec(any::<u8>(), 0..4), 0..2);
    (0u32..0o10000, any::<u32>(), any::<u32>(), any::<i64>(), any::<i64>(), xattrs)
        .prop_map(|(mode, uid, gid, mtime, birth, xattrs)| Attr { mode, uid, gid, mtime, birth, xattrs })
}

fn data() -> impl Strategy<Value = Data> {
    prop_oneof![
        vec(any::<u8>(), 0..40).prop_map(Data::inline),
        (any::<[u8; 32]>(), 600u32..1000)
            .prop_map(|(id, len)| Data::Content(Content::Chunk { id: ObjectId(id), len })),
        vec(any::<u8>(), 0..9).prop_map(Data::Target),
        (any::<bool>(), any::<u64>()).prop_map(|(block, rdev)| Data::Device { block, rdev }),
        Just(Data::Pipe),
        Just(Data::Socket),
    ]
}

fn nodes() -> impl Strategy<Value = Node> {
    (versions(places(), 3), versions(attrs(), 2), proptest::option::of(data()), vec(stamps(), 1..3)).prop_map(
        |(places, attr, data, stamps)| match data {
            None => Node { kind: Kind::Directory, places, attr, data: Versions::default() },
            Some(data) => {
                let versions = stamps.into_iter().map(|stamp| (stamp, data.clone())).collect();
                Node { kind: data.kind(), places, attr, data: versions }
            }
        },
    )
}

fn leaves() -> impl Strategy<Value = Vec<(Key, Arc<Node>)>> {
    btree_map(any::<[u8; 16]>(), nodes().prop_map(Arc::new), 0..6).prop_map(|map| map.into_iter().collect())
}

fn fresh_file() -> Node {
    let stamp = Stamp { lamport: 300, replica: ReplicaId([7; 8]) };
    let attr = Attr { mode: 0o644, uid: 1000, gid: 1000, mtime: 1, birth: 1, xattrs: BTreeMap::new() };
    Node {
        kind: Kind::File,
        places: Versions::one(stamp, Place::At { parent: NodeId::ROOT, name: Name::new("a").unwrap() }),
        attr: Versions::one(stamp, attr),
        data: Versions::one(stamp, Data::inline("hi")),
    }
}

proptest! {
    #[test]
    fn what_was_encoded_is_decoded(leaf in leaves()) {
        prop_assert_eq!(NodeCodec::decode(&NodeCodec::encode(&leaf)).unwrap(), leaf);
    }

    #[test]
    fn no_prefix_and_no_extension_is_a_leaf(leaf in leaves(), cut in any::<prop::sample::Index>()) {
        let mut bytes = NodeCodec::encode(&leaf);
        prop_assert!(NodeCodec::decode(&bytes[..cut.index(bytes.len())]).is_err());
        bytes.push(0);
        prop_assert!(NodeCodec::decode(&bytes).is_err());
    }

    #[test]
    fn mangled_bytes_are_refused_or_another_leaf(leaf in leaves(), at in any::<prop::sample::Index>(), bit in 0u8..8) {
        let mut bytes = NodeCodec::encode(&leaf);
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        if let Ok(other) = NodeCodec::decode(&bytes) {
            prop_assert_ne!(other, leaf);
        }
    }
}

#[test]
fn the_bytes_of_a_fresh_file() {
    let bytes = NodeCodec::encode(&[([5; 16], Arc::new(fresh_file()))]);
    let mut expected = vec![1, 1];
    expected.extend([7; 8]);
    expected.push(1);
    expected.extend([0; 16]);
    expected.push(1);
    expected.extend([5; 16]);
    expected.extend([0b1_1000, 0, 0xAC, 0x02]); // file, one version each, one stamp: replica 0, lamport 300
    expected.extend([0, 1, b'a']); // parent 0, name
    expected.extend([0xA4, 0x03, 0xE8, 0x07, 0xE8, 0x07]); // mode, uid, gid
    expected.extend([1, 0, 0, 0, 0, 0, 0, 0, 0, 0]); // mtime, birth as old, no xattrs
    expected.extend([0, 1, 2, b'h', b'i']); // content, inline
    assert_eq!(bytes, expected);
}

#[test]
fn a_file_takes_about_a_hundred_bytes() {
    let leaf: Vec<_> = (0u8..64)
        .map(|index| {
            let mut node = fresh_file();
            let stamp = Stamp { lamport: 1_000_000 + u64::from(index), replica: ReplicaId([7; 8]) };
            let name = Name::new(format!("photo-{index:05}.jpeg")).unwrap();
            node.places = Versions::one(stamp, Place::At { parent: NodeId([9; 16]), name });
            node.attr = Versions::one(stamp, node.attr.winner().unwrap().1.clone());
            let content = Content::Chunk { id: ObjectId([index; 32]), len: 100_000 };
            node.data = Versions::one(stamp, Data::Content(content));
            ([index; 16], Arc::new(node))
        })
        .collect();
    let each = NodeCodec::encode(&leaf).len() / leaf.len();
    assert!(each < 100, "{each} bytes");
}
