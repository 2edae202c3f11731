//! Reading contents, also those that are not here yet.
//!
//! A read of something absent asks the peers through [`Fetch`] and is answered when it came, by whichever
//! thread brought it, or with [`VaultError::Unreachable`] after [`READ_WAIT`]. No thread waits meanwhile.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::contents::Content;
use super::error::{Result, VaultError};
use super::vault::Vault;
use crate::crypto::ObjectId;

/// How long a read waits for peers. Longer than a reconnect takes, shorter than people wait for a dead file
/// manager.
pub const READ_WAIT: Duration = Duration::from_secs(20);

/// How many absent objects after the one a read stumbled over are asked for with it.
const ASK_AHEAD: usize = 16;
/// Contents over so many bytes are not searched for more absent objects.
const ASK_AHEAD_LEN: u64 = 256 << 20;

/// Takes the answer to a read.
pub type ReadDone = Box<dyn FnOnce(Result<Vec<u8>>) + Send>;

/// Brings objects from peers, ahead of everything else. Implemented by the daemon.
pub trait Fetch: Send + Sync {
    /// Asks for `ids`. `done` is called once, from any thread: when all are in the store and were announced
    /// by [`Vault::arrived`], or with the reason why they will not come. May be called with no peer there.
    fn want(&self, ids: &[ObjectId], done: Box<dyn FnOnce(Result<()>) + Send>);
}

/// The reads that wait.
#[derive(Default)]
pub(super) struct PendingReads {
    last: u64,
    reads: HashMap<u64, PendingRead>,
}

struct PendingRead {
    content: Content,
    offset: u64,
    len: usize,
    absent: ObjectId,
    deadline: Duration,
    done: ReadDone,
}

impl Vault {
    /// The bytes of `content` from `offset` on, at most `len` of them.
    ///
    /// # Errors
    /// [`VaultError::Missing`] if some are not here.
    pub fn read_content(&self, content: &Content, offset: u64, len: usize) -> Result<Vec<u8>> {
        Ok(self.contents.read(content, offset, len)?)
    }

    /// As [`Vault::read_content`], but waits for what is not here. `done` may be called before this returns.
    pub fn read_content_later(self: &Arc<Self>, content: Content, offset: u64, len: usize, done: ReadDone) {
        let deadline = self.now() + READ_WAIT;
        self.read_or_wait(content, offset, len, deadline, done);
    }

    /// Whom to ask for what is not here. `None`: nobody; such reads fail at once.
    pub fn set_fetch(&self, fetch: Option<Arc<dyn Fetch>>) {
        *self.fetch.write() = fetch;
    }

    fn read_or_wait(
        self: &Arc<Self>,
        content: Content,
        offset: u64,
        len: usize,
        deadline: Duration,
        done: ReadDone,
    ) {
        let absent = match self.read_content(&content, offset, len) {
            Err(VaultError::Missing(absent)) => absent,
            answer => return done(answer),
        };
        let Some(fetch) = self.fetch.read().clone() else { return done(Err(VaultError::Unreachable)) };
        if deadline <= self.now() {
            return done(Err(VaultError::Unreachable));
        }
        let wanted = self.ask_ahead(&content, absent);
        let key = {
            let mut pending = self.reads.lock();
            pending.last += 1;
            let key = pending.last;
            pending.reads.insert(key, PendingRead { content, offset, len, absent, deadline, done });
            key
        };
        self.watch_reads();
        let vault = Arc::downgrade(self);
        let answer = move |result: Result<()>| {
            if let Some(vault) = vault.upgrade() {
                vault.answer_read(key, result);
            }
        };
        fetch.want(&wanted, Box::new(answer));
    }

    /// The object a read stumbled over, and those that a reader who goes on would stumble over next.
    fn ask_ahead(&self, content: &Content, absent: ObjectId) -> Vec<ObjectId> {
        if content.len() > ASK_AHEAD_LEN {
            return vec![absent];
        }
        let missing = self.contents.missing(content).unwrap_or_default();
        let ahead: Vec<_> = missing.into_iter().map(|(id, _)| id).skip_while(|id| *id != absent).collect();
        if ahead.is_empty() { vec![absent] } else { ahead.into_iter().take(ASK_AHEAD).collect() }
    }

    fn answer_read(self: &Arc<Self>, key: u64, result: Result<()>) {
        let Some(read) = self.reads.lock().reads.remove(&key) else { return };
        match result {
            Ok(()) => self.read_or_wait(read.content, read.offset, read.len, read.deadline, read.done),
            Err(error) => (read.done)(Err(error)),
        }
    }

    /// Answers the reads that waited for one of `ids`.
    pub(super) fn answer_reads(self: &Arc<Self>, ids: &[ObjectId]) {
        let ready: Vec<u64> = {
            let pending = self.reads.lock();
            let ready = pending.reads.iter().filter(|(_, read)| ids.contains(&read.absent));
            ready.map(|(key, _)| *key).collect()
        };
        for key in ready {
            self.answer_read(key, Ok(()));
        }
    }

    /// Fails the reads that waited too long.
    pub(super) fn expire_reads(&self) {
        let now = self.now();
        let expired: Vec<PendingRead> = {
            let mut pending = self.reads.lock();
            let keys: Vec<u64> =
                pending.reads.iter().filter(|(_, read)| read.deadline <= now).map(|(key, _)| *key).collect();
            keys.into_iter().filter_map(|key| pending.reads.remove(&key)).collect()
        };
        for read in expired {
            (read.done)(Err(VaultError::Unreachable));
        }
        self.watch_reads();
    }

    /// Has the flusher wake for the first read to expire.
    fn watch_reads(&self) {
        let first = self.reads.lock().reads.values().map(|read| read.deadline).min();
        self.reschedule(|schedule, _| schedule.set_alarm(first));
    }
}
