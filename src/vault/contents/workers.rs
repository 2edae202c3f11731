//! The small pool on which chunks are hashed, compressed, sealed and put.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use parking_lot::Mutex;

use super::ContentsError;
use crate::ambient::priority::Priority;

type Job = Box<dyn FnOnce() + Send>;

/// A few threads with a bounded queue: whoever hands in more than they can do waits.
pub(super) struct Workers {
    queue: Option<SyncSender<Job>>,
    threads: Vec<JoinHandle<()>>,
}

impl Workers {
    /// `count` threads of this priority; with 0, work is done by whoever asks for it. A thread that cannot be started
    /// is done without.
    pub(super) fn new(count: usize, priority: Priority) -> Self {
        let (queue, jobs) = sync_channel::<Job>(count.max(1));
        let jobs = Arc::new(Mutex::new(jobs));
        let start = |n| {
            let jobs = Arc::clone(&jobs);
            let name = match priority {
                Priority::Usual => format!("bosr-chunks-{n}"),
                Priority::Low => format!("bosr-behind-{n}"),
            };
            let serve = move || {
                priority.take();
                work(&jobs);
            };
            std::thread::Builder::new().name(name).spawn(serve).ok()
        };
        let threads: Vec<_> = (0..count).filter_map(start).collect();
        Workers { queue: (!threads.is_empty()).then_some(queue), threads }
    }

    /// How much may be under way at once before it pays to wait for the first.
    pub(super) fn depth(&self) -> usize {
        self.threads.len() * 4
    }

    /// Has `job` done, now or soon.
    pub(super) fn run<T: Send + 'static>(&self, job: impl FnOnce() -> T + Send + 'static) -> Ticket<T> {
        let Some(queue) = &self.queue else { return Ticket::Done(job()) };
        let (give, take) = sync_channel(1);
        let job = Box::new(move || {
            // Whoever handed the job in may have given up waiting.
            let _ = give.send(job());
        });
        match queue.send(job) {
            Ok(()) => Ticket::Waiting(take),
            Err(_) => Ticket::Lost,
        }
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.queue = None;
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

fn work(jobs: &Mutex<Receiver<Job>>) {
    loop {
        // The lock is held while waiting, so idle threads wait for it instead of the queue: the same to them.
        let job = jobs.lock().recv();
        match job {
            Ok(job) => job(),
            Err(_) => return,
        }
    }
}

/// The right to the result of a job.
pub(super) enum Ticket<T> {
    Done(T),
    Waiting(Receiver<T>),
    Lost,
}

impl<T> Ticket<T> {
    /// The result, when it is there.
    pub(super) fn wait(self) -> Result<T, ContentsError> {
        match self {
            Ticket::Done(result) => Ok(result),
            Ticket::Waiting(take) => take.recv().map_err(|_| ContentsError::WorkerGone),
            Ticket::Lost => Err(ContentsError::WorkerGone),
        }
    }
}
