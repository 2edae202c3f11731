//! Large and sparse contents: many pieces for few bytes, deep lists, lengths up to the last.

use proptest::prelude::*;

use super::super::limits::{MAX_LEN, MIN_HOLE};
use super::super::{Content, ContentsError, Extents};
use super::{contents, noise};

/// Islands of a few bytes, each in a sea of its own: as many chunks, holes and list entries as in hundreds of
/// gigabytes.
fn islands(count: u64, seed: u8) -> Extents {
    let mut edits = Extents::new();
    for n in 0..count {
        edits.insert(place(n), &island(n, seed));
    }
    edits
}

fn place(n: u64) -> u64 {
    n * 2 * MIN_HOLE
}

fn island(n: u64, seed: u8) -> Vec<u8> {
    let mut bytes = n.to_le_bytes().to_vec();
    bytes.extend([seed | 1; 3]);
    bytes
}

const ISLANDS: u64 = 20_000;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn edits_of_a_deep_content_equal_making_it_anew(
        changed in prop::collection::btree_map(0..ISLANDS, any::<Option<u8>>(), 1..12),
        cut in prop::option::of(0..ISLANDS),
    ) {
        let (_, contents) = contents();
        let mut all = islands(ISLANDS, 0);
        let len = place(ISLANDS);
        let content = contents.splice(&Content::Empty, &all, len).unwrap();
        let deep = matches!(content, Content::List { depth: 2.., .. });
        prop_assert!(deep);

        let mut edits = Extents::new();
        for (n, seed) in changed {
            match seed {
                Some(seed) => edits.insert(place(n) + 5, &island(n, seed)),
                None => edits.insert_hole(place(n), 100),
            }
        }
        all.merge(&edits);
        let len = cut.map_or(len, place);
        let edited = contents.splice(&content, &edits, len).unwrap();
        prop_assert_eq!(edited, contents.splice(&Content::Empty, &all, len).unwrap());
    }
}

#[test]
fn an_edit_touches_its_surroundings_and_one_list_a_level() {
    let (objects, contents) = contents();
    let content = contents.splice(&Content::Empty, &islands(ISLANDS, 0), place(ISLANDS)).unwrap();
    let Content::List { depth, .. } = content else { panic!("{content:?}") };
    objects.take_loads();
    objects.take_saves();
    let mut edits = Extents::new();
    edits.insert(place(ISLANDS / 2) + 1, b"!");
    contents.splice(&content, &edits, content.len()).unwrap();
    // The changed chunk's list may lose its end and take in the next one; never more than a few.
    let (loads, saves) = (objects.take_loads(), objects.take_saves());
    assert!(saves <= 1 + 4 * u64::from(depth), "{saves} saves at depth {depth}");
    assert!(loads <= 4 + 4 * u64::from(depth), "{loads} loads at depth {depth}");
}

#[test]
fn an_edit_of_dense_data_rewrites_a_few_chunks() {
    let (objects, contents) = contents();
    let mut bytes = noise(5, 48 << 20);
    let content = contents.write(&bytes[..]).unwrap();
    let chunks = objects.take_saves();
    assert!(chunks > 100, "{chunks} objects");
    objects.take_loads();
    bytes[20 << 20] ^= 1;
    let mut edits = Extents::new();
    edits.insert(20 << 20, &bytes[20 << 20..][..1]);
    let edited = contents.splice(&content, &edits, content.len()).unwrap();
    let (loads, saves) = (objects.take_loads(), objects.take_saves());
    assert!(saves <= 6 && loads <= 8, "{saves} saves, {loads} loads");
    assert_eq!(edited, contents.write(&bytes[..]).unwrap());
}

#[test]
fn eight_exbibytes_of_nothing_cost_nothing() {
    let (objects, contents) = contents();
    let empty = contents.splice(&Content::Empty, &Extents::new(), MAX_LEN).unwrap();
    assert_eq!(empty, Content::Hole { len: MAX_LEN });
    assert_eq!(objects.take_saves(), 0);

    let mut edits = Extents::new();
    edits.insert(MAX_LEN - 1000, b"end");
    edits.insert(1 << 40, b"middle");
    let content = contents.splice(&empty, &edits, MAX_LEN).unwrap();
    assert_eq!(contents.read(&content, MAX_LEN - 1001, 5).unwrap(), b"\0end\0");
    assert_eq!(contents.seek_data(&content, 0).unwrap(), Some(1 << 40));
    assert_eq!(contents.splice(&content, &Extents::new(), 100).unwrap(), Content::Inline(vec![0; 100]));

    let over = contents.splice(&content, &Extents::new(), MAX_LEN + 1);
    assert!(matches!(over, Err(ContentsError::TooLarge)));
}

#[test]
fn copying_takes_over_references() {
    let (objects, contents) = contents();
    let source = contents.write(&noise(6, 8 << 20)[..]).unwrap();
    let target = contents.write(&noise(7, 3 << 20)[..]).unwrap();
    objects.take_loads();
    contents.copy_range(&source, 0, source.len(), &target, 1 << 20).unwrap();
    // About 32 chunks are copied; only those around the two seams are read.
    let loads = objects.take_loads();
    assert!(loads < 20, "{loads} loads");
}
