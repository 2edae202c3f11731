//! The index: where each object lies in the log.
//!
//! Owns `index.redb` and the objects that are not in it yet. Everything here is derived from the log: a file
//! that is missing, of another vault, damaged or that the disk fails on is made anew, in memory if need be.
//!
//! # Invariants
//! - The file never names a place that was not durable in the log. What is newer is in `recent`.
//! - Tables that are kept open are those of the last change, or of one that nobody was told of yet.
//! - It knows every object and local frame before [`Contents::covered`], where reading the log again begins
//!   after a crash.
//!
//! Not promised: that a place it names holds what it says. Readers check the frame.

mod backend;
mod tables;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};
use redb::backends::InMemoryBackend;
use redb::{Database, Durability, ReadableDatabase, ReadableTable, TableDefinition};

use self::backend::SealedFile;
pub use self::tables::Tables;
use super::disk::Disk;
use super::options::Options;
use super::position::LogPosition;
use crate::ambient::Entropy;
use crate::crypto::{Keyring, ObjectId};

/// Object id → position, length of the body.
const OBJECTS: TableDefinition<'_, &[u8; 32], (u64, u32)> = TableDefinition::new("store.objects");
/// Local frames since the last whole one (and that one): position → length of the body.
const LOCALS: TableDefinition<'_, u64, u32> = TableDefinition::new("store.locals");
/// `covered` → log position.
const META: TableDefinition<'_, &str, u64> = TableDefinition::new("store.meta");
const COVERED: &str = "covered";

/// Where a frame lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) position: LogPosition,
    pub(super) body_len: u32,
}

/// What the log has that the index file lacks.
#[derive(Debug, Default)]
struct Recent {
    objects: HashMap<ObjectId, Place>,
    /// Length of the body, and whether it is a whole one.
    locals: BTreeMap<LogPosition, (u32, bool)>,
}

/// The file, and its tables as they are now if someone looked into them since they changed.
#[derive(Debug, Default)]
struct File {
    db: Option<Arc<Database>>,
    latest: Option<Arc<Tables>>,
}

/// What goes into the file at once.
#[derive(Debug)]
struct Batch {
    /// By id, which is the order the file likes.
    objects: Vec<(ObjectId, Place)>,
    /// In the order of the log, and whether each is a whole one.
    locals: Vec<(Place, bool)>,
}

/// The open index.
#[derive(Debug)]
pub(super) struct Index {
    file: RwLock<File>,
    recent: RwLock<Recent>,
    /// Held while entries go from `recent` into the file: the position covered durably.
    moving: Mutex<LogPosition>,
    disk: Arc<dyn Disk>,
    entropy: Arc<dyn Entropy>,
    options: Options,
}

/// What an index file holds when it is opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Contents {
    /// Everything in the log before this is in it.
    pub(super) covered: LogPosition,
    /// The local frames it knows.
    pub(super) locals: Vec<Place>,
}

type Result<T> = std::result::Result<T, redb::Error>;

impl File {
    fn db(&self) -> Result<&Arc<Database>> {
        let closed = || redb::Error::Io(std::io::Error::other("the index is closed"));
        self.db.as_ref().ok_or_else(closed)
    }
}

impl Index {
    /// Opens the file, if there is one that can be used.
    pub(super) fn open(
        disk: Arc<dyn Disk>,
        keyring: &Keyring,
        entropy: Arc<dyn Entropy>,
        options: &Options,
    ) -> (Self, Option<Contents>) {
        let index = Index {
            file: RwLock::default(),
            recent: RwLock::default(),
            moving: Mutex::new(LogPosition::START),
            disk,
            entropy,
            options: options.clone(),
        };
        let contents = index.reopen(keyring).ok();
        (index, contents)
    }

    /// Opens the file again, after a failure or at first.
    pub(super) fn reopen(&self, keyring: &Keyring) -> Result<Contents> {
        let mut moving = self.moving.lock();
        let mut file = self.file.write();
        *file = File::default();
        let sealed = SealedFile::open(self.disk.as_ref(), keyring, self.entropy.clone())?;
        let opened = self.builder().create_with_backend(sealed)?;
        let contents = contents(&opened)?;
        *moving = contents.covered;
        file.db = Some(Arc::new(opened));
        Ok(contents)
    }

