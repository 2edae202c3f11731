//! The log, the journal, the index, recovery.
//!
//! A store is one folder that holds a vault on this machine: encrypted objects and the replica's own records in
//! an append-only [`log`], operations that no commit holds yet in a [`journal`], and an
//! [`index`] derived from the log. It knows objects by id and keys by bytes, and nothing of files, nodes
//! or peers. `docs/specs/vault-format.md` has the layouts and the crash analysis.
//!
//! # What it promises
//! - Everything before [`Store::durable`], and every journal entry whose sync returned, is there after a power
//!   cut. Of what came later: objects each by itself, local keys as after a prefix of the changes, journal
//!   entries as a prefix in order, none without what it needs of the log.
//! - What cannot be read back is named as [`Damage`], never given as content and never a panic.
//! - On a full disk a call fails with [`StoreError::Full`] and has done nothing.
//!
//! # What it does not promise
//! That somebody who can write to the folder cannot put back an older state of it; that objects written since
//! the last sync survive; that damage is found before it is read (see [`Store::check`]).
//!
//! # Locks
//! In the order they are taken: `locals` → log (`writing` → `tail`) → index. Sealing, opening and reads of the
//! disk happen under none of them, but that local frames are sealed under `locals` to keep their order.

mod budget;
mod bytes;
mod caches;
mod check;
pub mod disk;
mod error;
mod group;
mod index;
mod journal;
mod locals;
pub mod lock;
mod log;
pub mod mark;
mod objects;
mod opening;
mod options;
mod position;
pub(crate) mod recent;
mod recovery;
mod upkeep;

#[cfg(test)]
mod crash;
#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};

use self::budget::Budget;
pub use self::index::Tables;
use self::index::{Index, Place};
use self::journal::Journal;
use self::locals::Locals;
use self::log::Log;
use self::recent::Recent;
use crate::ambient::Ambient;
use crate::crypto::{Keyring, ObjectHeader, ObjectId, ObjectKind};
use disk::Space;

pub use budget::Reservation;
pub use caches::Caches;
pub use error::{Damage, DamageKind, StoreError};
pub use options::Options;
pub use position::{JournalSeq, LogPosition};

/// A key of [`Store::set_local`] and its new value; `None` removes it.
pub type LocalChange = (Vec<u8>, Option<Vec<u8>>);

/// One entry of the journal, as replayed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournalEntry {
    /// Its number.
    pub seq: JournalSeq,
    /// What was appended.
    pub payload: Vec<u8>,
}

/// What opening a store found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovery {
    /// Journal entries that may not be in a durable commit, in order.
    pub journal: Vec<JournalEntry>,
    /// Bytes of unfinished frames at the end of the log: what was never synced and did not survive.
    pub torn: u64,
    /// What should be there and is not.
    pub damage: Vec<Damage>,
    /// The index was made anew: tables kept in it by layers above are empty.
    pub index_rebuilt: bool,
}

/// How full the journal is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fill {
    /// Bytes of entries that are not retired (with dead ones between them).
    pub used: u64,
    /// Bytes both files hold.
    pub capacity: u64,
    /// A commit should start, so that entries can be retired before writers have to wait.
    pub commit_due: bool,
}

/// The store of a vault. All methods take `&self` and may be called from any thread.
pub struct Store {
    log: Log,
    journal: Journal,
    index: Index,
    locals: RwLock<Locals>,
    keyring: RwLock<Arc<Keyring>>,
    budget: Arc<Budget>,
    /// Where objects read lately lie, with their headers: what a second read of one need not look up.
    headers: Recent<(Place, ObjectHeader)>,
    /// Objects whose frames turned out to be damaged: as good as missing, until they are stored again.
    damaged: RwLock<HashSet<ObjectId>>,
    /// Held while a failed index is made good.
    mending: Mutex<()>,
    ambient: Ambient,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("end", &self.log.end()).finish_non_exhaustive()
    }
}

impl Store {
    /// The keys in use.
    pub fn keyring(&self) -> Arc<Keyring> {
        self.keyring.read().clone()
    }

    /// Uses other keys from now on (an epoch was added). They must be in the vault file already.
    pub fn set_keyring(&self, keyring: Arc<Keyring>) {
        *self.keyring.write() = keyring;
    }

    /// How much may be kept in memory of what lies here, also by those who decode it.
    pub fn caches(&self) -> Caches {
        self.index.options().caches
    }

