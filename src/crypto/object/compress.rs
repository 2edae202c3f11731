//! Whether and how a plaintext is compressed: zstd, at a level that does not hold up writing.

use std::borrow::Cow;
use std::cell::RefCell;

use zstd::bulk::{Compressor, Decompressor};

use super::super::id::ObjectKind;

/// Below this many bytes zstd's own head eats what it saves.
const WORTH_TRYING: usize = 64;
/// Plaintexts up to this many bytes are tried whole, longer ones by samples first.
const PROBE_ABOVE: usize = 64 << 10;
/// Bytes of one sample; long enough that text shows its redundancy.
const SAMPLE_LEN: usize = 4 << 10;
/// Samples taken, spread evenly.
const SAMPLES: usize = 4;
/// The share that must be saved, as a divisor: less is not worth that a range can no longer be read alone.
const MIN_SAVING: usize = 16;

thread_local! {
    // Making a zstd context costs more than compressing a small object with it.
    static CONTEXTS: RefCell<Option<Contexts>> = const { RefCell::new(None) };
}

struct Contexts {
    compressor: Compressor<'static>,
    decompressor: Decompressor<'static>,
}

fn with_contexts<R>(act: impl FnOnce(&mut Contexts) -> std::io::Result<R>) -> std::io::Result<R> {
    CONTEXTS.with_borrow_mut(|slot| {
        let contexts = match slot.take() {
            Some(contexts) => contexts,
            None => Contexts { compressor: Compressor::new(1)?, decompressor: Decompressor::new()? },
        };
        act(slot.insert(contexts))
    })
}

/// Chunks are many and large, the rest is small and read often.
fn level(kind: ObjectKind) -> i32 {
    match kind {
        ObjectKind::Chunk => 1,
        ObjectKind::List | ObjectKind::Trie | ObjectKind::Commit | ObjectKind::Local => 3,
    }
}

/// The compressed form of `plaintext`, if it is worth it.
pub(super) fn compress(kind: ObjectKind, plaintext: &[u8]) -> Option<Vec<u8>> {
    if plaintext.len() < WORTH_TRYING || (plaintext.len() > PROBE_ABOVE && !samples_shrink(plaintext)) {
        return None;
    }
    // A failure of zstd costs space, not content: the object is stored raw.
    let compressed = with_contexts(|contexts| {
        contexts.compressor.set_compression_level(level(kind))?;
        contexts.compressor.compress(plaintext)
    });
    compressed.ok().filter(|compressed| is_worth_it(plaintext.len(), compressed.len()))
}

fn is_worth_it(plain: usize, compressed: usize) -> bool {
    compressed + plain / MIN_SAVING < plain
}

fn samples_shrink(plaintext: &[u8]) -> bool {
    let stride = plaintext.len() / SAMPLES;
    let mut samples = Vec::with_capacity((SAMPLES + 1) * SAMPLE_LEN);
    for part in plaintext.chunks(stride.max(SAMPLE_LEN)) {
        samples.extend_from_slice(part.get(..SAMPLE_LEN).unwrap_or(part));
    }
    let compressed = with_contexts(|contexts| {
        contexts.compressor.set_compression_level(1)?;
        contexts.compressor.compress(&samples)
    });
    compressed.is_ok_and(|compressed| is_worth_it(samples.len(), compressed.len()))
}

/// The plaintext, if it has exactly `plain_len` bytes; no more than that is ever allocated.
pub(super) fn decompress(compressed: &[u8], plain_len: u32) -> Option<Vec<u8>> {
    let plain_len = plain_len as usize;
    let plaintext = with_contexts(|contexts| contexts.decompressor.decompress(compressed, plain_len)).ok()?;
    (plaintext.len() == plain_len).then_some(plaintext)
}

/// What is sealed of `plaintext`, and whether it is compressed.
pub(super) fn pack(kind: ObjectKind, plaintext: &[u8]) -> (Cow<'_, [u8]>, bool) {
    match compress(kind, plaintext) {
        Some(compressed) => (Cow::Owned(compressed), true),
        None => (Cow::Borrowed(plaintext), false),
    }
}
