//! The map of edits against a plain array.

use proptest::prelude::*;

use super::super::{Extent, Extents};

const SPACE: u64 = 300;

#[derive(Clone, Debug)]
enum Op {
    Bytes(u64, Vec<u8>),
    Hole(u64, u64),
    Truncate(u64),
    Remove(u64, u64),
    Merge(Vec<(u64, Vec<u8>)>),
}

fn op() -> impl Strategy<Value = Op> {
    let bytes = || prop::collection::vec(1u8.., 0..40);
    prop_oneof![
        5 => (0..SPACE, bytes()).prop_map(|(at, bytes)| Op::Bytes(at, bytes)),
        2 => (0..SPACE, 0..80u64).prop_map(|(at, len)| Op::Hole(at, len)),
        1 => (0..SPACE).prop_map(Op::Truncate),
        1 => (0..SPACE, 0..80u64).prop_map(|(at, len)| Op::Remove(at, len)),
        1 => prop::collection::vec((0..SPACE, bytes()), 0..4).prop_map(Op::Merge),
    ]
}

fn put(model: &mut [Option<u8>], at: u64, bytes: impl IntoIterator<Item = Option<u8>>) {
    for (slot, byte) in model[at as usize..].iter_mut().zip(bytes) {
        *slot = byte;
    }
}

proptest! {
    #[test]
    fn behave_as_an_array_of_bytes(ops in prop::collection::vec(op(), 1..30), from in 0..SPACE) {
        let mut extents = Extents::new();
        let mut model = vec![None; 2 * SPACE as usize];
        for op in &ops {
            match op {
                Op::Bytes(at, bytes) => {
                    extents.insert(*at, bytes);
                    put(&mut model, *at, bytes.iter().copied().map(Some));
                }
                Op::Hole(at, len) => {
                    extents.insert_hole(*at, *len);
                    put(&mut model, *at, (0..*len).map(|_| Some(0)));
                }
                Op::Truncate(len) => {
                    extents.truncate(*len);
                    put(&mut model, *len, std::iter::repeat_n(None, 2 * SPACE as usize));
                }
                Op::Remove(at, len) => {
                    extents.remove(*at..at + len);
                    put(&mut model, *at, (0..*len).map(|_| None));
                }
                Op::Merge(writes) => {
                    let mut later = Extents::new();
                    for (at, bytes) in writes {
                        later.insert(*at, bytes);
                        put(&mut model, *at, bytes.iter().copied().map(Some));
                    }
                    extents.merge(&later);
                }
            }
        }
        check(&extents, &model);
        let range = from..(from + 57);
        let inside = extents.within(range.clone()).flat_map(|(at, extent)| at..at + extent.len());
        let expected = range.clone().filter(|at| model[*at as usize].is_some());
        prop_assert!(inside.eq(expected));
        let covered = range.clone().all(|at| model[at as usize].is_some());
        prop_assert_eq!(extents.covers(range), covered);
    }
}

fn check(extents: &Extents, model: &[Option<u8>]) {
    let mut shown = vec![0xee; model.len()];
    extents.overlay(0, &mut shown);
    let expected: Vec<u8> = model.iter().map(|byte| byte.unwrap_or(0xee)).collect();
    // 0xee is also a byte that may be written; then it is right either way.
    assert_eq!(shown, expected);
    let end = model.iter().rposition(Option::is_some).map_or(0, |last| last as u64 + 1);
    assert_eq!(extents.end(), end);
    let mut bytes = 0;
    let mut after = 0;
    for (at, extent) in extents.iter() {
        assert!(at >= after && !extent.is_empty(), "overlap or nothing at {at}");
        after = at + extent.len();
        if let Extent::Bytes(held) = extent {
            bytes += held.len() as u64;
        }
    }
    assert_eq!(extents.bytes(), bytes);
}

#[test]
fn appends_make_few_pieces() {
    let mut extents = Extents::new();
    for n in 0..4096u64 {
        extents.insert(n * 4096, &[n as u8; 4096]);
    }
    assert_eq!((extents.pieces(), extents.bytes()), (4, 16 << 20));
}
