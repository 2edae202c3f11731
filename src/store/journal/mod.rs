//! The journal: operations that are not in a durable commit yet.
//!
//! Owns `journal/a` and `journal/b`, two files of fixed length, written full of zeros when they are made, so
//! that a sync never has to write the host filesystem's metadata. They are used in turn: past half of one,
//! writing goes on in the other if that is free; a file is free when all its entries are retired and it has
//! been cleared.
//!
//! # Invariants
//! - Entries are numbered without gaps, and each names the one before it: what is replayed is a prefix of
//!   what was appended, and bytes left over from before a crash never join it again.
//! - An entry is replayed only if everything it needs of the log was recovered.
//! - A file is written from its start only after it was cleared: every entry in it is retired, the other file
//!   has its head and its entries so far on the disk, and then this one's head is gone from it.
//!
//! Not promised: that a retired entry is not replayed. Replaying must do no harm twice.

mod layout;
mod replay;

use std::sync::Arc;

use parking_lot::{Condvar, Mutex};

use self::layout::{EntryHeader, FRAMES_AT, HEAD_LEN, Head, entry_len, link_of};
use self::replay::{Chain, replay};
use super::disk::{Disk, DiskFile, Open};
use super::group::{Group, RoundError};
use super::log::Log;
use super::position::{JournalSeq, LogPosition};
use super::{Fill, JournalEntry, StoreError};
use crate::ambient::{Entropy, random};
use crate::crypto::{FRAME_OVERHEAD, FrameCipher, FramePurpose, Keyring};

const DIR: &str = "journal";
const PATHS: [&str; 2] = ["journal/a", "journal/b"];

/// The open journal.
pub(super) struct Journal {
    files: [Arc<dyn DiskFile>; 2],
    /// Bytes of one file.
    len: u64,
    state: Mutex<State>,
    room: Condvar,
    /// Held while a file is cleared.
    clearing: Mutex<()>,
    group: Group<JournalSeq>,
    entropy: Arc<dyn Entropy>,
}

struct State {
    active: usize,
    /// The active file's; `None` until a file is taken into use.
    cipher: Option<FrameCipher>,
    /// The active file's.
    generation: u64,
    /// The greatest there is.
    greatest_generation: u64,
    /// For each file, where its last frame ends and what number that has.
    ends: [u64; 2],
    last: [JournalSeq; 2],
    next: JournalSeq,
    retired: JournalSeq,
    link: [u8; 8],
    /// The most that any entry needs of the log.
    needs: LogPosition,
    /// Which files have bytes that are not synced.
    dirty: [bool; 2],
    /// Which files hold nothing.
    cleared: [bool; 2],
}

impl State {
    fn unused() -> Self {
        State {
            active: 0,
            cipher: None,
            generation: 0,
            greatest_generation: 0,
            ends: [FRAMES_AT; 2],
            last: [JournalSeq(0); 2],
            next: JournalSeq(1),
            retired: JournalSeq(0),
            link: [0; 8],
            needs: LogPosition::START,
            dirty: [false; 2],
            cleared: [true; 2],
        }
    }

    fn end(&self) -> u64 {
        self.ends.get(self.active).copied().unwrap_or(u64::MAX)
    }

    fn is_free(&self, file: usize) -> bool {
        self.cleared.get(file).is_some_and(|cleared| *cleared)
    }

    fn is_dead(&self, file: usize) -> bool {
        self.last.get(file).is_some_and(|last| *last <= self.retired)
    }

    fn other(&self) -> usize {
        1 - self.active
    }

    /// Which file an entry of `entry` bytes goes to, if there is room.
    fn file_for(&self, entry: u64, len: u64) -> Option<usize> {
        let fits = self.cipher.is_some() && self.end() + entry <= len;
        let past_half = self.end() + entry > len / 2;
        match (fits, past_half, self.is_free(self.other())) {
            (true, false, _) | (true, true, false) => Some(self.active),
            (_, _, true) => Some(self.other()),
            (false, _, false) => None,
        }
    }
}

impl std::fmt::Debug for Journal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Journal").field("len", &self.len).finish_non_exhaustive()
    }
}

/// Makes a file full of zeros that are really on the disk.
fn make_file(disk: &dyn Disk, path: &str, len: u64) -> Result<Arc<dyn DiskFile>, StoreError> {
    static ZEROS: [u8; 1 << 16] = [0; 1 << 16];
    let file = disk.open(path, Open::Create)?;
    let mut at = 0;
    while at < len {
        let part = (len - at).min(ZEROS.len() as u64);
        file.write_at(ZEROS.get(..part as usize).unwrap_or_default(), at)?;
        at += part;
    }
    file.sync()?;
    Ok(file)
}

