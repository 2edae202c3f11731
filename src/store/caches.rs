//! How much memory what is read again and again may take, and how that is divided.

/// Bytes for each of the caches of an open vault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caches {
    /// Pages of the index.
    pub index: usize,
    /// Where objects lie, with their headers: 256 bytes each.
    pub headers: usize,
    /// Nodes of the trie, by their encoded length. Decoded they take a few times that.
    pub nodes: usize,
    /// Lists of pieces of large files, by their encoded length.
    pub lists: usize,
}

impl Caches {
    /// The least that all of them may have together: below it even a small vault is read from the disk again and
    /// again.
    pub const LEAST: usize = 6 << 20;

    /// Divides `bytes`, [`Self::LEAST`] at least. The index has most: each object that comes or is asked for is looked
    /// up there, in no order.
    pub const fn within(bytes: usize) -> Caches {
        let bytes = if bytes < Self::LEAST { Self::LEAST } else { bytes };
        let (headers, nodes, lists) = (bytes / 24, bytes / 6, bytes / 12);
        Caches { index: bytes - headers - nodes - lists, headers, nodes, lists }
    }
}

impl Default for Caches {
    /// 48 MiB: those of some 2 GB of chunks read at random, and of some 30 GB of files read in order. The whole process
    /// is to stay below 300 MB with a million files.
    fn default() -> Caches {
        Caches::within(48 << 20)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_parts_together_are_what_was_given() {
        for bytes in [Caches::LEAST, 48 << 20, (1 << 30) + 17] {
            let Caches { index, headers, nodes, lists } = Caches::within(bytes);
            assert_eq!(index + headers + nodes + lists, bytes);
            assert!([headers, nodes, lists].iter().all(|part| (1 << 17..index).contains(part)));
        }
        assert_eq!(Caches::within(0), Caches::within(Caches::LEAST));
    }
}
