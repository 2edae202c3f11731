//! A path in the trie: the first nibbles of a key.

use super::Key;

/// How many nibbles a key has.
pub(crate) const KEY_NIBBLES: u8 = 32;

/// The first `len` nibbles of a key, the most significant half of each byte first. Nibbles past `len` are
/// zero, so that equality and order are those of the paths.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Prefix {
    nibbles: Key,
    len: u8,
}

impl Prefix {
    /// The path to the root.
    pub const EMPTY: Prefix = Prefix { nibbles: [0; 16], len: 0 };

    /// The first `len` (at most 32) nibbles of `key`.
    pub fn of(key: &Key, len: u8) -> Self {
        let len = len.min(KEY_NIBBLES);
        let mut nibbles = *key;
        for (at, byte) in nibbles.iter_mut().enumerate() {
            match (usize::from(len)).saturating_sub(at * 2) {
                0 => *byte = 0,
                1 => *byte &= 0xf0,
                _ => {}
            }
        }
        Prefix { nibbles, len }
    }

    /// How many nibbles it has.
    pub fn len(&self) -> u8 {
        self.len
    }

    /// Whether it is the path to the root.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The smallest key below it.
    pub fn first_key(&self) -> Key {
        self.nibbles
    }

    /// How many leading nibbles it shares with `key`, at most its own length.
    pub fn common(&self, key: &Key) -> u8 {
        common_nibbles(&self.nibbles, key).min(self.len)
    }

    /// Whether `key` lies below it.
    pub fn holds(&self, key: &Key) -> bool {
        self.common(key) == self.len
    }

    /// Whether it is `other` or lies below it.
    pub fn starts_with(&self, other: &Prefix) -> bool {
        self.len >= other.len && other.holds(&self.nibbles)
    }

    /// Its own first `len` nibbles.
    pub fn cut(&self, len: u8) -> Prefix {
        Prefix::of(&self.nibbles, len.min(self.len))
    }

    /// One step further down. A full path stays as it is.
    pub fn then(&self, step: u8) -> Prefix {
        let mut longer = *self;
        if let Some(byte) = longer.nibbles.get_mut(usize::from(self.len / 2)) {
            let step = step & 0x0f;
            *byte |= if self.len.is_multiple_of(2) { step << 4 } else { step };
            longer.len += 1;
        }
        longer
    }
}

/// The nibble of `key` at a depth below 32.
pub(crate) fn nibble(key: &Key, depth: u8) -> u8 {
    let byte = key.get(usize::from(depth / 2)).copied().unwrap_or(0);
    if depth.is_multiple_of(2) { byte >> 4 } else { byte & 0x0f }
}

/// How many leading nibbles two keys share.
pub(crate) fn common_nibbles(a: &Key, b: &Key) -> u8 {
    let differing = u128::from_be_bytes(*a) ^ u128::from_be_bytes(*b);
    // At most 128 / 4.
    (differing.leading_zeros() / 4) as u8
}