impl Journal {
    /// Makes the two files, each of `len` bytes.
    pub(super) fn create(disk: &dyn Disk, len: u64, entropy: Arc<dyn Entropy>) -> Result<Self, StoreError> {
        disk.make_dir(DIR)?;
        let [a, b] = PATHS;
        let files = [make_file(disk, a, len)?, make_file(disk, b, len)?];
        disk.sync_dir(DIR)?;
        Ok(Self::with(files, len, State::unused(), entropy))
    }

    /// Opens the files and replays them; `recovered` is how far the log is whole. A file that is missing is
    /// made anew with `len` bytes.
    pub(super) fn open(
        disk: &dyn Disk,
        keyring: &Keyring,
        len: u64,
        recovered: LogPosition,
        entropy: Arc<dyn Entropy>,
    ) -> Result<(Self, Vec<JournalEntry>), StoreError> {
        let [a, b] = PATHS;
        let files = [open_or_make(disk, a, len)?, open_or_make(disk, b, len)?];
        let [file_a, file_b] = &files;
        let len = file_a.len()?.min(file_b.len()?);
        let chains = [Chain::read(0, file_a.as_ref(), keyring)?, Chain::read(1, file_b.as_ref(), keyring)?];
        let (entries, resume) = replay(chains, recovered);
        // This also syncs: what is replayed counts as durable from here on.
        resume.discard_rest([file_a.as_ref(), file_b.as_ref()])?;
        let mut state = State {
            greatest_generation: resume.generation,
            ends: resume.ends,
            last: resume.last,
            next: resume.next,
            retired: resume.retired,
            link: resume.link,
            cleared: resume.last.map(|last| last == JournalSeq(0)),
            ..State::unused()
        };
        if let Some((active, head)) = resume.file {
            let epoch = keyring.epoch(&head.epoch)?;
            state.active = active;
            state.cipher = Some(FrameCipher::new(epoch, FramePurpose::Journal, &head.salt)?);
            state.generation = head.generation;
        }
        Ok((Self::with(files, len, state, entropy), entries))
    }

    fn with(files: [Arc<dyn DiskFile>; 2], len: u64, state: State, entropy: Arc<dyn Entropy>) -> Self {
        let durable = JournalSeq(state.next.0.saturating_sub(1));
        Journal {
            files,
            len,
            state: Mutex::new(state),
            room: Condvar::new(),
            clearing: Mutex::new(()),
            group: Group::new(durable),
            entropy,
        }
    }

    /// The last entry appended.
    pub(super) fn position(&self) -> JournalSeq {
        JournalSeq(self.state.lock().next.0 - 1)
    }

    /// Appends an entry; it reaches the file at once and the disk by [`Journal::sync`].
    pub(super) fn append(
        &self,
        payload: &[u8],
        needs: LogPosition,
        keyring: &Keyring,
    ) -> Result<JournalSeq, StoreError> {
        if self.group.failed() {
            return Err(StoreError::Stopped);
        }
        let entry = entry_len(payload.len());
        self.check_len(entry)?;
        let mut state = self.state.lock();
        let file = state.file_for(entry, self.len).ok_or(StoreError::JournalFull)?;
        if file != state.active || state.cipher.is_none() {
            self.take_into_use(&mut state, file, keyring)?;
        }
        self.write_entry(&mut state, payload, needs)
    }

    fn check_len(&self, entry: u64) -> Result<(), StoreError> {
        if FRAMES_AT + entry > self.len { Err(StoreError::TooLong(entry)) } else { Ok(()) }
    }

    fn file(&self, index: usize) -> Result<&dyn DiskFile, StoreError> {
        self.files.get(index).map(Arc::as_ref).ok_or(StoreError::Stopped)
    }

    /// Begins a free file anew.
    fn take_into_use(&self, state: &mut State, file: usize, keyring: &Keyring) -> Result<(), StoreError> {
        let epoch = keyring.current();
        let salt = random(self.entropy.as_ref());
        let generation = state.greatest_generation + 1;
        let head = Head { vault: keyring.vault_id(), generation, epoch: epoch.id(), salt };
        self.file(file)?.write_at(&head.encode(), 0)?;
        state.cipher = Some(FrameCipher::new(epoch, FramePurpose::Journal, &salt)?);
        state.generation = generation;
        state.greatest_generation = generation;
        state.active = file;
        if let (Some(end), Some(cleared)) = (state.ends.get_mut(file), state.cleared.get_mut(file)) {
            (*end, *cleared) = (FRAMES_AT, false);
        }
        Ok(())
    }

