//! Keeping the index in step with the log, and making it good when it fails.

use super::index::{Index, Place, Tables};
use super::locals::LocalFrame;
use super::{Damage, LogPosition, Store, StoreError, log};
use crate::crypto::{Keyring, ObjectId, ObjectKind};

/// Objects noted in memory while the log is read from its start, before they go into the file.
pub(super) const NOTED_AT_ONCE: usize = 1 << 16;

pub(super) fn index_error(error: redb::Error) -> StoreError {
    StoreError::Index(Box::new(error))
}

impl Store {
    pub(super) fn find(&self, id: &ObjectId) -> Result<Option<Place>, StoreError> {
        self.with_index(|index| index.find(id))
    }

    /// Asks the index; if that fails, makes it good and asks once more.
    fn with_index<R>(&self, ask: impl Fn(&Index) -> Result<R, redb::Error>) -> Result<R, StoreError> {
        match ask(&self.index) {
            Ok(answer) => Ok(answer),
            Err(error) => {
                self.mend(&error)?;
                ask(&self.index).map_err(index_error)
            }
        }
    }

    /// Brings the index up to date if much is new. A failure is the index's alone: what it could not take stays
    /// in memory.
    pub(super) fn absorb_if_due(&self) {
        if self.index.is_batch_due()
            && let Err(error) = self.index.absorb_batch(self.log.durable())
            && let Err(error) = self.mend(&error)
        {
            tracing::warn!(%error, "the index could not be brought up to date");
        }
    }

    /// Opens the index again, or makes it anew, and reads what it lacks from the log.
    fn mend(&self, cause: &redb::Error) -> Result<(), StoreError> {
        let _one = self.mending.lock();
        if self.index.is_sound() {
            // Another thread was quicker.
            return Ok(());
        }
        tracing::warn!(%cause, "the index failed; opening it again");
        let keyring = self.keyring();
        let covered = match self.index.reopen(&keyring) {
            Ok(contents) => contents.covered,
            Err(error) => {
                tracing::warn!(%error, "the index cannot be used; rebuilding it from the log");
                self.index.recreate(&keyring).map_err(index_error)?;
                LogPosition::START
            }
        };
        self.read_again(covered, &keyring)
    }

    /// Notes everything that lies in the log from `covered` on.
    fn read_again(&self, covered: LogPosition, keyring: &Keyring) -> Result<(), StoreError> {
        let mut locals = Vec::new();
        self.each_frame(covered, &mut |found| {
            let log::Found::Frame(frame) = found else { return Ok(()) };
            let place = Place { position: frame.position, body_len: frame.body_len };
            match frame.object {
                Some(header) if header.kind == ObjectKind::Local => locals.push(place),
                Some(header) => drop(self.index.note(header.id, place, false)),
                None => {}
            }
            Ok(())
        })?;
        for (place, frame) in recent_locals(&self.log, keyring, &locals, &mut Vec::new())? {
            self.index.note_local(place, frame.is_whole());
        }
        Ok(())
    }

    /// Visits the frames that are written, from a place where one begins.
    pub(super) fn each_frame(
        &self,
        from: LogPosition,
        visit: &mut dyn FnMut(log::Found) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let until = self.log.written();
        for number in self.log.segment_numbers() {
            if number < from.segment() || number > until.segment() {
                continue;
            }
            let start = from.max(LogPosition::new(number, log::SEGMENT_HEAD_LEN));
            let file = self.log.segment(number)?;
            log::scan(file.as_ref(), start, log::Bodies::Trusted, &mut |found| {
                let at = match &found {
                    log::Found::Frame(frame) => frame.position,
                    log::Found::Broken { at, .. } => *at,
                };
                // Behind that, frames may be on their way into the file.
                if at < until { visit(found) } else { Ok(()) }
            })?;
        }
        Ok(())
    }

    /// Reads tables that a layer above keeps in the index file. What they hold must be derived: the file can be
    /// made anew at any time, and they are empty then. Names beginning with `store.` are the store's own.
    ///
    /// # Errors
    /// [`StoreError::Index`].
    pub fn read_tables<R>(
        &self,
        read: impl FnOnce(&Tables) -> Result<R, redb::Error>,
    ) -> Result<R, StoreError> {
        self.index.tables().and_then(|tables| read(&tables)).map_err(index_error)
    }

    /// Changes such tables, all or none. Durable with a later checkpoint of the index.
    ///
    /// # Errors
    /// [`StoreError::Index`].
    pub fn write_tables<R>(
        &self,
        write: impl FnOnce(&redb::WriteTransaction) -> Result<R, redb::Error>,
    ) -> Result<R, StoreError> {
        self.index.write(write).map_err(index_error)
    }

    /// Begins a new index file and reads the log into it: for a layer above whose tables in it failed.
    ///
    /// # Errors
    /// Of the disk.
    pub fn renew_index(&self) -> Result<(), StoreError> {
        let _one = self.mending.lock();
        let keyring = self.keyring();
        self.index.recreate(&keyring).map_err(index_error)?;
        self.read_again(LogPosition::START, &keyring)
    }

    /// Brings the index up to date, durably.
    ///
    /// # Errors
    /// [`StoreError::Index`].
    pub fn checkpoint_index(&self) -> Result<(), StoreError> {
        let durable = self.log.durable();
        self.with_index(|index| index.absorb(durable, true))
    }

    /// Syncs everything and brings the index up to date, so that the next opening is quick. The store can be
    /// used on.
    ///
    /// # Errors
    /// As [`Store::sync_log`]. An index that cannot be written is no error: it is made anew.
    pub fn close(&self) -> Result<(), StoreError> {
        self.log.sync(self.log.end())?;
        self.sync_journal(self.journal_position())?;
        if let Err(error) = self.checkpoint_index() {
            tracing::warn!(%error, "the index could not be brought up to date");
        }
        Ok(())
    }
}

/// The local frames from the last whole one on, of those at `places`, in order. What cannot be read goes to
/// `damage`.
pub(super) fn recent_locals(
    log: &log::Log,
    keyring: &Keyring,
    places: &[Place],
    damage: &mut Vec<Damage>,
) -> Result<Vec<(Place, LocalFrame)>, StoreError> {
    let mut frames = Vec::new();
    for place in places.iter().rev() {
        match LocalFrame::read(log, keyring, *place) {
            Ok(frame) => {
                let whole = frame.is_whole();
                frames.push((*place, frame));
                if whole {
                    break;
                }
            }
            Err(StoreError::Damaged(found)) => damage.push(found),
            Err(error) => return Err(error),
        }
    }
    frames.reverse();
    Ok(frames)
}
