//! One thread that waits for the disk on behalf of all: requests that ask for durability while a sync is
//! under way share the next one.

use std::sync::Arc;
use std::thread::JoinHandle;

use bosr_mount::Reply;
use parking_lot::{Condvar, Mutex};

use super::errors::posix;
use crate::vault::Vault;

/// The thread and who waits for it.
#[derive(Debug)]
pub(super) struct Syncer {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug, Default)]
struct Shared {
    queue: Mutex<Queue>,
    woken: Condvar,
}

#[derive(Debug, Default)]
struct Queue {
    replies: Vec<Reply<()>>,
    closing: bool,
}

impl Syncer {
    /// Starts the thread.
    ///
    /// # Errors
    /// When the system gives no more threads.
    pub(super) fn start(vault: Arc<Vault>) -> std::io::Result<Syncer> {
        let shared = Arc::new(Shared::default());
        let own = Arc::clone(&shared);
        let thread =
            std::thread::Builder::new().name("bosr-sync".to_owned()).spawn(move || own.serve(&vault))?;
        Ok(Syncer { shared, thread: Mutex::new(Some(thread)) })
    }

    /// Answers once everything journalled so far is durable.
    pub(super) fn sync(&self, mut reply: Reply<()>) {
        reply.park();
        self.shared.queue.lock().replies.push(reply);
        self.shared.woken.notify_one();
    }
}

impl Shared {
    fn serve(&self, vault: &Vault) {
        loop {
            let replies = {
                let mut queue = self.queue.lock();
                while queue.replies.is_empty() && !queue.closing {
                    self.woken.wait(&mut queue);
                }
                std::mem::take(&mut queue.replies)
            };
            if replies.is_empty() {
                return;
            }
            let done = vault.sync().map_err(posix);
            for reply in replies {
                reply.answer(done);
            }
        }
    }
}

impl Drop for Syncer {
    fn drop(&mut self) {
        self.shared.queue.lock().closing = true;
        self.shared.woken.notify_all();
        if let Some(thread) = self.thread.lock().take() {
            let _ = thread.join();
        }
    }
}
