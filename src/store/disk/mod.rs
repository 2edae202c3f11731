//! The one seam between a store and the machine's disk.
//!
//! Log, journal, index and the small files of a store all reach the disk through [`Disk`] and [`DiskFile`],
//! so one test disk ([`fault::FaultDisk`]) that forgets, tears, reorders and fails covers them all at once.
//!
//! # What an implementation promises
//! - A path is relative to the store's folder, its parts joined by `/`, without `.` or `..`.
//! - Bytes written are seen by every later read at once, and survive a power cut once a
//!   [`DiskFile::sync`] that began after the write has returned. Before that any part of them may.
//! - A file made, renamed or removed is so after a power cut once [`Disk::sync_dir`] on its folder returned.
//! - After a failed `sync` nobody knows what is durable: a later one that succeeds proves nothing about bytes
//!   written before the failure. Callers stop writing.

#[cfg(any(test, feature = "testing"))]
pub mod fault;
pub mod os;

#[cfg(test)]
mod contract;

use std::io;
use std::sync::Arc;

pub use os::OsDisk;

/// How [`Disk::open`] opens a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Open {
    /// It must exist; it is not written.
    Read,
    /// It must exist.
    ReadWrite,
    /// It is made, or emptied if it exists.
    Create,
}

/// Room on a disk, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// What can still be written.
    pub free: u64,
    /// The size of the whole disk.
    pub total: u64,
}

/// The folder of a store.
pub trait Disk: Send + Sync + std::fmt::Debug {
    /// Opens a file.
    fn open(&self, path: &str, how: Open) -> io::Result<Arc<dyn DiskFile>>;
    /// Removes a file.
    fn remove(&self, path: &str) -> io::Result<()>;
    /// Gives a file another name, replacing what had it. Atomic.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    /// The names (not paths) in a folder, sorted. The store's own folder is `""`.
    fn list(&self, dir: &str) -> io::Result<Vec<String>>;
    /// Makes a folder, mode 0700; no error if it exists.
    fn make_dir(&self, path: &str) -> io::Result<()>;
    /// Makes the names of a folder durable.
    fn sync_dir(&self, dir: &str) -> io::Result<()>;
    /// Room left and in all.
    fn space(&self) -> io::Result<Space>;
}

/// One open file. Positions are bytes from its start; calls may come from many threads.
pub trait DiskFile: Send + Sync + std::fmt::Debug {
    /// Reads at `offset`; fewer bytes than asked only at the end of the file.
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize>;
    /// Says that `len` bytes at `offset` will be read in a moment. A hint: nothing waits, and nothing comes of it
    /// where the system does not take it.
    fn expect(&self, _offset: u64, _len: u64) {}
    /// Has the disk begin with `len` bytes at `offset` that were written: a hint like [`expect`](Self::expect), and no
    /// promise; whoever syncs later waits for less.
    fn begin_writing(&self, _offset: u64, _len: u64) {}
    /// Writes all of `bytes` at `offset`. On an error any part of them may have been written.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;
    /// Cuts the file, or extends it by zeros.
    fn set_len(&self, len: u64) -> io::Result<()>;
    /// The length in bytes.
    fn len(&self) -> io::Result<u64>;
    /// Makes everything written before the call durable (`fdatasync`).
    fn sync(&self) -> io::Result<()>;
    /// Whether the length is 0.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }
}

/// Reads exactly `buf.len()` bytes, or fails with `UnexpectedEof`.
pub(crate) fn read_exact(file: &dyn DiskFile, buf: &mut [u8], offset: u64) -> io::Result<()> {
    match file.read_at(buf, offset)? {
        n if n == buf.len() => Ok(()),
        _ => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

/// Reads a whole small file, refusing one over `limit` bytes.
pub(crate) fn read_whole(disk: &dyn Disk, path: &str, limit: u64) -> io::Result<Vec<u8>> {
    let file = disk.open(path, Open::Read)?;
    let len = file.len()?;
    if len > limit {
        return Err(io::Error::new(io::ErrorKind::InvalidData, format!("larger than {limit} bytes")));
    }
    let mut bytes = vec![0; usize::try_from(len).unwrap_or(usize::MAX)];
    read_exact(file.as_ref(), &mut bytes, 0)?;
    Ok(bytes)
}

/// Replaces a file of the store's own folder so that a power cut leaves the old bytes or the new: temporary
/// file, sync, rename, sync of the folder.
pub(crate) fn replace(disk: &dyn Disk, path: &str, bytes: &[u8]) -> io::Result<()> {
    let temporary = format!("{path}.new");
    let file = disk.open(&temporary, Open::Create)?;
    file.write_at(bytes, 0)?;
    file.sync()?;
    disk.rename(&temporary, path)?;
    disk.sync_dir("")
}
