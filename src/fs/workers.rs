//! A few threads for what may wait or takes long: the threads that serve the kernel hand it over with the
//! reply that is owed.
//!
//! Jobs start in the order they were given. The queue is bounded by what gives jobs: requests of the kernel
//! (which bounds them) and one fold per open file. Dropped, the threads finish what is queued and end.
//!
//! Waking a thread costs more than most jobs, so nobody is woken who is not needed, and threads whose jobs
//! nobody waits for *linger*: woken, they wait a moment for more jobs, and do them all.

use std::collections::VecDeque;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::{Condvar, Mutex, MutexGuard};

use crate::ambient::priority::Priority;

type Job = Box<dyn FnOnce() + Send>;

/// The threads and what waits for them.
#[derive(Debug)]
pub(super) struct Workers {
    queue: Arc<Queue>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

#[derive(Default)]
struct Queue {
    state: Mutex<State>,
    /// For threads without work.
    woken: Condvar,
    /// For those who wait until nothing is left.
    drained: Condvar,
    /// For threads that linger.
    closing: Condvar,
    linger: Duration,
}

impl std::fmt::Debug for Queue {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Queue").finish_non_exhaustive()
    }
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    running: usize,
    /// Threads that sleep until they are woken.
    idle: usize,
    closing: bool,
}

impl Workers {
    /// `count` threads that carry `name` and begin at once.
    ///
    /// # Errors
    /// When the system gives no more threads.
    pub(super) fn start(name: &str, count: usize) -> std::io::Result<Workers> {
        Workers::serving(name, count, Queue::default())
    }

    /// As [`start`](Self::start), for jobs that nobody waits for: a thread that is woken waits for `linger` before it
    /// begins, and gives way to whatever else wants to run.
    ///
    /// # Errors
    /// When the system gives no more threads.
    pub(super) fn lingering(name: &str, count: usize, linger: Duration) -> std::io::Result<Workers> {
        Workers::serving(name, count, Queue { linger, ..Queue::default() })
    }

    fn serving(name: &str, count: usize, queue: Queue) -> std::io::Result<Workers> {
        let queue = Arc::new(queue);
        let mut threads = Vec::with_capacity(count);
        for _ in 0..count {
            let queue = Arc::clone(&queue);
            threads.push(std::thread::Builder::new().name(name.to_owned()).spawn(move || queue.serve())?);
        }
        Ok(Workers { queue, threads: Mutex::new(threads) })
    }

    /// Queues a job.
    pub(super) fn run(&self, job: impl FnOnce() + Send + 'static) {
        let mut state = self.queue.state.lock();
        state.jobs.push_back(Box::new(job));
        if state.idle > 0 {
            // Counted off here: the next job does not wake the same thread again.
            state.idle -= 1;
            drop(state);
            self.queue.woken.notify_one();
        }
    }

    /// Waits until nothing is queued or running.
    pub(super) fn drain(&self) {
        let mut state = self.queue.state.lock();
        while !state.jobs.is_empty() || state.running > 0 {
            self.queue.drained.wait(&mut state);
        }
    }
}

impl Queue {
    fn serve(&self) {
        let priority = if self.linger.is_zero() { Priority::Usual } else { Priority::Low };
        priority.take();
        let mut state = self.state.lock();
        loop {
            if let Some(job) = state.jobs.pop_front() {
                state.running += 1;
                drop(state);
                job();
                state = self.state.lock();
                state.running -= 1;
                if state.running == 0 && state.jobs.is_empty() {
                    self.drained.notify_all();
                }
            } else if state.closing {
                return;
            } else {
                self.sleep(&mut state);
            }
        }
    }

    /// Waits until woken, and then for what else may come.
    fn sleep(&self, state: &mut MutexGuard<'_, State>) {
        state.idle += 1;
        // Never wakes by itself: whoever wakes it has counted it off.
        self.woken.wait(state);
        if !self.linger.is_zero() && !state.closing {
            let _ = self.closing.wait_for(state, self.linger);
        }
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.queue.state.lock().closing = true;
        self.queue.woken.notify_all();
        self.queue.closing.notify_all();
        let own = std::thread::current().id();
        for thread in self.threads.lock().drain(..) {
            // A job may hold the last handle on its own workers.
            if thread.thread().id() != own {
                let _ = thread.join();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn all_that_was_queued_is_done() {
        let done = Arc::new(AtomicUsize::new(0));
        let workers = Workers::start("test", 3).unwrap();
        for _ in 0..100 {
            let done = Arc::clone(&done);
            workers.run(move || {
                done.fetch_add(1, Ordering::SeqCst);
            });
        }
        workers.drain();
        assert_eq!(done.load(Ordering::SeqCst), 100);
        let last = Arc::clone(&done);
        workers.run(move || {
            last.fetch_add(1, Ordering::SeqCst);
        });
        drop(workers);
        assert_eq!(done.load(Ordering::SeqCst), 101);
    }

    #[test]
    fn threads_that_linger_do_everything_too() {
        let done = Arc::new(AtomicUsize::new(0));
        let workers = Workers::lingering("test", 2, Duration::from_millis(1)).unwrap();
        for round in 1..=20 {
            for _ in 0..5 {
                let done = Arc::clone(&done);
                workers.run(move || {
                    done.fetch_add(1, Ordering::SeqCst);
                });
            }
            workers.drain();
            assert_eq!(done.load(Ordering::SeqCst), round * 5);
        }
        let last = Arc::clone(&done);
        workers.run(move || {
            last.fetch_add(1, Ordering::SeqCst);
        });
        drop(workers);
        assert_eq!(done.load(Ordering::SeqCst), 101);
    }
}
