//! The fault disk itself: what a power cut leaves, drops, tears and reorders, and when it is full.

use super::*;
use crate::store::disk::read_whole;

fn disk_with(bytes: &[u8]) -> (FaultDisk, Arc<dyn DiskFile>) {
    let disk = FaultDisk::new();
    let file = disk.open("f", Open::Create).unwrap();
    file.write_at(bytes, 0).unwrap();
    file.sync().unwrap();
    disk.sync_dir("").unwrap();
    (disk, file)
}

#[test]
fn what_was_synced_survives_every_loss() {
    let (disk, file) = disk_with(b"synced");
    file.write_at(b"more", 6).unwrap();
    for loss in Loss::ALL {
        for seed in 0..20 {
            let after = disk.after_power_cut(loss, seed);
            assert!(after.bytes("f").unwrap().starts_with(b"synced"));
        }
    }
    assert_eq!(disk.after_power_cut(Loss::Drop, 0).bytes("f").unwrap(), b"synced");
    assert_eq!(disk.after_power_cut(Loss::Keep, 0).bytes("f").unwrap(), b"syncedmore");
}

#[test]
fn unsynced_writes_tear_and_change_order() {
    let (disk, file) = disk_with(b"");
    file.write_at(&[1; 4096], 0).unwrap();
    file.write_at(&[2; 4096], 4096).unwrap();
    let lens = |loss| -> BTreeSet<usize> {
        (0..50).map(|seed| disk.after_power_cut(loss, seed).bytes("f").unwrap().len()).collect()
    };
    assert!(lens(Loss::Torn).iter().any(|len| len % 4096 != 0));
    let second_without_first = (0..50).any(|seed| {
        let bytes = disk.after_power_cut(Loss::Reordered, seed).bytes("f").unwrap();
        bytes.len() == 8192 && bytes[..4096].iter().all(|b| *b == 0)
    });
    assert!(second_without_first);
}

#[test]
fn a_name_is_durable_by_the_sync_of_its_folder_only() {
    let disk = FaultDisk::new();
    disk.make_dir("d").unwrap();
    let file = disk.open("d/f", Open::Create).unwrap();
    file.write_at(b"x", 0).unwrap();
    file.sync().unwrap();
    assert_eq!(disk.after_power_cut(Loss::Drop, 0).bytes("d/f"), None);
    disk.sync_dir("").unwrap();
    assert_eq!(disk.after_power_cut(Loss::Drop, 0).bytes("d/f"), None);
    disk.sync_dir("d").unwrap();
    assert_eq!(disk.after_power_cut(Loss::Drop, 0).bytes("d/f").unwrap(), b"x");
    disk.rename("d/f", "d/g").unwrap();
    assert_eq!(disk.after_power_cut(Loss::Drop, 0).paths(), ["d/f"]);
    assert_eq!(disk.after_power_cut(Loss::Keep, 0).paths(), ["d/g"]);
}

#[test]
fn a_cut_ends_everything_and_a_failure_one_call() {
    let (disk, file) = disk_with(b"");
    disk.fail_at(disk.calls() + 1, Errno::EIO);
    assert_eq!(file.write_at(b"a", 0).unwrap_err().raw_os_error(), Some(Errno::EIO as i32));
    file.write_at(b"a", 0).unwrap();
    disk.cut_at(disk.calls() + 1);
    file.write_at(b"b", 1).unwrap_err();
    assert!(file.read_at(&mut [0], 0).is_err());
    assert!(disk.list("").is_err());
    assert_eq!(disk.after_power_cut(Loss::Keep, 0).bytes("f").unwrap(), b"ab");
}

#[test]
fn a_failed_sync_loses_for_good() {
    let (disk, file) = disk_with(b"");
    file.write_at(b"lost", 0).unwrap();
    disk.fail_at(disk.calls() + 1, Errno::EIO);
    file.sync().unwrap_err();
    file.sync().unwrap();
    assert_eq!(read_whole(&disk, "f", 9).unwrap(), b"lost");
    assert_eq!(disk.after_power_cut(Loss::Keep, 0).bytes("f").unwrap(), b"");
}

#[test]
fn growing_over_the_limit_is_enospc() {
    let (disk, file) = disk_with(b"12345678");
    disk.limit(Some(10));
    assert_eq!(disk.space().unwrap(), Space { free: 2, total: 10 });
    file.write_at(b"xx", 8).unwrap();
    assert_eq!(file.write_at(b"x", 10).unwrap_err().raw_os_error(), Some(Errno::ENOSPC as i32));
    file.write_at(b"over", 0).unwrap();
    assert_eq!(disk.bytes("f").unwrap(), b"over5678xx");
}
