//! The log, the journal, the index, recovery.

mod bytes;
pub mod disk;
mod error;
mod group;
mod index;
mod journal;
pub mod lock;
mod log;
pub mod mark;
mod options;
mod position;

use std::ops::Range;
use std::sync::Arc;

pub use error::{Damage, DamageKind, StoreError};
pub use options::Options;
pub use position::{JournalSeq, LogPosition};

use crate::ambient::Ambient;
use crate::crypto::{Keyring, ObjectHeader, ObjectId, ObjectKind, SealedObject, VaultFile};
use disk::{Disk, Space};

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

/// Room promised to a writer, given back when dropped.
#[derive(Debug)]
pub struct Reservation(());

/// The store of a vault. All methods take `&self` and may be called from any thread.
#[derive(Debug)]
pub struct Store(());

impl Store {
    /// Makes the store of a new vault: its folders, an empty log, the journals (written full of zeros), and
    /// last `vault.toml`.
    pub fn create(
        _disk: Arc<dyn Disk>,
        _vault_file: &VaultFile,
        _keyring: Arc<Keyring>,
        _ambient: Ambient,
    ) -> Result<Store, StoreError> {
        Err(StoreError::Stopped)
    }
    /// Opens a store and recovers what a crash left. The caller holds its [`lock::StoreLock`].
    pub fn open(
        _disk: Arc<dyn Disk>,
        _keyring: Arc<Keyring>,
        _ambient: Ambient,
    ) -> Result<(Store, Recovery), StoreError> {
        Err(StoreError::Stopped)
    }
    /// The vault file of the store on `disk`.
    pub fn vault_file(_disk: &dyn Disk) -> Result<VaultFile, StoreError> {
        Err(StoreError::Stopped)
    }
    /// Replaces the vault file, durably.
    pub fn write_vault_file(_disk: &dyn Disk, _file: &VaultFile) -> Result<(), StoreError> {
        Err(StoreError::Stopped)
    }
    /// The keys in use.
    pub fn keyring(&self) -> Result<Arc<Keyring>, StoreError> {
        Err(StoreError::Stopped)
    }
    /// Uses other keys from now on (an epoch was added). They must be in the vault file already.
    pub fn set_keyring(&self, _keyring: Arc<Keyring>) {}
    /// Stores an object, unless it is there, and gives its id. Durable after [`Store::sync_log`].
    pub fn put(&self, _kind: ObjectKind, _plaintext: &[u8]) -> Result<ObjectId, StoreError> {
        Err(StoreError::Stopped)
    }
    /// Stores an object that was verified and wrapped under the current epoch.
    pub fn put_sealed(&self, _object: &SealedObject) -> Result<ObjectId, StoreError> {
        Err(StoreError::Stopped)
    }
    /// Whether an object is here, and not known to be damaged.
    pub fn contains(&self, _id: &ObjectId) -> Result<bool, StoreError> {
        Err(StoreError::Stopped)
    }
    /// The plaintext of an object.
    pub fn fetch(&self, _id: &ObjectId) -> Result<Vec<u8>, StoreError> {
        Err(StoreError::Stopped)
    }
    /// A range of the plaintext of an object; reads only what it needs if the object is not compressed.
    pub fn fetch_range(&self, _id: &ObjectId, _range: Range<u32>) -> Result<Vec<u8>, StoreError> {
        Err(StoreError::Stopped)
    }
    /// An object as it lies in the log.
    pub fn sealed(&self, _id: &ObjectId) -> Result<SealedObject, StoreError> {
        Err(StoreError::Stopped)
    }
    /// What stands beside an object's body, if it is here.
    pub fn header(&self, _id: &ObjectId) -> Result<Option<ObjectHeader>, StoreError> {
        Err(StoreError::Stopped)
    }
    /// The value of a local key.
    pub fn local(&self, _key: &[u8]) -> Option<Vec<u8>> {
        None
    }
    /// Sets (or with `None` removes) local keys, all or none after a crash. Durable once the log is synced up
    /// to the position given back.
    pub fn set_local(&self, _changes: Vec<(Vec<u8>, Option<Vec<u8>>)>) -> Result<LogPosition, StoreError> {
        Err(StoreError::Stopped)
    }
    /// The local keys that begin with `prefix`, in order, with their values.
    pub fn locals(&self, _prefix: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
        Vec::new()
    }
    /// The end of the log: everything stored so far lies before it.
    pub fn position(&self) -> LogPosition {
        LogPosition::START
    }
    /// Everything before this is durable.
    pub fn durable(&self) -> LogPosition {
        LogPosition::START
    }
    /// Bytes of the log that are not durable yet.
    pub fn unsynced(&self) -> u64 {
        0
    }
    /// Makes the log durable up to a position. Concurrent callers share one `fdatasync`.
    pub fn sync_log(&self, _upto: LogPosition) -> Result<(), StoreError> {
        Err(StoreError::Stopped)
    }
    /// Appends an entry to the journal. It will be replayed only if everything in the log before `needs` was
    /// recovered.
    pub fn journal_append(&self, _payload: &[u8], _needs: LogPosition) -> Result<JournalSeq, StoreError> {
        Err(StoreError::Stopped)
    }
    /// Makes the journal durable up to an entry, and the log as far as these entries need it.
    pub fn sync_journal(&self, _upto: JournalSeq) -> Result<(), StoreError> {
        Err(StoreError::Stopped)
    }
    /// The number of the last entry appended.
    pub fn journal_position(&self) -> JournalSeq {
        JournalSeq(0)
    }
    /// Says that every entry up to `upto` is in a durable commit and will not be asked for again.
    pub fn journal_retire(&self, _upto: JournalSeq) {}
    /// How full the journal is.
    pub fn journal_fill(&self) -> Fill {
        Fill { used: 0, capacity: 0, commit_due: false }
    }
    /// Waits until an entry of `len` bytes fits the journal. Never call it from a thread that others wait for.
    pub fn wait_for_journal_room(&self, _len: usize) -> Result<(), StoreError> {
        Err(StoreError::Stopped)
    }
    /// Promises room for `bytes` of content, or fails with [`StoreError::Full`].
    pub fn reserve(&self, _bytes: u64) -> Result<Reservation, StoreError> {
        Err(StoreError::Stopped)
    }
    /// Room for content: what the disk has, less what is reserved.
    pub fn space(&self) -> Result<Space, StoreError> {
        Err(StoreError::Stopped)
    }
    /// Bytes the log takes.
    pub fn history_bytes(&self) -> u64 {
        0
    }
    /// Reads all of the log and tells what is wrong: every frame opens, every id fits, the index agrees.
    pub fn check(&self, _report: &mut dyn FnMut(Damage)) -> Result<(), StoreError> {
        Err(StoreError::Stopped)
    }
    /// Reads tables that a layer above keeps in the index file. What they hold must be derived: the file can
    /// be made anew at any time, and they are empty then. Names beginning with `store.` are the store's own.
    pub fn read_tables<R>(
        &self,
        _read: impl FnOnce(&redb::ReadTransaction) -> Result<R, redb::Error>,
    ) -> Result<R, StoreError> {
        Err(StoreError::Stopped)
    }
    /// Changes such tables, all or none. Durable with a later checkpoint of the index.
    pub fn write_tables<R>(
        &self,
        _write: impl FnOnce(&redb::WriteTransaction) -> Result<R, redb::Error>,
    ) -> Result<R, StoreError> {
        Err(StoreError::Stopped)
    }
    /// Syncs everything and brings the index up to date, so that the next opening is quick.
    pub fn close(&self) -> Result<(), StoreError> {
        Err(StoreError::Stopped)
    }
}
