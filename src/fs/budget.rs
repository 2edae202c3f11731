//! How much may be dirty: bytes in memory that are in no content yet.
//!
//! Above the limit writers wait (their replies do, no thread), until workers have made contents of enough.
//! Near the end of the disk, writes are refused at once, so that what was accepted can still be stored.

use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use bosr_mount::{Reply, Written};
use parking_lot::Mutex;

use crate::vault::VaultError;

/// Dirty bytes of one file above which a worker makes a content of them, while more arrive: enough for a good
/// stretch of chunks on each core, little beside all that may be dirty.
pub(super) const SPILL_AT: u64 = 8 << 20;

/// Free space, beside all that is dirty, that is left for the structure that must follow accepted data.
const HEADROOM: u64 = 16 << 20;

/// Bytes that may be accepted before the disk is asked again, where there is room.
const CREDIT: u64 = 4 << 20;

/// How many bytes of one vault may be dirty; above, writers wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DirtyLimit(u64);

impl DirtyLimit {
    /// The least: two files that are written at once, each with what makes a worker begin.
    pub const LEAST: u64 = 2 * SPILL_AT;

    /// `bytes`, but [`Self::LEAST`] in any case.
    pub fn at_least(bytes: u64) -> DirtyLimit {
        DirtyLimit(bytes.max(Self::LEAST))
    }
}

impl Default for DirtyLimit {
    /// 64 MiB.
    fn default() -> DirtyLimit {
        DirtyLimit(64 << 20)
    }
}

/// The count of one vault.
#[derive(Debug, Default)]
pub(super) struct Budget {
    limit: DirtyLimit,
    dirty: AtomicU64,
    /// Bytes that may be accepted without asking the disk.
    credit: Mutex<u64>,
    waiting: Mutex<Vec<(Reply<Written>, u32)>>,
}

impl Budget {
    /// Nothing is dirty, and as much may be.
    pub(super) fn new(limit: DirtyLimit) -> Budget {
        Budget { limit, ..Budget::default() }
    }

    /// A file's dirty bytes changed.
    pub(super) fn changed(&self, before: u64, after: u64) {
        let added = after.wrapping_sub(before);
        let now = self.dirty.fetch_add(added, SeqCst).wrapping_add(added);
        if after < before && now <= self.limit.0 {
            self.let_go();
        }
    }

    /// Lets those go that wait, whose bytes were accepted: there is room, or will be none soon.
    pub(super) fn let_go(&self) {
        for (reply, length) in std::mem::take(&mut *self.waiting.lock()) {
            reply.ok(Written(length));
        }
    }

    /// Whether there is too much: writers wait.
    pub(super) fn is_over(&self) -> bool {
        self.dirty.load(SeqCst) > self.limit.0
    }

    /// Whether there is so much that also scattered writes leave the memory: before writers have to wait, but not before
    /// there is need, since a content is made of them soon.
    pub(super) fn is_tight(&self) -> bool {
        self.dirty.load(SeqCst) > self.limit.0 / 2
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

    /// Whether `bytes` more may be accepted, given how many are `free` for new data.
    ///
    /// # Errors
    /// Of `free`; [`VaultError::Full`].
    pub(super) fn admit(
        &self,
        bytes: u64,
        free: impl FnOnce() -> Result<u64, VaultError>,
    ) -> Result<(), VaultError> {
        let mut credit = self.credit.lock();
        if let Some(rest) = credit.checked_sub(bytes) {
            *credit = rest;
            return Ok(());
        }
        let left =
            free()?.checked_sub(self.dirty.load(SeqCst).saturating_add(bytes).saturating_add(HEADROOM));
        // Half of what is left at most: other programs write too.
        *credit = (left.ok_or(VaultError::Full)? / 2).min(CREDIT);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_the_one_given() {
        let limit = DirtyLimit::at_least(100 << 20);
        for (budget, most) in [
            (Budget::default(), 64 << 20),
            (Budget::new(limit), 100 << 20),
            (Budget::new(DirtyLimit::at_least(1)), DirtyLimit::LEAST),
        ] {
            budget.changed(0, most);
            assert!(budget.is_tight() && !budget.is_over());
            budget.changed(most, most + 1);
            assert!(budget.is_over());
            budget.changed(most + 1, most / 2);
            assert!(!budget.is_tight() && !budget.is_over());
        }
    }

    #[test]
    fn a_full_disk_refuses_what_it_could_not_keep() {
        let budget = Budget::default();
        assert!(budget.admit(1000, || Ok(HEADROOM + 999)).is_err());
        assert!(budget.admit(1000, || Ok(HEADROOM + 1000)).is_ok());
        // What is dirty needs its room too.
        budget.changed(0, 500);
        assert!(budget.admit(1000, || Ok(HEADROOM + 1000)).is_err());
        assert!(budget.admit(1000, || Ok(HEADROOM + 1500 + 2000)).is_ok());
        // Half of what was left over is good without asking.
        assert!(budget.admit(1000, || Err(VaultError::Closed)).is_ok());
        assert!(budget.admit(1, || Err(VaultError::Closed)).is_err());
    }
}
