//! Telling the kernel what it must ask for again.
//!
//! The kernel keeps names, attributes and pages for as long as answers allowed. Whatever changes without
//! having gone through the mount is invalidated here, in this order: publish the new state, let go of every
//! lock, [`Invalidator::wait_for_earlier`], then invalidate. Without the wait, an answer that was read from
//! the old state could arrive after the invalidation and be kept.
//!
//! Each call may wait inside the kernel for requests that are not answered yet: an entry for the lookups in
//! its directory, content for the reads of that inode (parked ones too). So a call made while serving a
//! request, or with a lock that serving one takes, would never return, and neither would the programs that
//! wait; nothing but aborting the mount frees them. Calls on a thread that serves requests are therefore
//! refused ([`InvalidateError::ServesRequests`]); locks are the caller's care.

use std::cell::Cell;
use std::ffi::OsStr;
use std::io;
use std::sync::Arc;

use fuser::{INodeNo, Notifier};

use crate::Inode;
use crate::connection::Connection;
use crate::inflight::InFlight;

thread_local! {
    /// Whether this thread is inside a method of a filesystem called for the kernel.
    static SERVES_REQUESTS: Cell<bool> = const { Cell::new(false) };
}

/// Marks this thread as one that serves requests, for good.
pub(crate) fn mark_serving() {
    SERVES_REQUESTS.set(true);
}

/// Why the kernel was not told.
#[derive(Debug, thiserror::Error)]
pub enum InvalidateError {
    /// Called on a thread that serves requests: it would have waited for itself.
    #[error("invalidation attempted on a thread that serves requests")]
    ServesRequests,
    /// The mount has ended: nothing is cached any more.
    #[error("the mount has ended")]
    Ended,
    /// The kernel refused.
    #[error("the kernel refused an invalidation")]
    Refused(#[source] io::Error),
}

/// The way to tell the kernel of one mount what changed behind its back. Cheap to clone. What the kernel
/// does not know is no error.
#[derive(Clone, Debug)]
pub struct Invalidator {
    notifier: Notifier,
    connection: Arc<Connection>,
    requests: Arc<InFlight>,
}

impl Invalidator {
    pub(crate) fn new(
        notifier: Notifier,
        connection: Arc<Connection>,
        requests: Arc<InFlight>,
    ) -> Invalidator {
        Invalidator { notifier, connection, requests }
    }

    /// Waits until every request that began before now has been answered, except those that are parked.
    /// Ends under any load, once those answers are given.
    ///
    /// # Errors
    /// [`InvalidateError::ServesRequests`].
    pub fn wait_for_earlier(&self) -> Result<(), InvalidateError> {
        refuse_while_serving()?;
        self.requests.wait_for_earlier();
        Ok(())
    }

    /// The attributes of `inode` changed, but not its content.
    ///
    /// # Errors
    /// All of [`InvalidateError`]; so for each of these calls.
    pub fn attributes(&self, inode: Inode) -> Result<(), InvalidateError> {
        // A negative offset leaves pages alone.
        self.tell(|kernel| kernel.inval_inode(INodeNo(inode.0), -1, 0))
    }

    /// The content of `inode` changed, and its attributes: the bytes of a file, the target of a link.
    ///
    /// # Errors
    /// As for [`attributes`](Self::attributes).
    pub fn content(&self, inode: Inode) -> Result<(), InvalidateError> {
        self.tell(|kernel| kernel.inval_inode(INodeNo(inode.0), 0, 0))
    }

    /// The names in a directory changed, or the numbers beside them, and its attributes.
    ///
    /// # Errors
    /// As for [`attributes`](Self::attributes).
    pub fn listing(&self, directory: Inode) -> Result<(), InvalidateError> {
        // No entry has this name; but to look for it the kernel waits until whoever lists the directory now has put away
        // the answer. Put away after the next line, an old answer would be kept as if it were a new one.
        self.entry(directory, OsStr::new("."))?;
        self.content(directory)
    }

    /// What `name` in `parent` leads to changed, or something or nothing is there now. Also refreshes the
    /// attributes of `parent`. A directory that the kernel has cached listings of needs
    /// [`listing`](Self::listing) besides.
    ///
    /// # Errors
    /// As for [`attributes`](Self::attributes).
    pub fn entry(&self, parent: Inode, name: &OsStr) -> Result<(), InvalidateError> {
        self.tell(|kernel| kernel.inval_entry(INodeNo(parent.0), name))
    }

    /// `name` in `parent`, which led to `child`, is gone: as [`entry`](Self::entry), and programs that watch
    /// the directory are told of a deletion.
    ///
    /// # Errors
    /// As for [`attributes`](Self::attributes).
    pub fn removed(&self, parent: Inode, child: Inode, name: &OsStr) -> Result<(), InvalidateError> {
        match self.tell(|kernel| kernel.delete(INodeNo(parent.0), INodeNo(child.0), name)) {
            // The kernel knows another child by that name, or one that still has entries or is in use: then
            // it is the name that must be asked for again.
            Err(InvalidateError::Refused(_)) => self.entry(parent, name),
            told => told,
        }
    }

    fn tell(&self, what: impl FnOnce(&Notifier) -> io::Result<()>) -> Result<(), InvalidateError> {
        refuse_while_serving()?;
        // fuser itself takes "not known" for success, which after the end everything is.
        if !self.connection.is_alive() {
            return Err(InvalidateError::Ended);
        }
        match what(&self.notifier) {
            Ok(()) => Ok(()),
            Err(error) => match error.raw_os_error() {
                _ if !self.connection.is_alive() => Err(InvalidateError::Ended),
                Some(libc::ENOENT) => Ok(()),
                _ => Err(InvalidateError::Refused(error)),
            },
        }
    }
}

fn refuse_while_serving() -> Result<(), InvalidateError> {
    if SERVES_REQUESTS.get() { Err(InvalidateError::ServesRequests) } else { Ok(()) }
}