    fn write_entry(
        &self,
        state: &mut State,
        payload: &[u8],
        needs: LogPosition,
    ) -> Result<JournalSeq, StoreError> {
        let seq = state.next;
        let sealed_len = payload.len() + FRAME_OVERHEAD;
        let header = EntryHeader {
            sealed_len: u32::try_from(sealed_len).map_err(|_| StoreError::TooLong(sealed_len as u64))?,
            generation: state.generation,
            seq,
            needs,
            retired: state.retired,
            link: state.link,
        }
        .encode();
        let cipher = state.cipher.as_ref().ok_or(StoreError::Stopped)?;
        let sealed = cipher.seal(payload, &header, self.entropy.as_ref())?;
        let at = state.end();
        self.file(state.active)?.write_at(&[&header, sealed.as_slice()].concat(), at)?;
        let active = state.active;
        if let (Some(end), Some(last), Some(dirty)) =
            (state.ends.get_mut(active), state.last.get_mut(active), state.dirty.get_mut(active))
        {
            *end = at + entry_len(payload.len());
            *last = seq;
            *dirty = true;
        }
        state.link = link_of(&sealed);
        state.next = seq.next();
        state.needs = state.needs.max(needs);
        Ok(seq)
    }

    /// Makes entries durable up to `upto`, and first what they need of the log.
    pub(super) fn sync(&self, upto: JournalSeq, log: &Log) -> Result<(), StoreError> {
        self.group.wait(upto, || {
            let (covered, needs, dirty) = {
                let mut state = self.state.lock();
                (JournalSeq(state.next.0 - 1), state.needs, std::mem::take(&mut state.dirty))
            };
            if let Err(error) = log.sync(needs) {
                let mut state = self.state.lock();
                for (now, before) in state.dirty.iter_mut().zip(dirty) {
                    *now |= before;
                }
                return Err(RoundError::Before(error));
            }
            for (file, dirty) in self.files.iter().zip(dirty) {
                if dirty {
                    file.sync().map_err(RoundError::Sync)?;
                }
            }
            Ok(covered)
        })
    }

    /// Every entry up to `upto` is dead. Clears the file that is not written, if nothing in it is alive, which
    /// takes two syncs.
    pub(super) fn retire(&self, upto: JournalSeq) {
        {
            let mut state = self.state.lock();
            let newest = JournalSeq(state.next.0 - 1);
            state.retired = state.retired.max(upto.min(newest));
        }
        if let Err(error) = self.clear_dead() {
            tracing::warn!(%error, "a journal file could not be cleared");
        }
        self.room.notify_all();
    }

    fn clear_dead(&self) -> Result<(), StoreError> {
        let _one = self.clearing.lock();
        let (active, other) = {
            let state = self.state.lock();
            if state.is_free(state.other()) || !state.is_dead(state.other()) {
                return Ok(());
            }
            (state.active, state.other())
        };
        // Neither becomes the other meanwhile: a file that is not cleared is not taken into use.
        self.sync_file(active)?;
        self.file(other)?.write_at(&[0; HEAD_LEN], 0)?;
        self.sync_file(other)?;
        if let Some(cleared) = self.state.lock().cleared.get_mut(other) {
            *cleared = true;
        }
        Ok(())
    }

    fn sync_file(&self, index: usize) -> Result<(), StoreError> {
        self.file(index)?.sync().map_err(|error| {
            self.group.fail();
            StoreError::Disk(error)
        })
    }

    /// Waits until an entry with a payload of `len` bytes can be appended.
    pub(super) fn wait_for_room(&self, len: usize) -> Result<(), StoreError> {
        let entry = entry_len(len);
        self.check_len(entry)?;
        let mut state = self.state.lock();
        while state.file_for(entry, self.len).is_none() {
            self.room.wait(&mut state);
        }
        Ok(())
    }

    /// How full it is.
    pub(super) fn fill(&self) -> Fill {
        let state = self.state.lock();
        let end = |file: usize| state.ends.get(file).copied().unwrap_or(0);
        let used = |file: usize| if state.is_dead(file) { 0 } else { end(file) };
        let (active, other) = (used(state.active), used(state.other()));
        let commit_due = other > 0 || active > self.len / 2;
        Fill { used: active + other, capacity: 2 * self.len, commit_due }
    }
}

fn open_or_make(disk: &dyn Disk, path: &str, len: u64) -> Result<Arc<dyn DiskFile>, StoreError> {
    match disk.open(path, Open::ReadWrite) {
        Ok(file) if file.len()? > FRAMES_AT => Ok(file),
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
        _ => {
            disk.make_dir(DIR)?;
            let file = make_file(disk, path, len)?;
            disk.sync_dir(DIR)?;
            Ok(file)
        }
    }
}

/// Hands `bytes` to all that decodes here.
#[cfg(any(test, feature = "testing"))]
pub(super) fn feed(bytes: &[u8]) {
    let _ = bytes.first_chunk().map(layout::Head::decode);
    let _ = bytes.first_chunk().map(layout::EntryHeader::decode);
}

#[cfg(test)]
mod tests;
