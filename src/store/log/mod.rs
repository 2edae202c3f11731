//! The log: append-only frames in segments.
//!
//! Owns `log/`. Knows frames and where they lie, not what is in them: sealing, opening and the index belong to
//! the store above. What is promised after a crash is written in `docs/specs/vault-format.md`; how the end of
//! the log is judged then is [`super::recovery`]'s.
//!
//! # Invariants
//! - Everything before [`Log::durable`] is durable. It only grows.
//! - A segment is durable as a whole before the next exists.
//! - Bytes of the log are written once, in order, each place by one `write`. Only recovery writes again: void
//!   frames over what was broken or taken back.
//! - Memory holds at most about 2 MiB of frames that are not written yet, room for 1 MiB more, and one frame for each
//!   appending thread.
//!
//! # Locks
//! `writing` → `tail` → (whatever the `accept` callback of [`Log::append`] takes). Disk writes and syncs
//! happen under `writing` only, so appends and reads go on meanwhile.

mod frame;
mod scan;
mod segment;
mod tail;

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};

use self::tail::Tail;
use super::disk::{Disk, DiskFile, Open, read_exact};
use super::group::{Group, RoundError};
use super::position::LogPosition;
use super::recovery::Segments;
use super::{Damage, StoreError};
use crate::crypto::{ObjectHeader, VaultId};

pub(super) use frame::{FRAME_HEADER_LEN, FrameHeader, body_at};
pub(super) use scan::{Bodies, Found, scan};
pub(super) use segment::{LOG_DIR, SEGMENT_HEAD_LEN, SegmentHead, segment_number, segment_path};

/// Frames are gathered up to this many bytes before they are written.
const GATHER: usize = 1 << 20;

/// So many bytes are more than somebody wants durable now: more will come, and the disk begins with these meanwhile.
const MUCH: usize = GATHER / 2;

/// The open log.
#[derive(Debug)]
pub(super) struct Log {
    disk: Arc<dyn Disk>,
    vault: VaultId,
    segment_len: u32,
    segments: RwLock<BTreeMap<u32, Arc<dyn DiskFile>>>,
    tail: Mutex<Tail>,
    writing: Mutex<()>,
    group: Group<LogPosition>,
}

/// Makes a segment with its head, durable when this returns.
fn begin_segment(disk: &dyn Disk, head: &SegmentHead) -> std::io::Result<Arc<dyn DiskFile>> {
    let file = disk.open(&segment_path(head.number), Open::Create)?;
    file.write_at(&head.encode(), 0)?;
    file.sync()?;
    disk.sync_dir(LOG_DIR)?;
    Ok(file)
}

impl Log {
    /// Makes the first segment.
    pub(super) fn create(disk: Arc<dyn Disk>, vault: VaultId, segment_len: u32) -> Result<Self, StoreError> {
        let file = begin_segment(disk.as_ref(), &SegmentHead { vault, number: 1, previous_len: 0 })?;
        let end = LogPosition::new(1, SEGMENT_HEAD_LEN);
        Ok(Self::at(disk, vault, segment_len, BTreeMap::from([(1, file)]), end))
    }

    /// Goes on at `end`, which lies in the last of `segments` and before which everything is durable.
    pub(super) fn at(
        disk: Arc<dyn Disk>,
        vault: VaultId,
        segment_len: u32,
        segments: BTreeMap<u32, Arc<dyn DiskFile>>,
        end: LogPosition,
    ) -> Self {
        Log {
            disk,
            vault,
            segment_len,
            segments: RwLock::new(segments),
            tail: Mutex::new(Tail::new(end)),
            writing: Mutex::new(()),
            group: Group::new(end),
        }
    }

    /// The end of the log.
    pub(super) fn end(&self) -> LogPosition {
        self.tail.lock().end()
    }

    /// Everything before this is durable.
    pub(super) fn durable(&self) -> LogPosition {
        self.group.durable()
    }

    /// The end of what reads of the files alone can see.
    pub(super) fn written(&self) -> LogPosition {
        self.tail.lock().written()
    }

    /// Appends a frame. `accept` is asked under the log's lock with the place it would get, after all that can
    /// fail; on `false` nothing is appended.
    pub(super) fn append(
        &self,
        object: &ObjectHeader,
        body: &[u8],
        accept: impl FnOnce(LogPosition) -> bool,
    ) -> Result<(), StoreError> {
        let body_len = u32::try_from(body.len()).map_err(|_| StoreError::TooLong(body.len() as u64))?;
        let body_crc = crc32fast::hash(body);
        let mut tail = self.room(FRAME_HEADER_LEN + body.len())?;
        let position = tail.end();
        if !accept(position) {
            return Ok(());
        }
        let synced = self.group.durable();
        let header = FrameHeader { object: Some(object.clone()), body_len, body_crc, synced, position };
        tail.push(&header.encode(), body);
        Ok(())
    }

