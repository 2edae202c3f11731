//! What follows from the vault secret and from the content alone, so that it is equal on all replicas and in
//! all epochs.

use std::sync::Arc;

use super::derive::{Key, derive};
use super::id::{ObjectId, ObjectKind};

/// Bytes that are sooner copied behind one another than hashed in parts: of parts most is hashed without the vector
/// instructions, which take whole KiB.
const COPIED: usize = 16 << 10;

/// The keys that name content. Cheap to clone.
#[derive(Clone)]
pub struct ContentKeys(Arc<Keys>);

struct Keys {
    id: Key,
    name: Key,
    gear: Key,
}

impl ContentKeys {
    /// The keys of the vault with this secret.
    pub(super) fn new(vault_secret: &Key) -> Self {
        let key = |info: &str| derive(vault_secret.as_ref(), b"", info.as_bytes());
        ContentKeys(Arc::new(Keys {
            id: key("bosr/1 object id"),
            name: key("bosr/1 name hash"),
            gear: key("bosr/1 gear"),
        }))
    }

    /// The id of an object with this plaintext.
    pub fn object_id(&self, kind: ObjectKind, plaintext: &[u8]) -> ObjectId {
        ObjectId(keyed_hash(&self.0.id, [&[kind.number()], plaintext]))
    }

    /// The seed of the chunker's gear table. It hinders, but does not stop, telling known files by the lengths
    /// of their chunks.
    pub fn gear_seed(&self) -> u64 {
        first_u64(&self.0.gear)
    }

    /// A 63-bit hash of a name in a directory (by the raw id of the directory's node). Also the readdir
    /// cookie, for which the top bit must stay clear.
    pub fn name_hash(&self, parent: &[u8; 16], name: &[u8]) -> u64 {
        first_u64(&keyed_hash(&self.0.name, [parent, name])) >> 1
    }
}

/// The keyed hash of two parts, one behind the other.
fn keyed_hash(key: &Key, parts: [&[u8]; 2]) -> [u8; 32] {
    let [first, second] = parts;
    if first.len() + second.len() <= COPIED {
        return *blake3::keyed_hash(key, &parts.concat()).as_bytes();
    }
    let mut hasher = blake3::Hasher::new_keyed(key);
    hasher.update(first);
    hasher.update(second);
    *hasher.finalize().as_bytes()
}

fn first_u64(bytes: &[u8; 32]) -> u64 {
    bytes.first_chunk().map_or(0, |head| u64::from_le_bytes(*head))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::crypto::fixture;

    #[test]
    fn known_answers() {
        let keys = fixture::keyring().0.content_keys().clone();
        assert_eq!(
            keys.object_id(ObjectKind::Chunk, b"hello, vault").to_string(),
            "748db4bc2c96c700b3fe92ef68a2846f056fad3e260518527b7ed726f83cf853"
        );
        assert_eq!(format!("{:016x}", keys.gear_seed()), "ba29a05774b516d2");
        assert_eq!(format!("{:016x}", keys.name_hash(&[3; 16], b"notes.txt")), "5c3d888279edba06");
    }

    #[test]
    fn an_id_does_not_depend_on_how_it_is_hashed() {
        let keys = fixture::keyring().0.content_keys().clone();
        for len in [0, 1, 1023, 1024, COPIED - 2, COPIED - 1, COPIED, COPIED + 1, 3 * COPIED] {
            let plaintext: Vec<u8> = (0..len).map(|at| at as u8).collect();
            let mut hasher = blake3::Hasher::new_keyed(&keys.0.id);
            hasher.update(&[ObjectKind::Chunk.number()]).update(&plaintext);
            assert_eq!(
                keys.object_id(ObjectKind::Chunk, &plaintext).0,
                *hasher.finalize().as_bytes(),
                "{len}"
            );
        }
    }

    proptest! {
        #[test]
        fn names_differ_where_anything_differs(a: (u8, Vec<u8>), b: (u8, Vec<u8>)) {
            let keys = fixture::keyring().0.content_keys().clone();
            let kind = |n: u8| ObjectKind::try_from(n % 5 + 1).unwrap();
            let same = (kind(a.0), &a.1) == (kind(b.0), &b.1);
            prop_assert_eq!(keys.object_id(kind(a.0), &a.1) == keys.object_id(kind(b.0), &b.1), same);
            prop_assert_eq!(keys.name_hash(&[0; 16], &a.1) >> 63, 0);
        }
    }
}
