//! Room on the disk: who may still write when it runs short.
//!
//! Content (chunks and lists) stops while a reserve is left; commits (trie, commit objects, local frames) may
//! use it, so that deleting works on a full disk. The journals are on the disk in full from the start.
//!
//! The disk is asked when a small credit runs out, not for each object. What other programs write meanwhile
//! the reserve takes up; and if the disk is full all the same, what could not be written waits in memory and
//! is tried again (see [`super::log`]).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use super::StoreError;
use super::disk::{Disk, Space};
use crate::crypto::ObjectKind;

/// How much of the reserve may be written before the disk is asked again: 8 MiB of 256.
const CREDIT: u64 = 32;

/// The room of one store.
#[derive(Debug)]
pub(super) struct Budget {
    disk: Arc<dyn Disk>,
    reserve: u64,
    credit: Mutex<u64>,
    reserved: AtomicU64,
}

impl Budget {
    pub(super) fn new(disk: Arc<dyn Disk>, reserve: u64) -> Self {
        Budget { disk, reserve, credit: Mutex::new(0), reserved: AtomicU64::new(0) }
    }

    /// Takes room for `len` bytes of a kind. `unwritten` bytes are still to be written to the disk.
    pub(super) fn claim(&self, kind: ObjectKind, len: u64, unwritten: u64) -> Result<(), StoreError> {
        let mut credit = self.credit.lock();
        if let Some(rest) = credit.checked_sub(len) {
            *credit = rest;
            return Ok(());
        }
        let free = self.disk.space()?.free.saturating_sub(unwritten);
        let is_content = matches!(kind, ObjectKind::Chunk | ObjectKind::List);
        let usable = if is_content { free.saturating_sub(self.reserve) } else { free };
        if usable < len {
            *credit = 0;
            return Err(StoreError::Full);
        }
        *credit = free.saturating_sub(self.reserve).saturating_sub(len).min(self.reserve / CREDIT);
        Ok(())
    }

    /// Room for content.
    pub(super) fn space(&self, unwritten: u64) -> Result<Space, StoreError> {
        let space = self.disk.space()?;
        let taken = self.reserve + unwritten + self.reserved.load(Ordering::Relaxed);
        Ok(Space { free: space.free.saturating_sub(taken), total: space.total })
    }

    /// Promises room for `bytes` of content.
    pub(super) fn reserve(self: &Arc<Self>, bytes: u64, unwritten: u64) -> Result<Reservation, StoreError> {
        let before = self.reserved.fetch_add(bytes, Ordering::Relaxed);
        let reservation = Reservation { budget: self.clone(), bytes };
        let free = self.disk.space()?.free.saturating_sub(self.reserve + unwritten);
        if before.saturating_add(bytes) > free { Err(StoreError::Full) } else { Ok(reservation) }
    }
}

/// Room promised to a writer, given back when dropped.
#[derive(Debug)]
pub struct Reservation {
    budget: Arc<Budget>,
    bytes: u64,
}

impl Reservation {
    /// How much was promised, in bytes.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.budget.reserved.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::disk::fault::FaultDisk;

    #[test]
    fn content_leaves_the_reserve_to_commits() {
        let disk = FaultDisk::new();
        disk.limit(Some(1000));
        let budget = Arc::new(Budget::new(Arc::new(disk), 400));
        assert_eq!(budget.space(100).unwrap(), Space { free: 500, total: 1000 });
        assert!(matches!(budget.claim(ObjectKind::Chunk, 601, 0), Err(StoreError::Full)));
        assert!(matches!(budget.claim(ObjectKind::Chunk, 600, 1), Err(StoreError::Full)));
        budget.claim(ObjectKind::Commit, 1000, 0).unwrap();
        assert!(matches!(budget.claim(ObjectKind::Local, 1001, 0), Err(StoreError::Full)));
        budget.claim(ObjectKind::Chunk, 600, 0).unwrap();
    }

    #[test]
    fn what_is_promised_is_promised_once() {
        let disk = FaultDisk::new();
        disk.limit(Some(1000));
        let budget = Arc::new(Budget::new(Arc::new(disk), 400));
        let first = budget.reserve(400, 0).unwrap();
        assert!(matches!(budget.reserve(201, 0), Err(StoreError::Full)));
        assert_eq!(budget.space(0).unwrap().free, 200);
        drop(first);
        assert_eq!(budget.reserve(600, 0).unwrap().bytes(), 600);
        assert_eq!(budget.space(0).unwrap().free, 600);
    }
}