    /// Begins an empty file; where the disk does not let us, an index in memory.
    pub(super) fn recreate(&self, keyring: &Keyring) -> Result<()> {
        let mut moving = self.moving.lock();
        let mut file = self.file.write();
        *file = File::default();
        *moving = LogPosition::START;
        let made = SealedFile::create(self.disk.as_ref(), keyring, self.entropy.clone())
            .map_err(redb::Error::from)
            .and_then(|file| self.begin(self.builder().create_with_backend(file)?));
        file.db = Some(Arc::new(match made {
            Ok(made) => made,
            Err(error) => {
                tracing::warn!(%error, "the index cannot be written; it is kept in memory");
                self.in_memory()?
            }
        }));
        Ok(())
    }

    /// Begins an empty index in memory, where the disk does not take what belongs into the file.
    pub(super) fn recreate_in_memory(&self) -> Result<()> {
        let mut moving = self.moving.lock();
        let mut file = self.file.write();
        *file = File::default();
        file.db = Some(Arc::new(self.in_memory()?));
        *moving = LogPosition::START;
        Ok(())
    }

    fn in_memory(&self) -> Result<Database> {
        self.begin(self.builder().create_with_backend(InMemoryBackend::new())?)
    }

    fn begin(&self, db: Database) -> Result<Database> {
        let mut txn = db.begin_write()?;
        txn.set_quick_repair(true);
        txn.open_table(OBJECTS)?;
        txn.open_table(LOCALS)?;
        txn.open_table(META)?.insert(COVERED, LogPosition::START.to_u64())?;
        txn.commit()?;
        Ok(db)
    }

    /// The sizes it works with.
    pub(super) fn options(&self) -> &Options {
        &self.options
    }

    fn builder(&self) -> redb::Builder {
        let mut builder = Database::builder();
        builder.set_cache_size(self.options.caches.index);
        builder
    }

    fn db(&self) -> Result<Arc<Database>> {
        self.file.read().db().cloned()
    }

    /// Whether it can be read and written.
    pub(super) fn is_sound(&self) -> bool {
        let look = || self.db()?.begin_write().map_err(redb::Error::from).and_then(|txn| Ok(txn.abort()?));
        look().is_ok()
    }

    /// Where an object lies.
    pub(super) fn find(&self, id: &ObjectId) -> Result<Option<Place>> {
        if let Some(place) = self.recent.read().objects.get(id) {
            return Ok(Some(*place));
        }
        let found = self.tables()?.open(OBJECTS)?.get(&id.0)?.map(|entry| place(entry.value()));
        if found.is_some() {
            return Ok(found);
        }
        // It may have moved from `recent` into the file since `recent` was asked; the reverse never happens.
        Ok(self.recent.read().objects.get(id).copied())
    }

    /// Notes an object, unless one of this id is noted since the last batch already.
    pub(super) fn note(&self, id: ObjectId, place: Place, replace: bool) -> bool {
        let mut recent = self.recent.write();
        if !replace && recent.objects.contains_key(&id) {
            return false;
        }
        recent.objects.insert(id, place);
        true
    }

    /// Notes a local frame; again does no harm.
    pub(super) fn note_local(&self, place: Place, whole: bool) {
        self.recent.write().locals.insert(place.position, (place.body_len, whole));
    }

    /// Whether enough is new for a batch.
    pub(super) fn is_batch_due(&self) -> bool {
        let recent = self.recent.read();
        recent.objects.len() + recent.locals.len() >= self.options.index_batch
    }

    /// As [`Index::absorb`], unless another thread is at it.
    pub(super) fn absorb_batch(&self, durable: LogPosition) -> Result<()> {
        match self.moving.try_lock() {
            Some(mut covered) => self.absorb_locked(&mut covered, durable, false),
            None => Ok(()),
        }
    }

    /// Brings everything before `durable` into the file; makes that durable if `force`d, or if the log has
    /// grown enough since the last time.
    pub(super) fn absorb(&self, durable: LogPosition, force: bool) -> Result<()> {
        self.absorb_locked(&mut self.moving.lock(), durable, force)
    }

    fn absorb_locked(&self, covered: &mut LogPosition, durable: LogPosition, force: bool) -> Result<()> {
        let grown = u64::from(durable.offset().saturating_sub(covered.offset()));
        let far = durable.segment() > covered.segment() || grown >= self.options.index_checkpoint;
        self.move_in(&self.before(durable), Some(durable), force || far)?;
        if force || far {
            *covered = durable;
        }
        Ok(())
    }

