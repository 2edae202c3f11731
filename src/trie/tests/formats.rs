//! Bytes of trie objects: what they are, and that nothing else passes.

use proptest::prelude::*;

use super::super::node::{Branch, Node, encode_leaf};
use super::super::{Child, Malformed, Prefix, TrieError, inspect};
use super::{Bytes, forest, numbered, spread, trie_of};
use crate::crypto::{ObjectId, ObjectKind};

fn branch() -> impl Strategy<Value = Branch> {
    let children = prop::collection::btree_map(0..16u8, (any::<[u8; 32]>(), 1..1u64 << 50), 2..=16);
    (any::<[u8; 16]>(), 0..32u8, children).prop_map(|(key, len, children)| {
        let prefix = Prefix::of(&key, len);
        let child = |(step, (id, count))| Child { id: ObjectId(id), count, prefix: prefix.then(step) };
        Branch { prefix, children: children.into_iter().map(child).collect() }
    })
}

/// Whatever `bytes` decode to encodes to them again.
fn means_what_it_says(bytes: &[u8]) -> bool {
    match Node::<Bytes>::decode(bytes) {
        Ok(Node::Branch(branch)) => branch.encode() == bytes,
        // Leaves are held to it by `inspect`.
        Ok(Node::Leaf(_)) | Err(_) => true,
    }
}

proptest! {
    #[test]
    fn branches_come_back_to_the_byte(branch in branch()) {
        let mut bytes = branch.encode();
        let Ok(Node::Branch(back)) = Node::<Bytes>::decode(&bytes) else { panic!("not a branch") };
        prop_assert_eq!(&back, &branch);
        for cut in 0..bytes.len() {
            prop_assert!(Node::<Bytes>::decode(&bytes[..cut]).is_err(), "cut at {}", cut);
        }
        bytes.push(0);
        prop_assert!(Node::<Bytes>::decode(&bytes).is_err());
    }

    #[test]
    fn mangled_branches_are_refused_or_mean_what_they_say(
        branch in branch(),
        at in any::<prop::sample::Index>(),
        flip in 1u8..,
    ) {
        let mut bytes = branch.encode();
        let at = at.index(bytes.len());
        bytes[at] ^= flip;
        prop_assert!(means_what_it_says(&bytes));
    }

    #[test]
    fn noise_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
        prop_assert!(means_what_it_says(&bytes));
        let anywhere = Child { id: ObjectId([0; 32]), count: 1, prefix: Prefix::EMPTY };
        let _ = inspect::<Bytes>(&anywhere, &bytes);
    }
}

#[test]
fn known_bytes_of_a_branch() {
    let prefix = Prefix::of(&[0xab, 0xc0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], 3);
    let child = |step, count| Child { id: ObjectId([step; 32]), count, prefix: prefix.then(step) };
    let branch = Branch { prefix, children: vec![child(1, 5), child(15, 300)] };
    let mut expected = vec![1, 3, 0xab, 0xc0, 0b0000_0010, 0b1000_0000];
    expected.extend([1; 32]);
    expected.push(5);
    expected.extend([15; 32]);
    expected.extend([0xac, 0x02]);
    assert_eq!(branch.encode(), expected);
}

#[test]
fn the_root_of_a_known_map() {
    let (_, forest) = forest();
    let trie = trie_of(&forest, &numbered(0..1000));
    assert_eq!(
        trie.root.unwrap().to_string(),
        "54cff645f67c4b3e6381d5421a7fcbfd6238ab4bcaf4bdd659a4e4aa08e02667"
    );
}

fn leaf(range: std::ops::Range<u32>) -> Vec<u8> {
    encode_leaf::<Bytes>(&numbered(range).into_iter().collect::<Vec<_>>())
}

fn at_root(count: u64) -> Child {
    Child { id: ObjectId([0; 32]), count, prefix: Prefix::EMPTY }
}

#[test]
fn leaves_out_of_shape_are_refused() {
    assert!(inspect::<Bytes>(&at_root(64), &leaf(0..64)).is_ok());
    let too_many = Err(Malformed("leaf with too many entries"));
    assert_eq!(inspect::<Bytes>(&at_root(65), &leaf(0..65)), too_many);
    let wrong_count = Err(Malformed("count differs from the parent's"));
    assert_eq!(inspect::<Bytes>(&at_root(63), &leaf(0..64)), wrong_count);
    assert_eq!(inspect::<Bytes>(&at_root(0), &leaf(0..0)), Err(Malformed("empty leaf")));

    let backwards: Vec<_> = numbered(0..2).into_iter().rev().collect();
    let unordered = Err(Malformed("leaf out of order"));
    assert_eq!(inspect::<Bytes>(&at_root(2), &encode_leaf::<Bytes>(&backwards)), unordered);

    let elsewhere = Child { prefix: Prefix::of(&spread(0), 4), ..at_root(2) };
    let misplaced = Err(Malformed("not below its parent"));
    assert_eq!(inspect::<Bytes>(&elsewhere, &leaf(0..2)), misplaced);
}

#[test]
fn values_name_their_objects() {
    let entries = [(spread(1), vec![9; 32])];
    let inspected = inspect::<Bytes>(&at_root(1), &encode_leaf::<Bytes>(&entries)).unwrap();
    assert_eq!(inspected.references, [(ObjectId([9; 32]), ObjectKind::List)]);
}

#[test]
fn a_missing_object_is_named() {
    let (objects, forest) = forest();
    let trie = trie_of(&forest, &numbered(0..1000));
    objects.forget(&trie.root.unwrap());
    let fresh = super::Forest::<Bytes>::new(objects, 8 << 20);
    assert!(matches!(fresh.find(&trie, &spread(1)), Err(TrieError::Objects(_))));
    assert_eq!(fresh.iter(&trie, ..).count(), 1, "one error, then the end");
}
