//! Contents as a whole: whatever made them, they are what cutting their bytes anew gives.

mod edits;
mod extents;
mod formats;
mod objects;
mod packs;
mod sparse;

use std::sync::Arc;

use super::testing::noise;
use super::{Content, Contents};
use crate::trie::MemoryObjects;

const SEED: u64 = 0x5eed;

fn contents() -> (Arc<MemoryObjects>, Contents) {
    let objects = Arc::new(MemoryObjects::new());
    let contents = Contents::new(objects.clone(), SEED, 0, 1 << 20);
    (objects, contents)
}

fn write(contents: &Contents, bytes: &[u8]) -> Content {
    contents.write(bytes).unwrap()
}

/// Noise and zeros in turn, by lengths.
fn stripes(seed: u8, lengths: &[usize]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (n, len) in lengths.iter().enumerate() {
        if n % 2 == 0 {
            bytes.extend(noise(seed.wrapping_add(n as u8), *len));
        } else {
            bytes.resize(bytes.len() + len, 0);
        }
    }
    bytes
}
