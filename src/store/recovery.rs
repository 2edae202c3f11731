//! Reading the log when a store is opened, and judging what a crash left of its end.
//!
//! Only the last segment can have a torn end. Every frame says how far the log was durable when it was
//! appended (`synced`), so a broken place before the largest `synced` that is seen is *damage*: it had been
//! durable. From there on it is the *torn tail*: never promised to anybody. Objects behind the first torn
//! place are kept, since their ids say what they are; local frames behind it are taken back, so that the
//! local state is one after a prefix of the changes; and the journal is told that the log is whole up to it.
//!
//! What is taken back must not come to life again once the log has grown and says that this place is durable:
//! the frames are overwritten by void ones, then, once that is durable, the torn places themselves, so that a
//! crash in between finds the same torn tail again.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::disk::{Disk, DiskFile, Open, read_exact};
use super::index::Place;
use super::log::{
    Bodies, FRAME_HEADER_LEN, Found, FrameHeader, LOG_DIR, SEGMENT_HEAD_LEN, SegmentHead, scan,
    segment_number, segment_path,
};
use super::position::LogPosition;
use super::{Damage, DamageKind, StoreError};
use crate::crypto::{ObjectId, ObjectKind, VaultId};

/// The segments there are.
pub(super) struct Segments {
    pub(super) files: BTreeMap<u32, Arc<dyn DiskFile>>,
    /// Segments that are missing, cut short or lost their heads.
    pub(super) damage: Vec<Damage>,
}

/// What reading the log gave.
#[derive(Debug, Default)]
pub(super) struct LogRecovery {
    /// Where writing goes on.
    pub(super) end: LogPosition,
    /// The log is whole up to here, but for damage.
    pub(super) whole_until: LogPosition,
    /// Local frames, in order.
    pub(super) locals: Vec<Place>,
    pub(super) torn: u64,
    pub(super) damage: Vec<Damage>,
}

impl Segments {
    /// Opens the segments of a vault.
    pub(super) fn open(disk: &dyn Disk, vault: VaultId) -> Result<Self, StoreError> {
        let names = disk.list(LOG_DIR)?;
        let numbers: Vec<u32> = names.iter().filter_map(|name| segment_number(name)).collect();
        let mut found = Segments { files: BTreeMap::new(), damage: Vec::new() };
        let last = numbers.iter().max().copied();
        for number in numbers {
            let file = disk.open(&segment_path(number), Open::ReadWrite)?;
            match read_head(file.as_ref())? {
                Some(head) if head.vault != vault || head.number != number => {
                    return Err(StoreError::Foreign);
                }
                Some(head) => found.check_previous(&head)?,
                // The crash came while it was begun: it will be begun again.
                None if Some(number) == last && !has_frames(file.as_ref(), number)? => continue,
                None => {
                    let what = DamageKind::Unreadable { len: u64::from(SEGMENT_HEAD_LEN) };
                    found.damage.push(Damage { at: LogPosition::new(number, 0), id: None, what });
                }
            }
            found.files.insert(number, file);
        }
        Ok(found)
    }

    /// Holds the segment before this one against what its successor says of it.
    fn check_previous(&mut self, head: &SegmentHead) -> Result<(), StoreError> {
        let Some(number) = head.number.checked_sub(1).filter(|number| *number > 0) else { return Ok(()) };
        let (at, what) = match self.files.get(&number) {
            None => (LogPosition::new(number, 0), DamageKind::SegmentMissing),
            Some(file) => {
                let len = file.len()?;
                if len >= u64::from(head.previous_len) {
                    return Ok(());
                }
                (LogPosition::new(number, len as u32), DamageKind::CutShort)
            }
        };
        self.damage.push(Damage { at, id: None, what });
        Ok(())
    }

    /// Whether a position lies in them.
    pub(super) fn reach(&self, position: LogPosition) -> Result<bool, StoreError> {
        match self.files.get(&position.segment()) {
            Some(file) => Ok(file.len()? >= u64::from(position.offset())),
            None => Ok(false),
        }
    }
}

