//! Sealing and opening one object, on one core: chunks that compress and chunks that do not, and a small
//! random read.
#![allow(missing_docs, clippy::unwrap_used)]

use std::hint::black_box;

use bosr::ambient::Ambient;
use bosr::crypto::{self, CryptoError, Keyring, ObjectKind};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

/// The mean length of a chunk.
const CHUNK: usize = 256 << 10;

fn noise() -> Vec<u8> {
    let mut bytes = vec![0; CHUNK];
    Ambient::host().entropy.fill(&mut bytes);
    bytes
}

fn text() -> Vec<u8> {
    include_bytes!("../src/crypto/vault_file.rs").iter().copied().cycle().take(CHUNK).collect()
}

fn envelope(criterion: &mut Criterion) {
    let entropy = Ambient::host().entropy;
    let keyring = Keyring::generate(&*entropy);
    let mut group = criterion.benchmark_group("envelope");
    for (name, plaintext) in [("noise", noise()), ("text", text())] {
        let seal = || {
            let (keys, epoch) = (keyring.content_keys(), keyring.current());
            crypto::seal(keys, epoch, ObjectKind::Chunk, black_box(&plaintext), &*entropy).unwrap()
        };
        let sealed = seal();
        group.throughput(Throughput::Bytes(CHUNK as u64));
        group.bench_function(format!("seal {name}"), |bencher| bencher.iter(seal));
        group.bench_function(format!("open {name}"), |bencher| {
            bencher.iter(|| crypto::open(&keyring, black_box(sealed.clone())).unwrap());
        });
    }
    let plaintext = noise();
    let keys = keyring.content_keys();
    let sealed = crypto::seal(keys, keyring.current(), ObjectKind::Chunk, &plaintext, &*entropy).unwrap();
    group.throughput(Throughput::Bytes(4096));
    group.bench_function("read 4 KiB of a chunk", |bencher| {
        bencher.iter(|| {
            crypto::open_range(&keyring, &sealed.header, black_box(100_000..104_096), |body| {
                let body = body.start as usize..body.end as usize;
                sealed.body.get(body).map(<[u8]>::to_vec).ok_or(CryptoError::OutOfRange)
            })
            .unwrap()
        });
    });
    group.finish();
}

criterion_group!(benches, envelope);
criterion_main!(benches);
