//! Edits that were packed against the same edits in memory.

use super::super::{Extent, Extents};
use super::{contents, noise, write};

/// Many small edits and a few long ones, by a simple generator; later ones lie over earlier ones.
fn edits(seed: u64, space: u64) -> Vec<(u64, Vec<u8>)> {
    let mut state = seed;
    let mut next = |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    let mut edits = Vec::new();
    for n in 0..120 {
        let len = if n % 40 == 7 { 300_000 } else { 1 + next(6000) };
        edits.push((next(space), noise(n as u8, len as usize)));
    }
    edits
}

#[test]
fn a_content_of_packed_edits_is_that_of_the_edits() {
    let (objects, contents) = contents();
    let base = write(&contents, &noise(200, 3_000_000));
    let (mut plain, mut packed) = (Extents::new(), Extents::new());
    for (n, (at, bytes)) in edits(9, 3_200_000).iter().enumerate() {
        plain.insert(*at, bytes);
        packed.insert(*at, bytes);
        if n == 50 {
            plain.insert_hole(1_000_000, 500_000);
            packed.insert_hole(1_000_000, 500_000);
        }
        if n % 30 == 29 {
            packed = contents.pack(&packed).unwrap();
            assert_eq!(packed.bytes(), 0);
        }
    }
    let size = plain.end().max(3_000_000);
    let expected = contents.splice(&base, &plain, size).unwrap();
    assert_eq!(contents.splice(&base, &packed, size).unwrap(), expected);
    let before = objects.ids().len();
    let again = contents.pack(&contents.pack(&plain).unwrap()).unwrap();
    assert!(objects.ids().len() > before);
    assert!(again.iter().eq(contents.pack(&plain).unwrap().iter()), "what is packed stays as it is");
}

#[test]
fn packed_bytes_can_be_read_by_themselves() {
    let (_, contents) = contents();
    let mut edits = Extents::new();
    edits.insert(5, &noise(1, 400_000));
    edits.insert(1_000_000, b"end");
    let packed = contents.pack(&edits).unwrap();
    let mut read = Vec::new();
    for (_, extent) in packed.within(100_000..2_000_000) {
        let Extent::Stored(stored) = extent else { panic!("{extent:?}") };
        read.extend_from_slice(&contents.stored(&stored).unwrap());
    }
    assert_eq!(read, [&noise(1, 400_000)[99_995..], b"end"].concat());
}
