//! Making a store, and opening one.

use std::collections::HashSet;
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};

use super::budget::Budget;
use super::disk::{self, Disk};
use super::index::{Contents, Index, Place};
use super::journal::Journal;
use super::locals::Locals;
use super::log::{LOG_DIR, Log};
use super::recent::Recent;
use super::recovery::{LogRecovery, Segments, recover};
use super::upkeep::{NOTED_AT_ONCE, index_error, recent_locals};
use super::{LogPosition, Options, Recovery, Store, StoreError};
use crate::ambient::Ambient;
use crate::crypto::{CryptoError, Keyring, VaultFile, VaultFileError};

const VAULT_FILE: &str = "vault.toml";
/// As [`VaultFile::parse`] has it.
const VAULT_FILE_LIMIT: u64 = 16 << 20;

impl Store {
    /// Makes the store of a new vault in an existing folder: an empty log, the journals (written full of
    /// zeros), and last `vault.toml`, so that a folder which has that is a whole store.
    ///
    /// # Errors
    /// [`StoreError::Exists`], [`StoreError::Full`], [`StoreError::Disk`].
    pub fn create(
        disk: Arc<dyn Disk>,
        vault_file: &VaultFile,
        keyring: Arc<Keyring>,
        ambient: Ambient,
    ) -> Result<Store, StoreError> {
        Self::create_with(disk, vault_file, keyring, ambient, Options::default())
    }

    /// As [`Store::create`], with other sizes.
    ///
    /// # Errors
    /// As [`Store::create`].
    pub fn create_with(
        disk: Arc<dyn Disk>,
        vault_file: &VaultFile,
        keyring: Arc<Keyring>,
        ambient: Ambient,
        options: Options,
    ) -> Result<Store, StoreError> {
        if disk.list("")?.iter().any(|name| name == VAULT_FILE) {
            return Err(StoreError::Exists);
        }
        disk.make_dir(LOG_DIR)?;
        let log = Log::create(disk.clone(), keyring.vault_id(), options.segment_len)?;
        let journal = Journal::create(disk.as_ref(), options.journal_len, ambient.entropy.clone())?;
        let (index, _) = Index::open(disk.clone(), &keyring, ambient.entropy.clone(), &options);
        index.recreate(&keyring).map_err(index_error)?;
        Self::write_vault_file(disk.as_ref(), vault_file)?;
        let budget = Arc::new(Budget::new(disk, options.reserve));
        Ok(Self::assemble(log, journal, index, Locals::default(), keyring, budget, ambient))
    }

    /// Opens a store and recovers what a crash left. The caller holds its [`super::lock::StoreLock`].
    ///
    /// # Errors
    /// [`StoreError::Foreign`], [`StoreError::Disk`], [`StoreError::Full`]; [`CryptoError::UnknownEpoch`].
    /// Damage is no error: it is told in the [`Recovery`].
    pub fn open(
        disk: Arc<dyn Disk>,
        keyring: Arc<Keyring>,
        ambient: Ambient,
    ) -> Result<(Store, Recovery), StoreError> {
        Self::open_with(disk, keyring, ambient, Options::default())
    }

    /// As [`Store::open`], with other sizes.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn open_with(
        disk: Arc<dyn Disk>,
        keyring: Arc<Keyring>,
        ambient: Ambient,
        options: Options,
    ) -> Result<(Store, Recovery), StoreError> {
        let segments = Segments::open(disk.as_ref(), keyring.vault_id())?;
        let (index, contents) = Index::open(disk.clone(), &keyring, ambient.entropy.clone(), &options);
        let opening = Opening { disk: &disk, keyring: &keyring, segments, index, options: &options };
        let (log, index, locals, mut recovery, found) = opening.read_log(contents)?;
        let (journal, entries) = Journal::open(
            disk.as_ref(),
            &keyring,
            options.journal_len,
            found.whole_until,
            ambient.entropy.clone(),
        )?;
        recovery.journal = entries;
        let budget = Arc::new(Budget::new(disk, options.reserve));
        Ok((Self::assemble(log, journal, index, locals, keyring, budget, ambient), recovery))
    }

    fn assemble(
        log: Log,
        journal: Journal,
        index: Index,
        locals: Locals,
        keyring: Arc<Keyring>,
        budget: Arc<Budget>,
        ambient: Ambient,
    ) -> Store {
        let headers = Recent::new(index.options().caches.headers);
        Store {
            log,
            journal,
            index,
            locals: RwLock::new(locals),
            keyring: RwLock::new(keyring),
            budget,
            headers,
            damaged: RwLock::new(HashSet::new()),
            mending: Mutex::new(()),
            ambient,
        }
    }

    /// The vault file of the store on `disk`.
    ///
    /// # Errors
    /// [`StoreError::Foreign`] if there is none; [`CryptoError::VaultFile`] if it is damaged.
    pub fn vault_file(disk: &dyn Disk) -> Result<VaultFile, StoreError> {
        let bytes = match disk::read_whole(disk, VAULT_FILE, VAULT_FILE_LIMIT) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Err(StoreError::Foreign),
            other => other?,
        };
        let text = String::from_utf8(bytes).map_err(|_| {
            CryptoError::VaultFile(VaultFileError::Syntax("it holds bytes that are not text".to_owned()))
        })?;
        Ok(VaultFile::parse(&text)?)
    }

    /// Replaces the vault file, durably: after a power cut it is the old one or the new.
    ///
    /// # Errors
    /// [`StoreError::Full`], [`StoreError::Disk`].
    pub fn write_vault_file(disk: &dyn Disk, file: &VaultFile) -> Result<(), StoreError> {
        Ok(disk::replace(disk, VAULT_FILE, file.to_toml().as_bytes())?)
    }
}

