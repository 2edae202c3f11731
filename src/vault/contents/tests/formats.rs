//! Bytes of contents and lists: what they are, and that nothing else passes.

use proptest::prelude::*;

use super::super::Content;
use super::super::limits::{MAX_CHUNK, MAX_LIST, MIN_HOLE, MIN_LIST};
use super::super::list::{Entry, List, encode, inspect_list};
use super::{contents, stripes, write};
use crate::crypto::ObjectId;
use crate::trie::Malformed;

fn content() -> impl Strategy<Value = Content> {
    let id = || any::<[u8; 32]>().prop_map(ObjectId);
    prop_oneof![
        Just(Content::Empty),
        prop::collection::vec(any::<u8>(), 1..=512).prop_map(Content::Inline),
        (id(), 513..=MAX_CHUNK as u32).prop_map(|(id, len)| Content::Chunk { id, len }),
        (id(), 513..1u64 << 63, 1..=8u8).prop_map(|(id, len, depth)| Content::List { id, len, depth }),
        (MIN_HOLE..1 << 63).prop_map(|len| Content::Hole { len }),
    ]
}

fn entries(level: u8) -> impl Strategy<Value = Vec<Entry>> {
    let chunk = (any::<[u8; 32]>(), 1..=MAX_CHUNK as u64).prop_map(|(mut id, len)| {
        id[31] |= 1;
        Entry { target: Some(ObjectId(id)), len }
    });
    let hole = (MIN_HOLE..1 << 40).prop_map(|len| Entry { target: None, len });
    prop::collection::vec((chunk, prop::option::weighted(0.3, hole)), 1..100).prop_map(move |pairs| {
        let with_holes = pairs.into_iter().flat_map(|(chunk, hole)| [Some(chunk), hole]).flatten();
        with_holes.filter(|entry| level == 1 || entry.target.is_some()).collect()
    })
}

proptest! {
    #[test]
    fn contents_come_back(content in content(), after in prop::collection::vec(any::<u8>(), 0..9)) {
        let mut bytes = Vec::new();
        content.encode(&mut bytes);
        for cut in 0..bytes.len() {
            prop_assert!(Content::decode(&bytes[..cut]).is_err(), "cut at {}", cut);
        }
        bytes.extend(&after);
        prop_assert_eq!(Content::decode(&bytes), Ok((content.clone(), &after[..])));
        let journalled = postcard::to_stdvec(&content).unwrap();
        prop_assert_eq!(postcard::from_bytes::<Content>(&journalled).unwrap(), content);
    }

    #[test]
    fn lists_come_back_to_the_byte(
        (level, entries) in (1..=8u8).prop_flat_map(|level| (Just(level), entries(level))),
    ) {
        let bytes = encode(level, &entries);
        let list = List::decode(&bytes).unwrap();
        prop_assert_eq!((list.level, &list.entries), (level, &entries));
        for cut in 0..bytes.len() {
            if let Ok(shorter) = List::decode(&bytes[..cut]) {
                prop_assert!(shorter.entries.len() < entries.len());
            }
        }
    }

    #[test]
    fn mangled_lists_are_refused_or_mean_what_they_say(
        entries in entries(1),
        at in any::<prop::sample::Index>(),
        flip in 1u8..,
    ) {
        let mut bytes = encode(1, &entries);
        let at = at.index(bytes.len());
        bytes[at] ^= flip;
        if let Ok(list) = List::decode(&bytes) {
            prop_assert_eq!(encode(list.level, &list.entries), bytes);
        }
    }

    #[test]
    fn noise_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = inspect_list(None, &bytes);
        if let Ok((content, rest)) = Content::decode(&bytes) {
            let mut again = Vec::new();
            content.encode(&mut again);
            prop_assert_eq!(&again[..], &bytes[..bytes.len() - rest.len()]);
        }
    }
}

fn refused(level: u8, entries: &[Entry]) -> bool {
    List::decode(&encode(level, entries)).is_err()
}

#[test]
fn lists_that_cutting_cannot_make_are_refused() {
    let chunk = |last: u8, len: u64| Entry { target: Some(ObjectId([last; 32])), len };
    let hole = |len| Entry { target: None, len };
    assert!(!refused(1, &[chunk(1, 5), hole(MIN_HOLE), chunk(1, 5)]));
    assert!(refused(0, &[chunk(1, 5)]), "level 0");
    assert!(refused(9, &[chunk(1, 5)]), "level 9");
    assert!(refused(1, &[]), "nothing");
    assert!(refused(1, &[chunk(1, 0)]), "an empty chunk");
    assert!(refused(1, &[chunk(1, MAX_CHUNK as u64 + 1)]), "a long chunk");
    assert!(refused(1, &[hole(MIN_HOLE - 1)]), "a short hole");
    assert!(refused(1, &[hole(MIN_HOLE), hole(MIN_HOLE)]), "two holes in a row");
    assert!(refused(2, &[hole(MIN_HOLE)]), "a hole above level 1");
    assert!(refused(1, &[hole(1 << 62), chunk(1, 1), hole(1 << 62)]), "longer than a file");
    assert!(refused(1, &vec![chunk(1, 1); MAX_LIST + 1]), "too many");
    let mut ended = vec![chunk(1, 1); MIN_LIST - 1];
    ended.push(chunk(0, 1));
    assert!(!refused(1, &ended));
    ended.push(chunk(1, 1));
    assert!(refused(1, &ended), "on after its end");
}

#[test]
fn a_list_of_another_level_is_refused() {
    let bytes = encode(2, &[Entry { target: Some(ObjectId([1; 32])), len: 1 }]);
    assert!(inspect_list(Some(2), &bytes).is_ok());
    assert_eq!(
        inspect_list(Some(1), &bytes).unwrap_err(),
        Malformed("list of another level than its parent says")
    );
}

/// The identity of a known content: changes only if the format does.
#[test]
fn known_answer() {
    let (_, contents) = contents();
    let content = write(&contents, &stripes(1, &[2_000_000, 2_000_000, 300_000]));
    let Content::List { id, len: 4_300_000, depth: 1 } = content else { panic!("{content:?}") };
    assert_eq!(id.to_string(), "7f5f9049f46a322c2af2e0754ad5d99270ff80c8d635fd7572db4badf8082b28");
}
