//! The kernel side of a mount: FUSE behind a filesystem trait in POSIX terms.
//!
//! This crate is the only place that names `fuser`. It turns requests of the kernel into calls of
//! [`Filesystem`], answers back through owned [`Reply`] values, tells the kernel what to forget through
//! an [`Invalidator`], and looks after the life of a mount in [`Mount`].
//!
//! # The rules an implementation lives by
//!
//! 1. **No call sleeps.** The thread that calls a [`Filesystem`] method is the thread that reads the next
//!    request. What may wait (network, fsync, a full buffer) moves its reply to another thread and returns.
//! 2. **Every reply is answered once.** Dropping one answers `EIO`: the program that asked never hangs.
//! 3. **Long waits are parked.** [`Reply::park`] says that an answer may take long, so that
//!    [`Invalidator::wait_for_earlier`] does not wait for it.
//! 4. **Invalidations come from a thread of their own**, with no lock held that a method takes: the kernel
//!    waits inside the call for requests that are still to be answered.
//!
//! # What it does not do
//!
//! It keeps no inode table, no cache and no policy: how long the kernel may remember an entry, whether
//! pages survive an open, which numbers inodes have is all said by the implementation, per answer.

mod adapter;
mod attributes;
mod connection;
mod directory;
mod error;
mod filesystem;
mod flags;
mod inflight;
mod invalidate;
mod mount;
mod mountinfo;
mod options;
mod place;
mod reply;
mod request;
mod translate;
mod unmount;
mod watch;

pub use attributes::{
    Attributes, Entry, FileKind, Inode, Permissions, SetAttributes, SetTime, Statistics, Timestamp,
};
pub use directory::{DirectoryPlusReply, DirectoryReply, Listed, ListedPlus};
pub use error::Error;
pub use filesystem::Filesystem;
pub use flags::{Access, Allocate, OpenFlags, Rename, Seek, SetXattr, Wanted};
pub use invalidate::{InvalidateError, Invalidator};
pub use mount::{Ended, Mount};
pub use options::MountOptions;
pub use place::MountError;
pub use reply::{Answer, Created, Data, Found, Offset, Opened, OpenedDirectory, Reply, Written, Xattr};
pub use request::{Caller, Handle, NewNode, Range, Span, Write};
pub use unmount::{UnmountError, clear_dead};
