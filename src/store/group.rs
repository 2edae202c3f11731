//! Group commit: many who wait share one sync.
//!
//! Whoever comes first syncs, for everything there is by then; who comes meanwhile waits for that round,
//! and one of those whom it did not cover runs the next. So sixteen concurrent fsyncs cost about two.
//!
//! A failed sync is final: the kernel may have dropped what it could not write and call the next sync a
//! success. From then on every wait for what is not durable yet fails.

use parking_lot::{Condvar, Mutex};

use super::StoreError;

/// How a round of syncing failed.
pub(super) enum RoundError {
    /// Before anything was asked of the disk's durability (say, the disk is full): it may be tried again.
    Before(StoreError),
    /// The sync itself failed.
    Sync(std::io::Error),
}

#[derive(Debug)]
struct State<T> {
    durable: T,
    running: bool,
    failed: bool,
}

/// What is durable of one file or row of files, up to a mark that only grows.
#[derive(Debug)]
pub(super) struct Group<T> {
    state: Mutex<State<T>>,
    round_over: Condvar,
}

impl<T: Copy + Ord> Group<T> {
    pub(super) fn new(durable: T) -> Self {
        let state = State { durable, running: false, failed: false };
        Group { state: Mutex::new(state), round_over: Condvar::new() }
    }

    /// Everything before this is durable.
    pub(super) fn durable(&self) -> T {
        self.state.lock().durable
    }

    /// Whether a sync failed: nothing more becomes durable.
    pub(super) fn failed(&self) -> bool {
        self.state.lock().failed
    }

    /// Nothing more becomes durable: a sync failed elsewhere.
    pub(super) fn fail(&self) {
        self.state.lock().failed = true;
    }

    /// Returns once everything before `upto` is durable. `round` writes out and syncs what there is and
    /// returns the mark it covered; it runs without a lock, in one thread at a time.
    pub(super) fn wait(
        &self,
        upto: T,
        mut round: impl FnMut() -> Result<T, RoundError>,
    ) -> Result<(), StoreError> {
        let mut state = self.state.lock();
        loop {
            if state.durable >= upto {
                return Ok(());
            }
            if state.failed {
                return Err(StoreError::Stopped);
            }
            if state.running {
                self.round_over.wait(&mut state);
                continue;
            }
            state.running = true;
            drop(state);
            let covered = round();
            state = self.state.lock();
            state.running = false;
            self.round_over.notify_all();
            match covered {
                Ok(mark) => state.durable = state.durable.max(mark),
                Err(RoundError::Before(error)) => return Err(error),
                Err(RoundError::Sync(error)) => {
                    state.failed = true;
                    return Err(StoreError::Disk(error));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    #[test]
    fn waiters_share_a_round() {
        let group = Group::new(0);
        let written = AtomicU64::new(0);
        let rounds = AtomicU64::new(0);
        let (waiters, gate) = (16, Barrier::new(16));
        std::thread::scope(|scope| {
            for _ in 0..waiters {
                scope.spawn(|| {
                    let mine = written.fetch_add(1, Ordering::SeqCst) + 1;
                    gate.wait();
                    let round = || {
                        rounds.fetch_add(1, Ordering::SeqCst);
                        Ok(written.load(Ordering::SeqCst))
                    };
                    group.wait(mine, round).unwrap();
                    assert!(group.durable() >= mine);
                });
            }
        });
        assert_eq!(rounds.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn a_failed_sync_is_final_and_a_full_disk_is_not() {
        let group = Group::new(0);
        let full = || Err(RoundError::Before(StoreError::Full));
        assert!(matches!(group.wait(1, full), Err(StoreError::Full)));
        group.wait(1, || Ok(1)).unwrap();
        let broken = || Err(RoundError::Sync(std::io::ErrorKind::Other.into()));
        assert!(matches!(group.wait(2, broken), Err(StoreError::Disk(_))));
        assert!(matches!(group.wait(2, || Ok(2)), Err(StoreError::Stopped)));
        group.wait(1, || Ok(9)).unwrap();
        assert!(group.failed());
    }
}
