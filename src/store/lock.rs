//! The lock of a store: whoever holds it is the vault's one owner.
//!
//! The file `lock` in the store's folder is held by an exclusive `flock`, which the kernel drops when the
//! owner dies, however it dies. Inside stand the owner's pid and the path of its control socket, for
//! everybody else. What stands there means nothing unless the lock is held.
//!
//! This is a thin adapter over the operating system, like [`super::disk::OsDisk`].
#![allow(clippy::disallowed_methods)]

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

/// Longest content read: a pid and a path.
const LIMIT: usize = 8 << 10;

/// Who holds a lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Its process.
    pub pid: u32,
    /// Its control socket; `None` while it does not listen yet, or no longer.
    pub socket: Option<PathBuf>,
}

/// Why a lock was not taken.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process has it. The holder is unknown in the moment between taking and signing it.
    #[error("the vault is in use by another process")]
    Held(Option<Holder>),
    /// The file could not be opened or locked.
    #[error("cannot lock the store")]
    Disk(#[from] io::Error),
}

/// The lock, held until dropped.
#[derive(Debug)]
pub struct StoreLock {
    file: Flock<File>,
}

impl StoreLock {
    /// Takes the lock of the store in the folder `store` without waiting, and signs it with this process.
    pub fn acquire(store: &Path) -> Result<StoreLock, LockError> {
        let path = store.join("lock");
        let file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(&path)?;
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(file) => {
                let lock = StoreLock { file };
                lock.sign(None)?;
                Ok(lock)
            }
            Err((file, Errno::EWOULDBLOCK)) => Err(LockError::Held(read_holder(&file)?)),
            Err((_, errno)) => Err(LockError::Disk(errno.into())),
        }
    }

    /// Who holds the lock of the store in the folder `store`, if anybody does. `Some(None)`: somebody who
    /// has not signed it yet.
    pub fn holder(store: &Path) -> io::Result<Option<Option<Holder>>> {
        let file = match OpenOptions::new().read(true).open(store.join("lock")) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => other?,
        };
        match Flock::lock(file, FlockArg::LockSharedNonblock) {
            Ok(_) => Ok(None),
            Err((file, Errno::EWOULDBLOCK)) => Ok(Some(read_holder(&file)?)),
            Err((_, errno)) => Err(errno.into()),
        }
    }

    /// Says in the lock file where this process listens.
    pub fn sign(&self, socket: Option<&Path>) -> io::Result<()> {
        let mut content = format!("{}\n", std::process::id()).into_bytes();
        if let Some(socket) = socket {
            content.extend_from_slice(socket.as_os_str().as_bytes());
            content.push(b'\n');
        }
        // Emptied first: a reader sees nothing, a pid, or all of it, and takes nothing for "not signed".
        self.file.set_len(0)?;
        self.file.write_all_at(&content, 0)
    }
}

fn read_holder(file: &File) -> io::Result<Option<Holder>> {
    let mut content = vec![0; LIMIT];
    let n = file.read_at(&mut content, 0)?;
    content.truncate(n);
    Ok(parse(&content))
}

fn parse(content: &[u8]) -> Option<Holder> {
    let content = content.strip_suffix(b"\n")?;
    let (pid, socket) = match content.iter().position(|b| *b == b'\n') {
        Some(end) => (content.get(..end)?, content.get(end + 1..)),
        None => (content, None),
    };
    let pid = std::str::from_utf8(pid).ok()?.parse().ok()?;
    let socket = socket.map(|path| PathBuf::from(std::ffi::OsString::from_vec(path.to_vec())));
    Some(Holder { pid, socket })
}

/// Hands `bytes` to all that decodes here.
#[cfg(any(test, feature = "testing"))]
pub(super) fn feed(bytes: &[u8]) {
    let _ = parse(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_held_lock_says_who_holds_it() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(StoreLock::holder(folder.path()).unwrap(), None);
        let lock = StoreLock::acquire(folder.path()).unwrap();
        let me = Holder { pid: std::process::id(), socket: None };
        assert_eq!(StoreLock::holder(folder.path()).unwrap(), Some(Some(me)));
        lock.sign(Some(Path::new("/run/user/0/bosr/a socket"))).unwrap();
        match StoreLock::acquire(folder.path()) {
            Err(LockError::Held(Some(holder))) => {
                assert_eq!(holder.socket.as_deref(), Some(Path::new("/run/user/0/bosr/a socket")));
            }
            other => panic!("{other:?}"),
        }
        drop(lock);
        assert_eq!(StoreLock::holder(folder.path()).unwrap(), None);
        StoreLock::acquire(folder.path()).unwrap();
    }

    #[test]
    fn anything_else_in_the_file_is_no_holder() {
        for content in [&b""[..], b"\n", b"12", b"x\n", b"-1\n", b"99999999999999\n/s\n", b"\xff\xff\n"] {
            assert_eq!(parse(content), None, "{content:?}");
        }
        assert_eq!(parse(b"12\n"), Some(Holder { pid: 12, socket: None }));
    }
}
