//! What every [`Disk`] must do, run on the real one and on the test one.

use std::io;
use std::sync::Arc;

use super::fault::FaultDisk;
use super::{Disk, Open, OsDisk, read_whole, replace};

fn check(disk: &dyn Disk) -> io::Result<()> {
    files(disk)?;
    hints(disk)?;
    names(disk)
}

fn files(disk: &dyn Disk) -> io::Result<()> {
    assert_eq!(disk.open("f", Open::Read).unwrap_err().kind(), io::ErrorKind::NotFound);
    assert_eq!(disk.open("f", Open::ReadWrite).unwrap_err().kind(), io::ErrorKind::NotFound);
    let file = disk.open("f", Open::Create)?;
    assert!(file.is_empty()?);
    file.write_at(b"hello", 3)?;
    assert_eq!(file.len()?, 8);
    let mut buf = [9; 10];
    assert_eq!(file.read_at(&mut buf, 1)?, 7);
    assert_eq!(&buf[..7], b"\0\0hello");
    assert_eq!(file.read_at(&mut buf, 8)?, 0);
    assert_eq!(file.read_at(&mut buf, 80)?, 0);
    file.write_at(b"J", 3)?;
    file.set_len(5)?;
    file.set_len(7)?;
    file.sync()?;
    assert_eq!(read_whole(disk, "f", 7)?, b"\0\0\0Je\0\0");
    assert_eq!(read_whole(disk, "f", 6).unwrap_err().kind(), io::ErrorKind::InvalidData);
    let again = disk.open("f", Open::ReadWrite)?;
    again.write_at(b"x", 0)?;
    assert_eq!(file.read_at(&mut buf[..1], 0)?, 1);
    assert_eq!(buf[0], b'x');
    assert!(disk.open("f", Open::Create)?.is_empty()?);
    Ok(())
}

/// What is only said in advance changes nothing.
fn hints(disk: &dyn Disk) -> io::Result<()> {
    let file = disk.open("f", Open::Create)?;
    let bytes: Vec<u8> = (0..20_000u32).map(|at| at as u8).collect();
    file.write_at(&bytes, 0)?;
    for (offset, len) in
        [(0, 20_000), (5000, 10_000), (5000, 100), (0, 0), (1 << 40, 1), (u64::MAX, u64::MAX)]
    {
        file.begin_writing(offset, len);
        file.expect(offset, len);
        assert_eq!(read_whole(disk, "f", 20_000)?, bytes);
    }
    Ok(())
}

fn names(disk: &dyn Disk) -> io::Result<()> {
    disk.make_dir("d")?;
    disk.make_dir("d")?;
    assert_eq!(disk.open("none/f", Open::Create).unwrap_err().kind(), io::ErrorKind::NotFound);
    disk.open("d/two", Open::Create)?.write_at(b"2", 0)?;
    disk.open("d/one", Open::Create)?.write_at(b"1", 0)?;
    assert_eq!(disk.list("d")?, ["one", "two"]);
    disk.rename("d/one", "d/two")?;
    assert_eq!(disk.list("d")?, ["two"]);
    assert_eq!(read_whole(disk, "d/two", 9)?, b"1");
    disk.sync_dir("d")?;
    disk.remove("d/two")?;
    assert_eq!(disk.remove("d/two").unwrap_err().kind(), io::ErrorKind::NotFound);
    assert_eq!(disk.rename("d/two", "d/x").unwrap_err().kind(), io::ErrorKind::NotFound);
    replace(disk, "whole", b"old")?;
    replace(disk, "whole", b"new")?;
    assert_eq!(read_whole(disk, "whole", 9)?, b"new");
    assert_eq!(disk.list("")?, ["d", "f", "whole"]);
    let space = disk.space()?;
    assert!(space.free > 0 && space.free <= space.total);
    Ok(())
}

#[test]
fn the_machines_disk_keeps_the_contract() {
    let folder = tempfile::tempdir().unwrap();
    check(&OsDisk::new(folder.path())).unwrap();
}

#[test]
fn the_test_disk_keeps_the_contract() {
    check(Arc::new(FaultDisk::new()).as_ref()).unwrap();
}
