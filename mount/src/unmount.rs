//! Ending a mount from our side: with the system call where we may, else through fusermount3.

#![allow(clippy::disallowed_methods)]

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nix::errno::Errno;
use nix::mount::{MntFlags, umount2};
use nix::unistd::{AccessFlags, access};

use crate::{mountinfo, place};

/// Where the kernel offers to end connections: to root and to the user who mounted. Not everywhere mounted.
const CONNECTIONS: &str = "/sys/fs/fuse/connections";

/// Where fusermount3 is looked for after `PATH`.
const USUAL_FOLDERS: [&str; 4] = ["/usr/bin", "/bin", "/usr/sbin", "/sbin"];

/// Why a mount could not be ended.
#[derive(Debug, thiserror::Error)]
pub enum UnmountError {
    /// Files in it are open, or a program works in it.
    #[error("the mount is in use")]
    Busy,
    /// It belongs to another user.
    #[error("no permission to unmount")]
    NotPermitted,
    /// A user unmounts through fusermount3, and it is not installed.
    #[error("fusermount3 is not installed")]
    NoFusermount,
    /// The kernel or fusermount3 failed otherwise.
    #[error("unmounting failed")]
    System(#[source] io::Error),
}

/// Clears the mount at `path` if it is one of ours whose program died; says whether it was.
///
/// # Errors
/// All of [`UnmountError`].
pub fn clear_dead(path: &Path) -> Result<bool, UnmountError> {
    let path = place::resolve(path).map_err(UnmountError::System)?;
    let listed = mountinfo::uppermost_at(&path).map_err(UnmountError::System)?;
    let clear = listed.is_some_and(|mount| mount.is_ours()) && place::is_dead(&path);
    if clear {
        detach(&path)?;
    }
    Ok(clear)
}

/// Ends the mount at `path` if nothing uses it.
pub(crate) fn unmount(path: &Path) -> Result<(), UnmountError> {
    end(path, MntFlags::UMOUNT_NOFOLLOW, &["-u"])
}

/// Takes the mount at `path` out of the tree at once; it ends when nothing uses it any more.
pub(crate) fn detach(path: &Path) -> Result<(), UnmountError> {
    end(path, MntFlags::UMOUNT_NOFOLLOW | MntFlags::MNT_DETACH, &["-u", "-z"])
}

/// Ends the connection of the mount at `path`, listed as `number`, whoever uses it. The dead mount stays.
pub(crate) fn abort(path: &Path, number: Option<&str>) -> Result<(), UnmountError> {
    match umount2(path, MntFlags::UMOUNT_NOFOLLOW | MntFlags::MNT_FORCE) {
        // In use, it stays in the tree, but its connection has ended.
        Ok(()) | Err(Errno::EBUSY) => Ok(()),
        Err(Errno::EPERM) => {
            let minor = number.and_then(|number| number.split_once(':')).map(|(_, minor)| minor);
            let connection = Path::new(CONNECTIONS).join(minor.ok_or(UnmountError::NotPermitted)?);
            std::fs::write(connection.join("abort"), "1").map_err(UnmountError::System)
        }
        Err(errno) => Err(UnmountError::System(errno.into())),
    }
}

fn end(path: &Path, flags: MntFlags, arguments: &[&str]) -> Result<(), UnmountError> {
    match umount2(path, flags) {
        Ok(()) => Ok(()),
        // Nothing is mounted there: it ended by itself.
        Err(Errno::EINVAL | Errno::ENOENT) => Ok(()),
        Err(Errno::EBUSY) => Err(UnmountError::Busy),
        Err(Errno::EPERM) => end_as_user(path, arguments),
        Err(errno) => Err(UnmountError::System(errno.into())),
    }
}

fn end_as_user(path: &Path, arguments: &[&str]) -> Result<(), UnmountError> {
    let program = fusermount().ok_or(UnmountError::NoFusermount)?;
    let output = Command::new(program)
        .args(arguments)
        .arg("--")
        .arg(path)
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .output()
        .map_err(UnmountError::System)?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(if said.contains("busy") {
        UnmountError::Busy
    } else if said.contains("not permitted") || said.contains("Permission denied") {
        UnmountError::NotPermitted
    } else {
        UnmountError::System(io::Error::other(said))
    })
}

/// Where fusermount3 is.
pub(crate) fn fusermount() -> Option<PathBuf> {
    let path: OsString = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(USUAL_FOLDERS.iter().map(PathBuf::from))
        .map(|folder| folder.join("fusermount3"))
        .find(|program| access(program, AccessFlags::X_OK).is_ok())
}
