//! A mount as the kernel has it: where it is listed, and whether its connection lives.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::slice;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use parking_lot::Mutex;

use crate::mountinfo;
use crate::unmount::{self, UnmountError};

/// KiB that the kernel reads ahead of who reads on: so much that both cores decode while the disk reads on. What it
/// gives a new mount is 128.
const READ_AHEAD: &str = "4096";

/// The connection of one mount to the kernel.
#[derive(Debug)]
pub(crate) struct Connection {
    path: PathBuf,
    /// Where else it is shown, in the order in which it came there.
    others: Mutex<Vec<PathBuf>>,
    /// The device number it is listed under, which no other mount has while the connection lives.
    number: Option<String>,
    device: OwnedFd,
}

impl Connection {
    /// The connection behind `device` (an open `/dev/fuse`), just mounted at `path`.
    pub(crate) fn new(path: PathBuf, device: &impl AsFd) -> io::Result<Connection> {
        let listed = mountinfo::uppermost_at(&path)?.filter(mountinfo::Listed::is_ours);
        let device = device.as_fd().try_clone_to_owned()?;
        let number = listed.map(|mount| mount.number);
        Ok(Connection { path, others: Mutex::default(), number, device })
    }

    /// Has the kernel read far ahead. Only root can ask for that; other mounts do without.
    #[allow(clippy::disallowed_methods, reason = "a setting of the kernel's, not a file")]
    pub(crate) fn read_far_ahead(&self) {
        let Some(number) = &self.number else { return };
        let setting = format!("/sys/class/bdi/{number}/read_ahead_kb");
        if let Err(error) = std::fs::write(setting, READ_AHEAD) {
            tracing::debug!(%error, "the kernel reads ahead as far as it does by itself");
        }
    }

    /// Where it is mounted.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Where it is shown now. Empty if it was taken away from everywhere.
    pub(crate) fn places(&self) -> Result<Vec<PathBuf>, UnmountError> {
        let mut places = vec![self.path.clone()];
        places.extend(self.others.lock().iter().cloned());
        let mut shown = Vec::new();
        for place in places {
            if self.is_uppermost(&place)? && !shown.contains(&place) {
                shown.push(place);
            }
        }
        Ok(shown)
    }

    /// Notes that it is shown at `place` too.
    pub(crate) fn shown_at(&self, place: PathBuf) {
        self.others.lock().push(place);
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

    /// Ends the mount, wherever it is shown, if nothing uses it.
    pub(crate) fn unmount(&self) -> Result<(), UnmountError> {
        self.places()?.iter().rev().try_for_each(|place| unmount::unmount(place))
    }

    /// Takes the mount out of the tree, wherever it is shown.
    pub(crate) fn detach(&self) -> Result<(), UnmountError> {
        self.places()?.iter().rev().try_for_each(|place| unmount::detach(place))
    }

    /// Ends the mount by force if it is still there: whoever waits for an answer gets an error.
    pub(crate) fn abort(&self) -> Result<(), UnmountError> {
        let places = self.places()?;
        let Some(place) = places.first() else { return Ok(()) };
        unmount::abort(place, self.number.as_deref())?;
        places.iter().rev().try_for_each(|place| unmount::detach(place))
    }

    /// Whether this mount is the one at `place`, and not another that came after or on top.
    fn is_uppermost(&self, place: &Path) -> Result<bool, UnmountError> {
        if !self.is_alive() {
            return Ok(false);
        }
        let listed = mountinfo::uppermost_at(place).map_err(UnmountError::System)?;
        Ok(listed.is_some_and(|listed| Some(listed.number) == self.number))
    }
}