    /// The end of the log: everything stored so far lies before it.
    pub fn position(&self) -> LogPosition {
        self.log.end()
    }

    /// Everything before this is durable.
    pub fn durable(&self) -> LogPosition {
        self.log.durable()
    }

    /// Bytes of the log that are not durable yet.
    pub fn unsynced(&self) -> u64 {
        let (durable, end) = (self.log.durable(), self.log.end());
        // A segment is begun only when the one before is durable.
        let from = if durable.segment() == end.segment() { durable.offset() } else { log::SEGMENT_HEAD_LEN };
        u64::from(end.offset().saturating_sub(from))
    }

    /// Makes the log durable up to a position. Concurrent callers share one `fdatasync`.
    ///
    /// # Errors
    /// [`StoreError::Full`] if what was stored could not be written for want of room; it stays readable and is
    /// tried again. [`StoreError::Disk`] and from then on [`StoreError::Stopped`] if the sync failed.
    pub fn sync_log(&self, upto: LogPosition) -> Result<(), StoreError> {
        self.log.sync(upto)?;
        self.absorb_if_due();
        Ok(())
    }

    /// The value of a local key.
    pub fn local(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.locals.read().value(key).cloned()
    }

    /// The local keys that begin with `prefix`, in order, with their values.
    pub fn locals(&self, prefix: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
        self.locals.read().range(prefix)
    }

    /// Sets or removes local keys, all or none after a crash. Durable once the log is synced up to the position
    /// given back.
    ///
    /// # Errors
    /// As [`Store::put`].
    pub fn set_local(&self, changes: Vec<LocalChange>) -> Result<LogPosition, StoreError> {
        let mut locals = self.locals.write();
        let (plaintext, whole) = locals.frame(&changes)?;
        let sealed = self.seal(ObjectKind::Local, None, &plaintext)?;
        let body_len = self.claim(&sealed)?;
        self.log.append(&sealed.header, &sealed.body, |position| {
            self.index.note_local(Place { position, body_len }, whole);
            true
        })?;
        locals.wrote(changes, plaintext.len(), whole);
        Ok(self.log.end())
    }

    /// Appends an entry to the journal. It will be replayed only if everything in the log before `needs` was
    /// recovered.
    ///
    /// # Errors
    /// [`StoreError::JournalFull`] until entries are retired; [`StoreError::TooLong`].
    pub fn journal_append(&self, payload: &[u8], needs: LogPosition) -> Result<JournalSeq, StoreError> {
        self.journal.append(payload, needs, &self.keyring())
    }

    /// Makes the journal durable up to an entry, and first the log as far as these entries need it.
    ///
    /// # Errors
    /// As [`Store::sync_log`].
    pub fn sync_journal(&self, upto: JournalSeq) -> Result<(), StoreError> {
        self.journal.sync(upto, &self.log)
    }

    /// The number of the last entry appended.
    pub fn journal_position(&self) -> JournalSeq {
        self.journal.position()
    }

    /// Says that every entry up to `upto` is in a durable commit and will not be asked for again.
    pub fn journal_retire(&self, upto: JournalSeq) {
        self.journal.retire(upto);
    }

    /// How full the journal is.
    pub fn journal_fill(&self) -> Fill {
        self.journal.fill()
    }

    /// Waits until an entry of `len` bytes fits the journal. Never call it from a thread that others wait for.
    ///
    /// # Errors
    /// [`StoreError::TooLong`] if it never will.
    pub fn wait_for_journal_room(&self, len: usize) -> Result<(), StoreError> {
        self.journal.wait_for_room(len)
    }

    /// Promises room for `bytes` of content.
    ///
    /// # Errors
    /// [`StoreError::Full`].
    pub fn reserve(&self, bytes: u64) -> Result<Reservation, StoreError> {
        self.budget.reserve(bytes, self.log.unwritten())
    }

    /// Room for content: what the disk has, less what is reserved.
    ///
    /// # Errors
    /// [`StoreError::Disk`].
    pub fn space(&self) -> Result<Space, StoreError> {
        self.budget.space(self.log.unwritten())
    }

    /// Bytes the log takes.
    pub fn history_bytes(&self) -> u64 {
        self.log.total_len()
    }
}

/// Hands `bytes` to all that decodes here.
#[cfg(any(test, feature = "testing"))]
pub(crate) fn feed(bytes: &[u8]) {
    let _ = locals::LocalFrame::decode(bytes);
    log::feed(bytes);
    journal::feed(bytes);
    lock::feed(bytes);
}
