//! A mount as the kernel has it: where it is listed, and whether its connection lives.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::slice;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::mountinfo;
use crate::unmount::{self, UnmountError};

/// The connection of one mount to the kernel.
#[derive(Debug)]
pub(crate) struct Connection {
    path: PathBuf,
    /// The device number it is listed under, which no other mount has while the connection lives.
    number: Option<String>,
    device: OwnedFd,
}

impl Connection {
    /// The connection behind `device` (an open `/dev/fuse`), just mounted at `path`.
    pub(crate) fn new(path: PathBuf, device: &impl AsFd) -> io::Result<Connection> {
        let listed = mountinfo::uppermost_at(&path)?.filter(mountinfo::Listed::is_ours);
        let device = device.as_fd().try_clone_to_owned()?;
        Ok(Connection { path, number: listed.map(|mount| mount.number), device })
    }

    /// Where it is mounted.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the kernel still sends requests: until it is unmounted and no file in it is open.
    pub(crate) fn is_alive(&self) -> bool {
        let mut device = PollFd::new(self.device.as_fd(), PollFlags::empty());
        // Only an unmounted device has an error to report; that poll itself fails says nothing.
        match poll(slice::from_mut(&mut device), PollTimeout::ZERO) {
            Ok(_) => !device.revents().is_some_and(|found| found.contains(PollFlags::POLLERR)),
            Err(_) => true,
        }
    }

    /// Ends the mount if nothing uses it and it is still there.
    pub(crate) fn unmount(&self) -> Result<(), UnmountError> {
        if self.is_uppermost()? { unmount::unmount(&self.path) } else { Ok(()) }
    }

    /// Takes the mount out of the tree if it is still there.
    pub(crate) fn detach(&self) -> Result<(), UnmountError> {
        if self.is_uppermost()? { unmount::detach(&self.path) } else { Ok(()) }
    }

    /// Ends the mount by force if it is still there: whoever waits for an answer gets an error.
    pub(crate) fn abort(&self) -> Result<(), UnmountError> {
        if !self.is_uppermost()? {
            return Ok(());
        }
        unmount::abort(&self.path, self.number.as_deref())?;
        unmount::detach(&self.path)
    }

    /// Whether this mount is the one at its path, and not another that came after or on top.
    fn is_uppermost(&self) -> Result<bool, UnmountError> {
        if !self.is_alive() {
            return Ok(false);
        }
        let listed = mountinfo::uppermost_at(&self.path).map_err(UnmountError::System)?;
        Ok(listed.is_some_and(|listed| Some(listed.number) == self.number))
    }
}
