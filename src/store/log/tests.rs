//! The segment log: appending and syncing by many, rolling, scanning past damage, full and failing disks.

use super::*;
use crate::crypto::{EpochId, ObjectId, ObjectKind};
use crate::store::disk::fault::FaultDisk;
use nix::errno::Errno;

const VAULT: VaultId = VaultId([1; 16]);

fn log(segment_len: u32) -> (FaultDisk, Log) {
    let disk = FaultDisk::new();
    disk.make_dir(LOG_DIR).unwrap();
    let log = Log::create(Arc::new(disk.clone()), VAULT, segment_len).unwrap();
    (disk, log)
}

fn object(n: u8) -> ObjectHeader {
    ObjectHeader {
        kind: ObjectKind::Chunk,
        flags: 0,
        epoch: EpochId { counter: 1, id: [0; 8] },
        plain_len: 1,
        id: ObjectId([n; 32]),
        wrapped: [n; 40],
    }
}

fn append(log: &Log, n: u8, len: usize) -> LogPosition {
    let mut place = None;
    let accept = |at| {
        place = Some(at);
        true
    };
    log.append(&object(n), &vec![n; len], accept).unwrap();
    place.unwrap()
}

fn found(file: &dyn DiskFile, segment: u32, bodies: Bodies) -> Vec<Found> {
    let mut all = Vec::new();
    let mut visit = |found| {
        all.push(found);
        Ok(())
    };
    scan(file, LogPosition::new(segment, SEGMENT_HEAD_LEN), bodies, &mut visit).unwrap();
    all
}

fn ids(found: &[Found]) -> Vec<u8> {
    let id = |found: &Found| match found {
        Found::Frame(frame) => frame.object.as_ref().map(|object| object.id.0[0]),
        Found::Broken { .. } => None,
    };
    found.iter().filter_map(id).collect()
}

#[test]
fn what_was_appended_is_read_before_and_after_it_is_written() {
    let (_, log) = log(1 << 20);
    let places: Vec<_> = (0..50).map(|n| append(&log, n, 100 * n as usize)).collect();
    let check = |log: &Log| {
        for (n, place) in places.iter().enumerate() {
            let bytes = log.read(*place, FRAME_HEADER_LEN + 100 * n).unwrap();
            let header = FrameHeader::decode(&bytes, *place).unwrap();
            assert!(header.fits(&bytes[FRAME_HEADER_LEN..]));
            assert_eq!(header.object, Some(object(n as u8)));
        }
    };
    check(&log);
    assert!(log.durable() < places[0].max(log.end()));
    log.sync(log.end()).unwrap();
    assert_eq!(log.durable(), log.end());
    check(&log);
}

#[test]
fn segments_roll_and_a_scan_finds_every_frame() {
    let (_, log) = log(1000);
    for n in 0..40 {
        append(&log, n, 150);
    }
    log.sync(log.end()).unwrap();
    let numbers = log.segment_numbers();
    assert!(numbers.len() > 5, "{numbers:?}");
    let all =
        numbers.iter().flat_map(|n| ids(&found(log.segment(*n).unwrap().as_ref(), *n, Bodies::Checked)));
    assert_eq!(all.collect::<Vec<_>>(), (0..40).collect::<Vec<_>>());
}

#[test]
fn a_scan_goes_on_behind_what_is_broken() {
    let (disk, log) = log(1 << 20);
    let places: Vec<_> = (0..5).map(|n| append(&log, n, 300)).collect();
    log.sync(log.end()).unwrap();
    let frame = (FRAME_HEADER_LEN + 300) as u64;
    let scan = || found(log.segment(1).unwrap().as_ref(), 1, Bodies::Checked);
    disk.tamper("log/00000001.seg", |bytes| bytes[places[1].offset() as usize + 5] ^= 1);
    assert_eq!(ids(&scan()), [0, 2, 3, 4]);
    assert!(scan().contains(&Found::Broken { at: places[1], len: frame }));
    disk.tamper("log/00000001.seg", |bytes| bytes[places[2].offset() as usize + 200] ^= 1);
    assert_eq!(ids(&scan()), [0, 3, 4]);
    assert!(scan().contains(&Found::Broken { at: places[1], len: 2 * frame }));
    disk.tamper("log/00000001.seg", |bytes| bytes.truncate(bytes.len() - 1));
    assert_eq!(ids(&scan()), [0, 3]);
    assert!(scan().contains(&Found::Broken { at: places[4], len: frame - 1 }));
}

#[test]
fn a_full_disk_takes_nothing_and_loses_nothing() {
    let (disk, log) = log(1 << 20);
    let first = append(&log, 1, 500);
    disk.limit(Some(200));
    assert!(matches!(log.sync(log.end()), Err(StoreError::Full)));
    assert_eq!(log.read(first, 4).unwrap(), b"bosF");
    disk.limit(None);
    log.sync(log.end()).unwrap();
    assert_eq!(ids(&found(log.segment(1).unwrap().as_ref(), 1, Bodies::Checked)), [1]);
}

#[test]
fn after_a_failed_sync_nothing_more_is_taken() {
    let (disk, log) = log(1 << 20);
    append(&log, 1, 500);
    disk.fail_at(disk.calls() + 2, Errno::EIO);
    assert!(matches!(log.sync(log.end()), Err(StoreError::Disk(_))));
    assert!(matches!(log.sync(log.end()), Err(StoreError::Stopped)));
    assert!(matches!(log.append(&object(2), b"x", |_| true), Err(StoreError::Stopped)));
}

#[test]
fn many_threads_append_and_sync() {
    let (_, log) = log(50_000);
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let log = &log;
            scope.spawn(move || {
                for n in 0..100 {
                    let place = append(log, thread, 500 + n);
                    log.sync(log.end()).unwrap();
                    assert!(log.durable() > place);
                    let bytes = log.read(place, FRAME_HEADER_LEN + 500 + n).unwrap();
                    assert!(FrameHeader::decode(&bytes, place).unwrap().fits(&bytes[FRAME_HEADER_LEN..]));
                }
            });
        }
    });
    let all = log.segment_numbers().into_iter();
    let count: usize =
        all.map(|n| ids(&found(log.segment(n).unwrap().as_ref(), n, Bodies::Checked)).len()).sum();
    assert_eq!(count, 800);
}
