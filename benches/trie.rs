//! Changing and comparing tries of a hundred thousand entries.
#![allow(missing_docs, clippy::unwrap_used)]

use std::hint::black_box;
use std::sync::Arc;

use bosr::crypto::{ObjectId, ObjectKind};
use bosr::trie::{Change, Forest, Key, LeafCodec, Malformed, MemoryObjects, Trie, TrieError};
use criterion::{Criterion, criterion_group, criterion_main};

/// Values of a fixed size, about that of a node.
struct Fixed;

type Value = [u8; 80];

impl LeafCodec for Fixed {
    type Value = Value;

    fn encode(entries: &[(Key, Value)]) -> Vec<u8> {
        entries.iter().flat_map(|(key, value)| key.iter().chain(value)).copied().collect()
    }

    fn decode(bytes: &[u8]) -> Result<Vec<(Key, Value)>, Malformed> {
        let (entries, rest) = bytes.as_chunks::<96>();
        let entry = |bytes: &[u8; 96]| {
            let (key, value) = bytes.split_first_chunk::<16>()?;
            Some((*key, value.try_into().ok()?))
        };
        let entries = entries.iter().map(entry).collect::<Option<Vec<_>>>();
        entries.filter(|_| rest.is_empty()).ok_or(Malformed("length"))
    }

    fn references(_: &Value, _: &mut dyn FnMut(ObjectId, ObjectKind)) {}
}

fn changes(numbers: impl Iterator<Item = u32>, value: u8) -> Vec<Change<Value>> {
    let mut changes: Vec<_> = numbers
        .map(|n| {
            let mut key = [0; 16];
            key.copy_from_slice(blake3::hash(&n.to_le_bytes()).as_bytes().first_chunk::<16>().unwrap());
            (key, Some([value; 80]))
        })
        .collect();
    changes.sort_unstable_by_key(|(key, _)| *key);
    changes
}

fn trie(c: &mut Criterion) {
    let forest = Forest::<Fixed>::new(Arc::new(MemoryObjects::new()), 8 << 20);
    let all = changes(0..100_000, 1);
    c.bench_function("apply 100,000 to nothing", |b| b.iter(|| forest.apply(&Trie::EMPTY, black_box(&all))));

    let base = forest.apply(&Trie::EMPTY, &all).unwrap();
    let (one, many) = (changes(7..8, 2), changes((0..100_000).step_by(100), 2));
    c.bench_function("apply 1 to 100,000", |b| b.iter(|| forest.apply(&base, black_box(&one))));
    c.bench_function("apply 1,000 to 100,000", |b| b.iter(|| forest.apply(&base, black_box(&many))));

    let key = one.first().unwrap().0;
    c.bench_function("find in 100,000", |b| b.iter(|| forest.find(&base, black_box(&key))));

    let changed = forest.apply(&base, &many).unwrap();
    c.bench_function("difference of 1,000 in 100,000", |b| {
        b.iter(|| {
            let mut count = 0u64;
            let count_each = |_: &Key, _: Option<&Value>, _: Option<&Value>| {
                count += 1;
                Ok::<_, TrieError>(())
            };
            forest.diff(&base, &changed, count_each).map(|()| count)
        })
    });
}

criterion_group!(benches, trie);
criterion_main!(benches);
