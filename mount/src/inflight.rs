//! Which requests have begun and not been answered, so that an invalidation can wait for those that may
//! still carry an old state.
//!
//! Requests are counted in one of two counters, the one of the current phase. A waiter turns to the other
//! phase and waits until the counter it left is empty: every request that began before has then been
//! answered, and those that began since are not waited for, so the wait ends under any load. One waiter at a
//! time turns the phase.
//!
//! Invariant: while nobody waits, the counter that is not current is zero.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use parking_lot::{Condvar, Mutex};

use crate::watch;

/// The requests of one mount that have begun and not been answered.
#[derive(Debug, Default)]
pub(crate) struct InFlight {
    /// Its lowest bit picks the counter.
    phase: AtomicU64,
    counts: [AtomicU64; 2],
    /// Held by the one waiter that turns the phase.
    turning: Mutex<()>,
    /// Guards nothing: makes the last answer of a phase and the wait for it see each other.
    drained: Mutex<()>,
    woken: Condvar,
}

impl InFlight {
    /// Counts a request as begun, until the ticket goes or is parked.
    pub(crate) fn begin(self: &Arc<Self>) -> Ticket {
        loop {
            let phase = self.phase.load(SeqCst);
            if self.enter(phase) {
                return Ticket { counted: Some((Arc::clone(self), phase)) };
            }
        }
    }

    /// Counts a request in `phase`, unless a waiter has left that phase: it may not have seen the request,
    /// and the next waiter would not wait for it.
    fn enter(&self, phase: u64) -> bool {
        self.count(phase).fetch_add(1, SeqCst);
        let current = self.phase.load(SeqCst) == phase;
        if !current {
            self.finish(phase);
        }
        current
    }

    /// Waits until every request that began before this call has been answered or parked.
    pub(crate) fn wait_for_earlier(&self) {
        let _turn = self.turning.lock();
        let left = self.phase.fetch_add(1, SeqCst);
        let mut drained = self.drained.lock();
        while self.count(left).load(SeqCst) != 0 {
            self.woken.wait(&mut drained);
        }
    }

    /// How many have begun and not been answered or parked.
    pub(crate) fn unanswered(&self) -> u64 {
        self.counts.iter().map(|count| count.load(SeqCst)).sum()
    }

    fn count(&self, phase: u64) -> &AtomicU64 {
        let [even, odd] = &self.counts;
        if phase & 1 == 0 { even } else { odd }
    }

    fn finish(&self, phase: u64) {
        let last = self.count(phase).fetch_sub(1, SeqCst) == 1;
        // Only a phase that was left can have a waiter: the common case takes no lock.
        if last && self.phase.load(SeqCst) != phase {
            drop(self.drained.lock());
            self.woken.notify_all();
        }
    }
}

/// A request that has begun. Dropped, it counts as answered, by the thread that drops it.
#[derive(Debug)]
pub(crate) struct Ticket {
    counted: Option<(Arc<InFlight>, u64)>,
}

impl Ticket {
    /// The ticket of a request that nothing waits for.
    pub(crate) const fn uncounted() -> Ticket {
        Ticket { counted: None }
    }

    /// Stops being waited for.
    pub(crate) fn park(&mut self) {
        if let Some((requests, phase)) = self.counted.take() {
            requests.finish(phase);
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        watch::answered();
        self.park();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;
    use std::thread;

    use super::*;

    /// Begins a wait on another thread, and returns once it has turned the phase.
    fn wait_elsewhere(requests: &Arc<InFlight>) -> thread::JoinHandle<()> {
        let before = requests.phase.load(SeqCst);
        let waiting = Arc::clone(requests);
        let waiter = thread::spawn(move || waiting.wait_for_earlier());
        while requests.phase.load(SeqCst) == before {
            thread::yield_now();
        }
        waiter
    }

    #[test]
    fn earlier_requests_are_waited_for_and_later_ones_not() {
        let requests = Arc::new(InFlight::default());
        let earlier = requests.begin();
        let waiter = wait_elsewhere(&requests);
        let later = requests.begin();
        assert!(!waiter.is_finished());
        drop(earlier);
        waiter.join().unwrap();
        drop(later);
        requests.wait_for_earlier();
    }

    #[test]
    fn parked_requests_are_not_waited_for() {
        let requests = Arc::new(InFlight::default());
        let mut parked = requests.begin();
        let waiter = wait_elsewhere(&requests);
        parked.park();
        waiter.join().unwrap();
        drop(parked);
        requests.wait_for_earlier();
        assert_eq!(requests.counts.each_ref().map(|count| count.load(SeqCst)), [0, 0]);
    }

    #[test]
    fn a_request_cannot_enter_a_phase_that_was_left() {
        let requests = InFlight::default();
        let seen = requests.phase.load(SeqCst);
        requests.wait_for_earlier();
        assert!(!requests.enter(seen));
        assert_eq!(requests.counts.each_ref().map(|count| count.load(SeqCst)), [0, 0]);
    }

    #[test]
    fn under_load_no_earlier_request_is_missed() {
        const WORKERS: usize = 4;
        let requests = Arc::new(InFlight::default());
        // What each worker's current request read; the state is published before each wait.
        let state = AtomicU64::new(0);
        let read: [AtomicU64; WORKERS] = std::array::from_fn(|_| AtomicU64::new(u64::MAX));
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            for slot in &read {
                scope.spawn(|| {
                    while !done.load(SeqCst) {
                        let ticket = requests.begin();
                        slot.store(state.load(SeqCst), SeqCst);
                        thread::yield_now();
                        slot.store(u64::MAX, SeqCst);
                        drop(ticket);
                    }
                });
            }
            let missed = (1..=5_000).find(|published| {
                state.store(*published, SeqCst);
                requests.wait_for_earlier();
                read.iter().any(|slot| slot.load(SeqCst) < *published)
            });
            done.store(true, SeqCst);
            assert_eq!(missed, None, "a request held an old state after the wait for it");
        });
    }
}
