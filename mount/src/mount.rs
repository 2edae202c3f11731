//! A mount, from the moment the directory shows the filesystem until the kernel lets go of it.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fuser::Session;
use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use parking_lot::{Condvar, Mutex};

use crate::adapter::Adapter;
use crate::connection::Connection;
use crate::inflight::InFlight;
use crate::place::Place;
use crate::watch::Watch;
use crate::{Filesystem, Invalidator, MountError, MountOptions, UnmountError};

/// How a mount ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It was unmounted, from here or by `umount` or `fusermount3 -u`.
    Unmounted,
    /// Serving requests failed, for this reason; every program that used it got an error.
    Failed(String),
}

/// Where the end is written down, for all who wait for it.
#[derive(Debug, Default)]
struct End {
    how: Mutex<Option<Ended>>,
    known: Condvar,
}

/// A mounted filesystem.
///
/// It ends by [`unmount`](Self::unmount), by `fusermount3 -u` or `umount` from outside, or by dropping this
/// handle, which takes it out of the tree at once ([`detach`](Self::detach)) and does not wait. If a request
/// panics, the mount is aborted: better an error for everyone than programs that wait for ever.
///
/// When it has ended, everything that was written has been delivered to the filesystem; forgets and releases
/// that were on their way may not have been.
#[derive(Debug)]
pub struct Mount {
    connection: Arc<Connection>,
    invalidator: Invalidator,
    end: Arc<End>,
}

impl Mount {
    /// Mounts `filesystem` at the directory `path`: as root directly, else through fusermount3. What a
    /// program of ours that died left mounted there is cleared first. When it returns, the mount is ready.
    ///
    /// # Errors
    /// All of [`MountError`].
    pub fn start<F: Filesystem + ?Sized>(
        filesystem: Arc<F>,
        path: &Path,
        options: &MountOptions,
    ) -> Result<Mount, MountError> {
        let place = Place::prepare(path, options)?;
        let requests = Arc::new(InFlight::default());
        let watch = Arc::new(Watch::default());
        let adapter = Adapter::new(filesystem, Arc::clone(&requests), Arc::clone(&watch));
        let session =
            Session::new(adapter, &place.path, &options.config()).map_err(|error| place.blame(error))?;
        let connection = Arc::new(Connection::new(place.path, &session).map_err(MountError::System)?);
        watch.over(&session).map_err(MountError::System)?;
        connection.read_far_ahead();
        let invalidator = Invalidator::new(session.notifier(), Arc::clone(&connection), requests);
        let mount = Mount { connection, invalidator, end: Arc::new(End::default()) };
        let (connection, end) = (Arc::clone(&mount.connection), Arc::clone(&mount.end));
        std::thread::Builder::new()
            .name("bosr-mount".to_owned())
            .spawn(move || end.set(serve(session, &connection)))
            .map_err(MountError::System)?;
        Ok(mount)
    }

    /// Where it is mounted: absolute, without symbolic links.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.connection.path()
    }

    /// Shows the same filesystem at another directory too, with the same page cache: what is done at one place is
    /// seen at the other at once. Of `options`, `allow_other` is that of the first place, which is also
    /// read-only for all if it is.
    ///
    /// # Errors
    /// [`MountError::OnlyByRoot`], and those of [`Mount::start`].
    pub fn show_at(&self, path: &Path, options: &MountOptions) -> Result<(), MountError> {
        let place = Place::prepare(path, options)?;
        let shown = self.places().map_err(|error| MountError::System(io::Error::other(error)))?;
        let from = shown.first().ok_or_else(|| MountError::NotFound(self.path().to_owned()))?;
        let bind = |from: Option<&Path>, flags| mount(from, &place.path, None::<&str>, flags, None::<&str>);
        let bound = bind(Some(from), MsFlags::MS_BIND).and_then(|()| {
            bind(None, MsFlags::MS_BIND | MsFlags::MS_REMOUNT | options.flags()).inspect_err(|_| {
                let _ = crate::unmount::detach(&place.path);
            })
        });
        match bound {
            Ok(()) => {
                self.connection.shown_at(place.path);
                Ok(())
            }
            Err(Errno::EPERM) => Err(MountError::OnlyByRoot),
            Err(errno) => Err(place.blame(errno.into())),
        }
    }

    /// Where it is shown now.
    ///
    /// # Errors
    /// [`UnmountError::System`] if the kernel's list cannot be read.
    pub fn places(&self) -> Result<Vec<PathBuf>, UnmountError> {
        self.connection.places()
    }

    /// Takes it away from one of the places where it is shown. It ends with the last.
    ///
    /// # Errors
    /// As [`unmount`](Self::unmount).
    pub fn unmount_at(&self, path: &Path) -> Result<(), UnmountError> {
        let places = self.places()?;
        match places.iter().any(|place| place == path) {
            true if places.len() > 1 => crate::unmount::unmount(path),
            true => self.unmount().map(drop),
            false => Ok(()),
        }
    }

    /// The way to tell the kernel what changed.
    #[must_use]
    pub fn invalidator(&self) -> Invalidator {
        self.invalidator.clone()
    }

    /// Waits until the mount has ended.
    #[must_use]
    pub fn wait(&self) -> Ended {
        self.end.wait()
    }

    /// How it ended, if it has.
    #[must_use]
    pub fn ended(&self) -> Option<Ended> {
        self.end.how.lock().clone()
    }

    /// Ends the mount and waits until it has ended. If it has already, nothing is done. Not to be called
    /// from a thread that serves it.
    ///
    /// # Errors
    /// [`UnmountError::Busy`] while a program uses it, and the mount goes on; other [`UnmountError`]s.
    pub fn unmount(&self) -> Result<Ended, UnmountError> {
        self.connection.unmount()?;
        Ok(self.wait())
    }

    /// Takes the mount out of the tree at once. Programs that use it can go on; when the last one stops, it
    /// ends, which [`wait`](Self::wait) waits for.
    ///
    /// # Errors
    /// All of [`UnmountError`] but [`UnmountError::Busy`].
    pub fn detach(&self) -> Result<(), UnmountError> {
        self.connection.detach()
    }
}

/// Serves requests until the mount ends.
fn serve<F: Filesystem + ?Sized>(session: Session<Adapter<F>>, connection: &Connection) -> Ended {
    let Err(error) = session.run() else { return Ended::Unmounted };
    // Nobody reads requests any more, but the kernel goes on sending them as long as we live.
    if let Err(error) = connection.abort() {
        tracing::error!(%error, "a mount that failed could not be aborted");
    }
    Ended::Failed(error.to_string())
}

impl Drop for Mount {
    fn drop(&mut self) {
        if let Err(error) = self.detach() {
            tracing::warn!(%error, "a mount could not be detached");
        }
    }
}

impl End {
    fn set(&self, how: Ended) {
        *self.how.lock() = Some(how);
        self.known.notify_all();
    }

    fn wait(&self) -> Ended {
        let mut how = self.how.lock();
        loop {
            if let Some(how) = how.as_ref() {
                return how.clone();
            }
            self.known.wait(&mut how);
        }
    }
}