    /// While the log is read from its start: brings the objects noted so far into the file, so that they do not
    /// take memory. What is covered stays as it is.
    pub(super) fn absorb_objects(&self) -> Result<()> {
        let _moving = self.moving.lock();
        let batch = self.before(LogPosition::from_u64(u64::MAX));
        self.move_in(&Batch { locals: Vec::new(), ..batch }, None, false)
    }

    /// What was noted before `durable`.
    fn before(&self, durable: LogPosition) -> Batch {
        let recent = self.recent.read();
        let objects = recent.objects.iter().filter(|(_, place)| place.position < durable);
        let mut objects: Vec<_> = objects.map(|(id, place)| (*id, *place)).collect();
        objects.sort_unstable_by_key(|(id, _)| *id);
        let locals = recent.locals.range(..durable);
        let local = |(position, (body_len, whole)): (&LogPosition, &(u32, bool))| {
            (Place { position: *position, body_len: *body_len }, *whole)
        };
        Batch { objects, locals: locals.map(local).collect() }
    }

    fn move_in(&self, batch: &Batch, covered: Option<LogPosition>, immediate: bool) -> Result<()> {
        let mut txn = self.db()?.begin_write()?;
        if immediate {
            txn.set_quick_repair(true);
        } else {
            txn.set_durability(Durability::None)?;
        }
        {
            let mut table = txn.open_table(OBJECTS)?;
            for (id, place) in &batch.objects {
                table.insert(&id.0, (place.position.to_u64(), place.body_len))?;
            }
            let mut table = txn.open_table(LOCALS)?;
            for (place, whole) in &batch.locals {
                if *whole {
                    table.retain(|_, _| false)?;
                }
                table.insert(place.position.to_u64(), place.body_len)?;
            }
            if let Some(covered) = covered {
                txn.open_table(META)?.insert(COVERED, covered.to_u64())?;
            }
        }
        txn.commit()?;
        // Before they leave `recent`: who does not find them there is to find them in the file.
        self.changed();
        let mut recent = self.recent.write();
        for (id, place) in &batch.objects {
            if recent.objects.get(id) == Some(place) {
                recent.objects.remove(id);
            }
        }
        for (place, _) in &batch.locals {
            recent.locals.remove(&place.position);
        }
        Ok(())
    }

    /// Visits every object that the file or memory knows.
    pub(super) fn each(&self, visit: &mut dyn FnMut(ObjectId, Place)) -> Result<()> {
        for entry in self.tables()?.open(OBJECTS)?.iter()? {
            let (id, value) = entry?;
            visit(ObjectId(*id.value()), place(value.value()));
        }
        for (id, place) in &self.recent.read().objects {
            visit(*id, *place);
        }
        Ok(())
    }

    /// All tables as they are now.
    pub(super) fn tables(&self) -> Result<Arc<Tables>> {
        if let Some(latest) = &self.file.read().latest {
            return Ok(Arc::clone(latest));
        }
        // With the lock held: what is noted here is never older than a change that was told of meanwhile.
        let mut file = self.file.write();
        let tables = Arc::new(Tables::of(file.db()?)?);
        Ok(Arc::clone(file.latest.insert(tables)))
    }

    /// To be called when the file has changed, before anything is done that relies on its being found changed.
    fn changed(&self) {
        self.file.write().latest = None;
    }

    /// Changes tables, all or none; durable with the next durable [`Index::absorb`].
    pub(super) fn write<R>(&self, write: impl FnOnce(&redb::WriteTransaction) -> Result<R>) -> Result<R> {
        let mut txn = self.db()?.begin_write()?;
        txn.set_durability(Durability::None)?;
        let result = write(&txn)?;
        txn.commit()?;
        self.changed();
        Ok(result)
    }
}

fn place((position, body_len): (u64, u32)) -> Place {
    Place { position: LogPosition::from_u64(position), body_len }
}

fn contents(db: &Database) -> Result<Contents> {
    let txn = db.begin_read()?;
    let covered = txn.open_table(META)?.get(COVERED)?.map_or(0, |entry| entry.value());
    txn.open_table(OBJECTS)?;
    let mut locals = Vec::new();
    for entry in txn.open_table(LOCALS)?.iter()? {
        let (position, body_len) = entry?;
        locals.push(place((position.value(), body_len.value())));
    }
    Ok(Contents { covered: LogPosition::from_u64(covered), locals })
}

#[cfg(test)]
mod tests;
