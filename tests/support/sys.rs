//! System calls that neither std nor nix give safely: mappings, extended attributes.
#![allow(unsafe_code)]

use std::ffi::CString;
use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use nix::errno::Errno;

/// A shared mapping of the first bytes of a file.
pub(crate) struct Mapping {
    at: *mut libc::c_void,
    length: usize,
}

// SAFETY: the mapping belongs to this value alone, and is of the process, not of a thread.
unsafe impl Send for Mapping {}

impl Mapping {
    /// Maps `length` bytes, which must not be 0, for reading and, if `writes`, for writing.
    pub(crate) fn new(file: &File, length: usize, writes: bool) -> Mapping {
        let protection = if writes { libc::PROT_READ | libc::PROT_WRITE } else { libc::PROT_READ };
        // SAFETY: a new mapping at an address that the kernel chooses; checked below.
        let at = unsafe {
            libc::mmap(std::ptr::null_mut(), length, protection, libc::MAP_SHARED, file.as_raw_fd(), 0)
        };
        assert_ne!(at, libc::MAP_FAILED, "mmap: {}", Errno::last());
        Mapping { at, length }
    }

    /// A copy of the bytes of a range. A file that was cut before it raises SIGBUS: not for those.
    pub(crate) fn read(&self, from: usize, length: usize) -> Vec<u8> {
        assert!(from + length <= self.length);
        let mut bytes = vec![0; length];
        // SAFETY: inside the mapping, which is readable; the copy does not overlap it.
        unsafe { std::ptr::copy_nonoverlapping(self.at.cast::<u8>().add(from), bytes.as_mut_ptr(), length) };
        bytes
    }

    /// Writes bytes, which the mapping must have been made for, and has them written to the file.
    pub(crate) fn write(&self, from: usize, bytes: &[u8]) {
        assert!(from + bytes.len() <= self.length);
        // SAFETY: inside the mapping; the source does not overlap it.
        unsafe {
            std::ptr::copy_nonoverlapping(bytes.as_ptr(), self.at.cast::<u8>().add(from), bytes.len());
            assert_eq!(libc::msync(self.at, self.length, libc::MS_SYNC), 0, "msync: {}", Errno::last());
        }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: mapped by `new`, and unmapped only here.
        unsafe { libc::munmap(self.at, self.length) };
    }
}

fn text(bytes: &[u8]) -> CString {
    CString::new(bytes).unwrap()
}

/// Sets an extended attribute of a file, not of what a link leads to.
pub(crate) fn set_xattr(path: &Path, name: &str, value: &[u8]) -> Result<(), Errno> {
    let (path, name) = (text(path.as_os_str().as_bytes()), text(name.as_bytes()));
    // SAFETY: both strings end in a zero byte, the value is as long as said.
    let done =
        unsafe { libc::lsetxattr(path.as_ptr(), name.as_ptr(), value.as_ptr().cast(), value.len(), 0) };
    Errno::result(done).map(drop)
}

/// Removes an extended attribute.
pub(crate) fn remove_xattr(path: &Path, name: &str) -> Result<(), Errno> {
    let (path, name) = (text(path.as_os_str().as_bytes()), text(name.as_bytes()));
    // SAFETY: both strings end in a zero byte.
    Errno::result(unsafe { libc::lremovexattr(path.as_ptr(), name.as_ptr()) }).map(drop)
}

/// The value of an extended attribute.
pub(crate) fn xattr(path: &Path, name: &str) -> Result<Vec<u8>, Errno> {
    let (path, name) = (text(path.as_os_str().as_bytes()), text(name.as_bytes()));
    let mut value = vec![0u8; 65_536];
    // SAFETY: both strings end in a zero byte, and there is room for as much as is said.
    let length =
        unsafe { libc::lgetxattr(path.as_ptr(), name.as_ptr(), value.as_mut_ptr().cast(), value.len()) };
    value.truncate(usize::try_from(Errno::result(length)?).unwrap());
    Ok(value)
}

/// The names of all extended attributes.
pub(crate) fn xattrs(path: &Path) -> Result<Vec<String>, Errno> {
    let path = text(path.as_os_str().as_bytes());
    let mut names = vec![0u8; 65_536];
    // SAFETY: the string ends in a zero byte, and there is room for as much as is said.
    let length = unsafe { libc::llistxattr(path.as_ptr(), names.as_mut_ptr().cast(), names.len()) };
    names.truncate(usize::try_from(Errno::result(length)?).unwrap());
    let names = names.split(|byte| *byte == 0).filter(|name| !name.is_empty());
    Ok(names.map(|name| String::from_utf8_lossy(name).into_owned()).collect())
}

/// Copies between two open files; how many bytes were.
pub(crate) fn copy_range(
    from: &File,
    from_at: u64,
    to: &File,
    to_at: u64,
    length: u64,
) -> Result<u64, Errno> {
    let (mut from_at, mut to_at, mut left) = (from_at as i64, to_at as i64, length as usize);
    while left > 0 {
        // SAFETY: both places outlive the call.
        let copied = unsafe {
            libc::copy_file_range(from.as_raw_fd(), &mut from_at, to.as_raw_fd(), &mut to_at, left, 0)
        };
        match Errno::result(copied)? {
            0 => break,
            copied => left -= copied as usize,
        }
    }
    Ok(length - left as u64)
}

/// Watches a directory by inotify.
pub(crate) struct Watch(File);

impl Watch {
    /// Watches everything that happens to the names in `directory`, and to what they lead to.
    pub(crate) fn new(directory: &Path) -> Watch {
        use std::os::fd::FromRawFd;
        let path = text(directory.as_os_str().as_bytes());
        // SAFETY: the descriptor is new and belongs to the file made of it; the string ends in a zero byte.
        let (file, watch) = unsafe {
            let made = Errno::result(libc::inotify_init1(libc::IN_NONBLOCK | libc::IN_CLOEXEC)).unwrap();
            (File::from_raw_fd(made), libc::inotify_add_watch(made, path.as_ptr(), libc::IN_ALL_EVENTS))
        };
        Errno::result(watch).unwrap();
        Watch(file)
    }

    /// What has been told since it was asked last: all events in one mask.
    pub(crate) fn told(&mut self) -> u32 {
        use std::io::Read;
        let (mut mask, mut events) = (0, [0; 4096]);
        while let Ok(length) = self.0.read(&mut events) {
            let mut rest = &events[..length];
            // Watch, mask, cookie, length of the name: four bytes each; then the name.
            while let Some((event, after)) = rest.split_first_chunk::<16>() {
                let field =
                    |at: usize| u32::from_ne_bytes([event[at], event[at + 1], event[at + 2], event[at + 3]]);
                mask |= field(4);
                rest = &after[field(12) as usize..];
            }
        }
        mask
    }
}