    /// The tail, once it has room for a frame.
    fn room(&self, frame_len: usize) -> Result<parking_lot::MutexGuard<'_, Tail>, StoreError> {
        loop {
            if self.group.failed() {
                return Err(StoreError::Stopped);
            }
            let tail = self.tail.lock();
            if tail.end().offset() >= self.segment_len {
                drop(tail);
                self.roll()?;
            } else if tail.gathered() > 0 && tail.gathered() + frame_len > GATHER {
                drop(tail);
                let _writing = self.writing.lock();
                self.write_out()?;
            } else {
                return Ok(tail);
            }
        }
    }

    /// Writes out everything gathered so far. The caller holds `writing`.
    fn write_out(&self) -> Result<LogPosition, StoreError> {
        let Some((at, bytes)) = self.tail.lock().take_gathered() else {
            return Ok(self.written());
        };
        let file = self.segment(at.segment())?;
        file.write_at(&bytes, u64::from(at.offset()))?;
        if bytes.len() >= MUCH {
            file.begin_writing(at.offset().into(), bytes.len() as u64);
        }
        let mut tail = self.tail.lock();
        tail.wrote(bytes);
        Ok(tail.written())
    }

    /// Closes the segment, if it is still full, and begins the next.
    fn roll(&self) -> Result<(), StoreError> {
        let _writing = self.writing.lock();
        let end = self.end();
        if end.offset() < self.segment_len {
            return Ok(());
        }
        // Twice: what a failed write left, and what was gathered since.
        self.write_out()?;
        self.write_out()?;
        if let Err(error) = self.segment(end.segment())?.sync() {
            self.group.fail();
            return Err(StoreError::Disk(error));
        }
        let number = end.segment() + 1;
        let head = SegmentHead { vault: self.vault, number, previous_len: end.offset() };
        let file = begin_segment(self.disk.as_ref(), &head)?;
        self.segments.write().insert(number, file);
        *self.tail.lock() = Tail::new(LogPosition::new(number, SEGMENT_HEAD_LEN));
        Ok(())
    }

    /// Makes the log durable up to `upto`.
    pub(super) fn sync(&self, upto: LogPosition) -> Result<(), StoreError> {
        self.group.wait(upto, || {
            let written = {
                let _writing = self.writing.lock();
                self.write_out().and_then(|_| self.write_out()).map_err(RoundError::Before)?
            };
            let file = self.segment(written.segment()).map_err(RoundError::Before)?;
            file.sync().map_err(RoundError::Sync)?;
            Ok(written)
        })
    }

    /// A segment's file.
    pub(super) fn segment(&self, number: u32) -> Result<Arc<dyn DiskFile>, StoreError> {
        let missing = || StoreError::Disk(std::io::ErrorKind::NotFound.into());
        self.segments.read().get(&number).cloned().ok_or_else(missing)
    }

    /// The numbers of all segments.
    pub(super) fn segment_numbers(&self) -> Vec<u32> {
        self.segments.read().keys().copied().collect()
    }

    /// `len` bytes at a place, from memory where they are not written yet.
    pub(super) fn read(&self, at: LogPosition, len: usize) -> Result<Vec<u8>, StoreError> {
        if let Some(bytes) = self.tail.lock().read(at, len) {
            return Ok(bytes);
        }
        let mut bytes = vec![0; len];
        read_exact(self.segment(at.segment())?.as_ref(), &mut bytes, u64::from(at.offset()))?;
        Ok(bytes)
    }

    /// Has the disk begin to read what will be asked for in a moment.
    pub(super) fn expect(&self, at: LogPosition, len: u64) {
        if let Ok(file) = self.segment(at.segment()) {
            file.expect(u64::from(at.offset()), len);
        }
    }

    /// Bytes that are not written to the disk yet.
    pub(super) fn unwritten(&self) -> u64 {
        self.tail.lock().unwritten()
    }

    /// Segments that are missing or shorter than the next one says.
    pub(super) fn missing(&self) -> Result<Vec<Damage>, StoreError> {
        Ok(Segments::open(self.disk.as_ref(), self.vault)?.damage)
    }

    /// Bytes of all segments.
    pub(super) fn total_len(&self) -> u64 {
        let segments: Vec<_> = self.segments.read().values().cloned().collect();
        let unwritten = self.tail.lock().unwritten();
        segments.iter().map(|file| file.len().unwrap_or(0)).sum::<u64>() + unwritten
    }
}

/// Hands `bytes` to all that decodes here.
#[cfg(any(test, feature = "testing"))]
pub(super) fn feed(bytes: &[u8]) {
    let _ = FrameHeader::decode(bytes, LogPosition::START);
    let _ = bytes.first_chunk().map(SegmentHead::decode);
}

#[cfg(test)]
mod tests;
