//! The trie against `BTreeMap`.

mod formats;
mod properties;

use std::collections::BTreeMap;
use std::sync::Arc;

use super::wire::{Reader, put_varint};
use super::{Change, Forest, Key, LeafCodec, Malformed, MemoryObjects, Trie};
use crate::crypto::{ObjectId, ObjectKind};

/// A codec for tests: values are bytes, and a value of 32 bytes names a list.
struct Bytes;

impl LeafCodec for Bytes {
    type Value = Vec<u8>;

    fn encode(entries: &[(Key, Vec<u8>)]) -> Vec<u8> {
        let mut out = Vec::new();
        for (key, value) in entries {
            out.extend(key);
            put_varint(&mut out, value.len() as u64);
            out.extend(value);
        }
        out
    }

    fn decode(bytes: &[u8]) -> Result<Vec<(Key, Vec<u8>)>, Malformed> {
        let mut reader = Reader::new(bytes);
        let mut entries = Vec::new();
        while !reader.is_empty() {
            let key = reader.array()?;
            let len = usize::try_from(reader.varint()?).map_err(|_| Malformed("value too long"))?;
            entries.push((key, reader.take(len)?.to_vec()));
        }
        Ok(entries)
    }

    fn references(value: &Vec<u8>, visit: &mut dyn FnMut(ObjectId, ObjectKind)) {
        if let Ok(id) = <[u8; 32]>::try_from(value.as_slice()) {
            visit(ObjectId(id), ObjectKind::List);
        }
    }
}

type Model = BTreeMap<Key, Vec<u8>>;

fn forest() -> (Arc<MemoryObjects>, Forest<Bytes>) {
    let objects = Arc::new(MemoryObjects::new());
    (objects.clone(), Forest::new(objects, 8 << 20))
}

/// A key spread like a hash of `n`.
fn spread(n: u32) -> Key {
    let mut key = [0; 16];
    key.copy_from_slice(&blake3::hash(&n.to_le_bytes()).as_bytes()[..16]);
    key
}

fn numbered(range: std::ops::Range<u32>) -> Model {
    range.map(|n| (spread(n), n.to_le_bytes().to_vec())).collect()
}

fn inserts(model: &Model) -> Vec<Change<Vec<u8>>> {
    model.iter().map(|(key, value)| (*key, Some(value.clone()))).collect()
}

fn trie_of(forest: &Forest<Bytes>, model: &Model) -> Trie {
    forest.apply(&Trie::EMPTY, &inserts(model)).unwrap()
}

fn entries(forest: &Forest<Bytes>, trie: &Trie) -> Model {
    forest.iter(trie, ..).map(Result::unwrap).collect()
}
