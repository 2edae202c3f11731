//! A few threads for what may wait or takes long: the threads that serve the kernel hand it over with the
//! reply that is owed.
//!
//! Jobs start in the order they were given. The queue is bounded by what gives jobs: requests of the kernel
//! (which bounds them) and one fold per open file. Dropped, the threads finish what is queued and end.

use std::collections::VecDeque;
use std::sync::Arc;
use std::thread::JoinHandle;

use parking_lot::{Condvar, Mutex};

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
    woken: Condvar,
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
    closing: bool,
}

impl Workers {
    /// `count` threads that carry `name`.
    ///
    /// # Errors
    /// When the system gives no more threads.
    pub(super) fn start(name: &str, count: usize) -> std::io::Result<Workers> {
        let queue = Arc::new(Queue::default());
        let mut threads = Vec::with_capacity(count);
        for _ in 0..count {
            let queue = Arc::clone(&queue);
            threads.push(std::thread::Builder::new().name(name.to_owned()).spawn(move || queue.serve())?);
        }
        Ok(Workers { queue, threads: Mutex::new(threads) })
    }

    /// Queues a job.
    pub(super) fn run(&self, job: impl FnOnce() + Send + 'static) {
        self.queue.state.lock().jobs.push_back(Box::new(job));
        self.queue.woken.notify_one();
    }

    /// Waits until nothing is queued or running.
    pub(super) fn drain(&self) {
        let mut state = self.queue.state.lock();
        while !state.jobs.is_empty() || state.running > 0 {
            self.queue.woken.wait(&mut state);
        }
    }
}

impl Queue {
    fn serve(&self) {
        let mut state = self.state.lock();
        loop {
            if let Some(job) = state.jobs.pop_front() {
                state.running += 1;
                drop(state);
                job();
                state = self.state.lock();
                state.running -= 1;
                self.woken.notify_all();
            } else if state.closing {
                return;
            } else {
                self.woken.wait(&mut state);
            }
        }
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.queue.state.lock().closing = true;
        self.queue.woken.notify_all();
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
}