/// What a store is opened from.
struct Opening<'a> {
    disk: &'a Arc<dyn Disk>,
    keyring: &'a Keyring,
    segments: Segments,
    index: Index,
    options: &'a Options,
}

impl Opening<'_> {
    fn read_log(
        self,
        contents: Option<Contents>,
    ) -> Result<(Log, Index, Locals, Recovery, LogRecovery), StoreError> {
        let Attempt { found, log, locals, index_rebuilt, .. } = match self.with_file(contents) {
            Err(StoreError::Index(error)) => {
                tracing::warn!(%error, "the index file cannot be used; the index is kept in memory");
                self.index.recreate_in_memory().map_err(index_error)?;
                self.settled(self.attempt(LogPosition::START, Vec::new())?)?
            }
            other => other?,
        };
        let damage = found.damage.clone();
        let recovery = Recovery { journal: Vec::new(), torn: found.torn, damage, index_rebuilt };
        Ok((log, self.index, locals, recovery, found))
    }

    /// Reads the log from where the index file ends; from its start if that cannot be used, or lacks a local
    /// frame that an older one could stand in for.
    fn with_file(&self, contents: Option<Contents>) -> Result<Attempt, StoreError> {
        if let Some(contents) = contents
            && self.segments.reach(contents.covered)?
        {
            let attempt = self.attempt(contents.covered, contents.locals)?;
            if !attempt.locals_damaged {
                return self.settled(attempt);
            }
        }
        self.index.recreate(self.keyring).map_err(index_error)?;
        self.settled(self.attempt(LogPosition::START, Vec::new())?)
    }

    /// Brings into the index what was read.
    fn settled(&self, attempt: Attempt) -> Result<Attempt, StoreError> {
        self.index.absorb(attempt.found.end, attempt.index_rebuilt).map_err(index_error)?;
        Ok(attempt)
    }

    /// Reads the log from `from`; `places` are the local frames before that.
    fn attempt(&self, from: LogPosition, mut places: Vec<Place>) -> Result<Attempt, StoreError> {
        let mut noted = 0;
        let mut found = recover(self.disk.as_ref(), &self.segments, from, &mut |id, place| {
            self.index.note(id, place, true);
            noted += 1;
            if noted % NOTED_AT_ONCE == 0 {
                self.index.absorb_objects().map_err(index_error)?;
            }
            Ok(())
        })?;
        let segment_len = self.options.segment_len;
        let vault = self.keyring.vault_id();
        let log = Log::at(self.disk.clone(), vault, segment_len, self.segments.files.clone(), found.end);
        let before = found.damage.len();
        places.retain(|place| place.position < from);
        places.extend(&found.locals);
        let mut locals = Locals::default();
        for (place, frame) in recent_locals(&log, self.keyring, &places, &mut found.damage)? {
            if place.position >= from {
                self.index.note_local(place, frame.is_whole());
            }
            locals.replay(frame, place.body_len as usize);
        }
        let (locals_damaged, index_rebuilt) = (found.damage.len() > before, from == LogPosition::START);
        Ok(Attempt { found, log, locals, locals_damaged, index_rebuilt })
    }
}

struct Attempt {
    found: LogRecovery,
    log: Log,
    locals: Locals,
    locals_damaged: bool,
    index_rebuilt: bool,
}