fn read_head(file: &dyn DiskFile) -> Result<Option<SegmentHead>, StoreError> {
    let mut bytes = [0; SEGMENT_HEAD_LEN as usize];
    if file.len()? < bytes.len() as u64 {
        return Ok(None);
    }
    read_exact(file, &mut bytes, 0)?;
    Ok(SegmentHead::decode(&bytes))
}

fn has_frames(file: &dyn DiskFile, number: u32) -> Result<bool, StoreError> {
    let mut any = false;
    scan(file, LogPosition::new(number, SEGMENT_HEAD_LEN), Bodies::Checked, &mut |found| {
        any |= matches!(found, Found::Frame(_));
        Ok(())
    })?;
    Ok(any)
}

/// Reads the log from `from` (a place where a frame begins, everything before which was durable), cleans its
/// end, and gives every object to `object`.
pub(super) fn recover(
    disk: &dyn Disk,
    segments: &Segments,
    from: LogPosition,
    object: &mut dyn FnMut(ObjectId, Place) -> Result<(), StoreError>,
) -> Result<LogRecovery, StoreError> {
    let mut result = LogRecovery { damage: segments.damage.clone(), ..LogRecovery::default() };
    let Some((&last, last_file)) = segments.files.last_key_value() else { return Err(StoreError::Foreign) };
    // After a killed process, what is read here may be in the page cache only. From here on it counts.
    last_file.sync()?;
    disk.sync_dir(LOG_DIR)?;
    let (mut synced, mut broken) = (from, Vec::new());
    for (&number, file) in segments.files.range(from.segment()..) {
        let start = from.max(LogPosition::new(number, SEGMENT_HEAD_LEN));
        let bodies = if number == last { Bodies::Checked } else { Bodies::Trusted };
        let len = scan(file.as_ref(), start, bodies, &mut |found| match found {
            Found::Broken { at, len } => {
                broken.push((at, len));
                Ok(())
            }
            Found::Frame(frame) => {
                synced = synced.max(frame.synced);
                let place = Place { position: frame.position, body_len: frame.body_len };
                match &frame.object {
                    None => Ok(()),
                    Some(header) if header.kind == ObjectKind::Local => {
                        result.locals.push(place);
                        Ok(())
                    }
                    Some(header) => object(header.id, place),
                }
            }
        })?;
        result.end = LogPosition::new(number, u32::try_from(len).unwrap_or(u32::MAX));
    }
    let (torn, damaged): (Vec<_>, Vec<_>) =
        broken.into_iter().partition(|(at, _)| at.segment() == last && *at >= synced);
    let unreadable = |(at, len)| Damage { at, id: None, what: DamageKind::Unreadable { len } };
    result.damage.extend(damaged.into_iter().map(unreadable));
    result.whole_until = torn.first().map_or(result.end, |(at, _)| *at);
    result.torn = torn.iter().map(|(_, len)| len).sum();
    if !torn.is_empty() {
        clean_tail(last_file.as_ref(), &torn, &mut result)?;
    }
    Ok(result)
}

/// Takes back the local frames behind the first torn place, fills torn places, and cuts the end after the last
/// whole frame.
fn clean_tail(
    file: &dyn DiskFile,
    torn: &[(LogPosition, u64)],
    result: &mut LogRecovery,
) -> Result<(), StoreError> {
    let kept = result.locals.partition_point(|place| place.position < result.whole_until);
    for place in result.locals.split_off(kept) {
        let len = FRAME_HEADER_LEN as u64 + u64::from(place.body_len);
        write_void(file, place.position, len)?;
    }
    file.sync()?;
    for &(at, len) in torn {
        if u64::from(at.offset()) + len >= u64::from(result.end.offset()) {
            file.set_len(u64::from(at.offset()))?;
            result.end = at;
        } else if len >= FRAME_HEADER_LEN as u64 {
            write_void(file, at, len)?;
        }
    }
    file.sync()?;
    Ok(())
}

fn write_void(file: &dyn DiskFile, at: LogPosition, len: u64) -> Result<(), StoreError> {
    Ok(file.write_at(&FrameHeader::void(at, len).encode(), u64::from(at.offset()))?)
}
