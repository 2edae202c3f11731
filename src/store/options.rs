//! The sizes a store works with.

use super::caches::Caches;

/// Sizes of a store, in bytes. [`Options::default`] is what the format says; tests use smaller ones.
#[derive(Clone, Debug)]
pub struct Options {
    /// A segment that is this long is closed and the next begun. At most 1 GiB.
    pub segment_len: u32,
    /// The length of each of the two journal files, when they are made.
    pub journal_len: u64,
    /// Room kept free for commits when content no longer fits, so that deleting still works on a full disk.
    pub reserve: u64,
    /// What may be kept in memory.
    pub caches: Caches,
    /// The index is brought up to date when so many objects are new in the durable log.
    pub index_batch: usize,
    /// The index is made durable each time the log has grown by this much, which bounds what is read again
    /// after a crash.
    pub index_checkpoint: u64,
}

impl Default for Options {
    fn default() -> Self {
        const MIB: u64 = 1 << 20;
        Options {
            segment_len: 256 << 20,
            journal_len: 64 * MIB,
            reserve: 256 * MIB,
            caches: Caches::default(),
            index_batch: 4096,
            index_checkpoint: 128 * MIB,
        }
    }
}
