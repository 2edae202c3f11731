//! The place of a mount: what must hold before a directory is mounted on, and what is wrong if it does not.

#![allow(clippy::disallowed_methods)]

use std::io;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::unistd::{AccessFlags, access};

use crate::unmount::{self, UnmountError};
use crate::{MountOptions, mountinfo};

const DEVICE: &str = "/dev/fuse";

/// Why a directory could not be mounted on.
#[derive(Debug, thiserror::Error)]
pub enum MountError {
    /// Nothing is there.
    #[error("{} does not exist", .0.display())]
    NotFound(PathBuf),
    /// Something else than a directory is there.
    #[error("{} is not a directory", .0.display())]
    NotADirectory(PathBuf),
    /// The directory has entries, which would be hidden.
    #[error("{} is not empty", .0.display())]
    NotEmpty(PathBuf),
    /// The directory may not be mounted on, or not be read.
    #[error("no permission to mount on {}", .0.display())]
    NotPermitted(PathBuf),
    /// A mount of this program is there and alive.
    #[error("{} is already mounted", .0.display())]
    AlreadyMounted(PathBuf),
    /// A mount whose program is gone is there. It is not of this program, so it was left alone.
    #[error("{} is a mount of another program that has died", .0.display())]
    DeadMountOfAnother(PathBuf),
    /// A dead mount of this program is there and could not be cleared.
    #[error("the dead mount at {} could not be cleared", .at.display())]
    NotCleared {
        /// Where.
        at: PathBuf,
        /// Why not.
        source: UnmountError,
    },
    /// The kernel offers no FUSE: the module is not loaded, or a container hides the device.
    #[error("{DEVICE} does not exist")]
    NoDevice,
    /// This user may not open the device.
    #[error("no permission to open {DEVICE}")]
    DeviceNotPermitted,
    /// A user mounts through fusermount3, and it is not installed.
    #[error("fusermount3 is not installed")]
    NoFusermount,
    /// A user asked for `allow_other`, and `user_allow_other` does not stand in `/etc/fuse.conf`.
    #[error("user_allow_other is not set in /etc/fuse.conf")]
    OthersNotAllowed,
    /// A user asked for a second place: the kernel lets only root show one mount at two.
    #[error("only root can mount a vault at two places")]
    OnlyByRoot,
    /// The kernel or fusermount3 refused for another reason.
    #[error("mounting on {} failed", .at.display())]
    Refused {
        /// Where.
        at: PathBuf,
        /// What it said.
        source: io::Error,
    },
    /// The kernel's list of mounts could not be read, or a thread not be started.
    #[error("the system failed")]
    System(#[source] io::Error),
}

/// A directory that can be mounted on.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// Its absolute path, without symbolic links.
    pub(crate) path: PathBuf,
}

impl Place {
    /// Looks at `path`, clears a dead mount of ours from it, and makes sure that mounting can work.
    pub(crate) fn prepare(path: &Path, options: &MountOptions) -> Result<Place, MountError> {
        let place = Place { path: resolve(path).map_err(|error| unresolved(path, error))? };
        place.clear_earlier_mount()?;
        place.check_directory(options)?;
        check_device()?;
        Ok(place)
    }

    /// Clears what is left of a mount of ours whose program died.
    fn clear_earlier_mount(&self) -> Result<(), MountError> {
        loop {
            let Some(mount) = mountinfo::uppermost_at(&self.path).map_err(MountError::System)? else {
                return Ok(());
            };
            match (is_dead(&self.path), mount.is_ours()) {
                (true, false) => return Err(MountError::DeadMountOfAnother(self.path.clone())),
                (true, true) => unmount::detach(&self.path)
                    .map_err(|source| MountError::NotCleared { at: self.path.clone(), source })?,
                (false, true) => return Err(MountError::AlreadyMounted(self.path.clone())),
                (false, false) => return Ok(()),
            }
        }
    }

    fn check_directory(&self, options: &MountOptions) -> Result<(), MountError> {
        let path = &self.path;
        let metadata = std::fs::metadata(path).map_err(|error| self.blame(error))?;
        if !metadata.is_dir() {
            return Err(MountError::NotADirectory(path.clone()));
        }
        let mut entries = std::fs::read_dir(path).map_err(|error| self.blame(error))?;
        if !options.over_entries && entries.next().is_some() {
            return Err(MountError::NotEmpty(path.clone()));
        }
        // fusermount3 demands it of users; better said before than in its words.
        access(path, AccessFlags::W_OK).map_err(|_| MountError::NotPermitted(path.clone()))
    }

    /// What is wrong when mounting failed with `error`.
    pub(crate) fn blame(&self, error: io::Error) -> MountError {
        let at = self.path.clone();
        let said = error.to_string();
        match error.kind() {
            io::ErrorKind::NotFound if !self.path.exists() => MountError::NotFound(at),
            io::ErrorKind::NotFound => MountError::NoFusermount,
            io::ErrorKind::NotADirectory => MountError::NotADirectory(at),
            _ if said.contains("user_allow_other") => MountError::OthersNotAllowed,
            io::ErrorKind::PermissionDenied => MountError::NotPermitted(at),
            _ if said.contains("Operation not permitted") || said.contains("Permission denied") => {
                MountError::NotPermitted(at)
            }
            _ => MountError::Refused { at, source: error },
        }
    }
}

/// The absolute path of `path`, without symbolic links. Resolves the folder it is in and not `path` itself
/// if that is a dead mount, of which the kernel says nothing but that it is dead.
pub(crate) fn resolve(path: &Path) -> io::Result<PathBuf> {
    std::fs::canonicalize(path).or_else(|error| match (path.parent(), path.file_name()) {
        (Some(folder), Some(name)) if error.raw_os_error() == Some(libc::ENOTCONN) => {
            let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
            Ok(std::fs::canonicalize(folder)?.join(name))
        }
        _ => Err(error),
    })
}

fn unresolved(path: &Path, error: io::Error) -> MountError {
    match error.kind() {
        io::ErrorKind::NotFound => MountError::NotFound(path.to_owned()),
        io::ErrorKind::NotADirectory => MountError::NotADirectory(path.to_owned()),
        io::ErrorKind::PermissionDenied => MountError::NotPermitted(path.to_owned()),
        _ => MountError::System(error),
    }
}

/// Whether the program behind the mount at `path` is gone.
pub(crate) fn is_dead(path: &Path) -> bool {
    matches!(nix::sys::statfs::statfs(path), Err(Errno::ENOTCONN | Errno::ECONNABORTED))
}

fn check_device() -> Result<(), MountError> {
    match access(DEVICE, AccessFlags::R_OK | AccessFlags::W_OK) {
        Ok(()) => Ok(()),
        Err(Errno::EACCES | Errno::EPERM) => Err(MountError::DeviceNotPermitted),
        Err(_) => Err(MountError::NoDevice),
    }?;
    let needs_fusermount = !nix::unistd::geteuid().is_root();
    if needs_fusermount && unmount::fusermount().is_none() { Err(MountError::NoFusermount) } else { Ok(()) }
}
