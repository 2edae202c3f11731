//! How much may be dirty: bytes in memory that are in no content yet.
//!
//! Above the limit writers wait (their replies do, no thread), until workers have made contents of enough.
//! Near the end of the disk, writes are refused at once, so that what was accepted can still be stored.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};

use bosr_mount::{Reply, Written};
use parking_lot::Mutex;

/// Dirty bytes of one vault above which writers wait.
const MOST_DIRTY: u64 = 64 << 20;

/// Dirty bytes of one file above which a worker makes a content of them, while more arrive: enough for a good
/// stretch of chunks on each core, little beside [`MOST_DIRTY`].
pub(super) const SPILL_AT: u64 = 8 << 20;

/// Free space, beside all that is dirty, that is left for the structure that must follow accepted data.
const HEADROOM: u64 = 16 << 20;

/// The count of one vault.
#[derive(Debug, Default)]
pub(super) struct Budget {
    dirty: AtomicU64,
    disk_full: AtomicBool,
    waiting: Mutex<Vec<(Reply<Written>, u32)>>,
}

impl Budget {
    /// A file's dirty bytes changed.
    pub(super) fn changed(&self, before: u64, after: u64) {
        let added = after.wrapping_sub(before);
        let now = self.dirty.fetch_add(added, SeqCst).wrapping_add(added);
        if after < before && now <= MOST_DIRTY {
            for (reply, length) in std::mem::take(&mut *self.waiting.lock()) {
                reply.ok(Written(length));
            }
        }
    }

    /// Whether there is too much.
    pub(super) fn is_over(&self) -> bool {
        self.dirty.load(SeqCst) > MOST_DIRTY
    }

    /// Answers a write of `length` bytes that was accepted: at once, or when there is room again.
    pub(super) fn answer(&self, mut reply: Reply<Written>, length: u32) {
        if !self.is_over() {
            return reply.ok(Written(length));
        }
        reply.park();
        let mut waiting = self.waiting.lock();
        // Looked at again under the lock: room may have come, and nobody else would answer.
        if self.is_over() {
            waiting.push((reply, length));
        } else {
            drop(waiting);
            reply.ok(Written(length));
        }
    }

    /// Notes how many bytes are free for new data.
    pub(super) fn note_free(&self, free: u64) {
        self.disk_full.store(free < self.dirty.load(SeqCst) + HEADROOM, SeqCst);
    }

    /// Whether new data would not find room.
    pub(super) fn is_disk_full(&self) -> bool {
        self.disk_full.load(SeqCst)
    }
}
