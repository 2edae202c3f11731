//! Cutting, hashing and putting together of contents, over objects that are dropped: what the layer itself
//! costs, without sealing and the disk.
#![allow(missing_docs, clippy::unwrap_used)]

use std::hint::black_box;
use std::sync::Arc;

use bosr::trie::MemoryObjects;
use bosr::vault::contents::{Content, Contents, Extents};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

const MIB: usize = 1 << 20;
/// For decoded lists.
const CACHE: usize = 4 * MIB;

fn noise(len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    blake3::Hasher::new().finalize_xof().fill(&mut bytes);
    bytes
}

fn contents(c: &mut Criterion) {
    let bytes = noise(64 * MIB);
    let mut group = c.benchmark_group("contents");
    group.sample_size(10);
    group.throughput(Throughput::Bytes(bytes.len() as u64));
    for workers in [0, 2] {
        group.bench_function(format!("write 64 MiB, {workers} workers"), |b| {
            let contents = Contents::new(Arc::new(MemoryObjects::new()), 7, workers, CACHE);
            b.iter(|| contents.write(black_box(&bytes[..])))
        });
    }
    group.bench_function("splice 64 MiB in batches of 8", |b| {
        let contents = Contents::new(Arc::new(MemoryObjects::new()), 7, 0, CACHE);
        b.iter(|| {
            bytes.chunks(8 * MIB).fold(Content::Empty, |content, batch| {
                let mut edits = Extents::new();
                edits.insert(content.len(), batch);
                contents.splice(&content, &edits, content.len() + batch.len() as u64).unwrap()
            })
        });
    });

    let contents = Contents::new(Arc::new(MemoryObjects::new()), 7, 0, CACHE);
    let content = contents.write(&bytes[..]).unwrap();
    group.bench_function("read 64 MiB by 128 KiB", |b| {
        b.iter(|| {
            for offset in (0..content.len()).step_by(128 * 1024) {
                black_box(contents.read(&content, offset, 128 * 1024).unwrap());
            }
        });
    });

    group.throughput(Throughput::Elements(1000));
    group.bench_function("splice 1,000 random writes of 4 KiB", |b| {
        let mut edits = Extents::new();
        for n in 0..1000u64 {
            edits.insert(n * 7_919_993 % content.len() / 4096 * 4096, &[n as u8; 4096]);
        }
        b.iter(|| contents.splice(&content, black_box(&edits), content.len()));
    });
    group.bench_function("insert 1,000 random writes of 4 KiB", |b| {
        b.iter(|| {
            let mut edits = Extents::new();
            for n in 0..1000u64 {
                edits.insert(n * 7_919_993 % (1 << 30), black_box(&[n as u8; 4096]));
            }
            edits
        });
    });
    group.finish();
}

criterion_group!(benches, contents);
criterion_main!(benches);
