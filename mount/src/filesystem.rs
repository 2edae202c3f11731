//! The trait a filesystem implements, in POSIX terms.

use std::ffi::OsStr;

use crate::reply::{Created, Data, Found, Offset, Opened, OpenedDirectory, Reply, Written, Xattr};
use crate::{
    Allocate, Caller, DirectoryPlusReply, DirectoryReply, Entry, Error, Handle, Inode, NewNode, OpenFlags,
    Permissions, Range, Rename, Seek, SetAttributes, SetXattr, Span, Statistics, Wanted, Write,
};

/// A filesystem, called by the kernel through a [`Mount`](crate::Mount).
///
/// No method may sleep, wait for another thread for long, or call the [`Invalidator`](crate::Invalidator):
/// see the rules in the [crate's head](crate). Methods are called from one thread, or from as many as
/// [`MountOptions::threads`](crate::MountOptions::threads) says. A panic in one ends the mount
/// (with several threads, once the first of them panicked).
///
/// The kernel has already checked permissions against the attributes it was given (`default_permissions`),
/// including sticky directories; names are never empty, `.` or `..`, and hold neither `/` nor NUL. The
/// umask is already taken off. Left to the filesystem: the group of what is created in a set-group-id
/// directory, set-id bits that must go (`clear_set_id`), name lengths, and every check that must be atomic
/// with the change.
///
/// With [`MountOptions::kernel_checks`](crate::MountOptions::kernel_checks) off the kernel asks nothing before an
/// operation, not even whether a directory on the way to a name that it knows may be passed through; it goes on
/// checking sticky directories, privileges for special attributes, and that a file to be executed has an execute bit.
///
/// Not part of it, because the kernel does it alone: flock and POSIX locks. A flush at close is
/// never asked for; an error that must be seen is returned by write or fsync.
#[allow(unused_variables)]
pub trait Filesystem: Send + Sync + 'static {
    /// What `name` in `parent` leads to. Each [`Found::Entry`] is one lookup of its inode.
    fn lookup(&self, caller: &Caller, parent: Inode, name: &OsStr, reply: Reply<Found>);

    /// The kernel lets go of `lookups` lookups of `inode`. At zero it does not know the number any more;
    /// when the mount ends, it says nothing and knows none.
    fn forget(&self, inode: Inode, lookups: u64);

    /// The attributes of a file, perhaps of an open one.
    fn getattr(&self, caller: &Caller, inode: Inode, handle: Option<Handle>, reply: Reply<Entry>);

    /// Whether the caller may do what is wanted: access(2), and chdir(2), which wants to pass through. Asked only where
    /// the kernel does not check permissions itself.
    fn access(&self, caller: &Caller, inode: Inode, wanted: Wanted, reply: Reply<()>) {
        reply.fail(Error::NotImplemented);
    }

    /// Changes attributes, all or none, and answers with what they are then.
    fn setattr(
        &self,
        caller: &Caller,
        inode: Inode,
        handle: Option<Handle>,
        changes: &SetAttributes,
        reply: Reply<Entry>,
    );

    /// The target of a symbolic link. The kernel keeps it until the inode's content is invalidated.
    fn readlink(&self, caller: &Caller, inode: Inode, reply: Reply<Data>);

    /// Makes a file, pipe, socket or device.
    fn mknod(&self, caller: &Caller, parent: Inode, name: &OsStr, node: NewNode, reply: Reply<Found>) {
        reply.fail(Error::NotPermitted);
    }

    /// Makes a directory.
    fn mkdir(
        &self,
        caller: &Caller,
        parent: Inode,
        name: &OsStr,
        permissions: Permissions,
        reply: Reply<Found>,
    );

    /// Removes the name of something that is no directory. Open files live on.
    fn unlink(&self, caller: &Caller, parent: Inode, name: &OsStr, reply: Reply<()>);

    /// Removes an empty directory.
    fn rmdir(&self, caller: &Caller, parent: Inode, name: &OsStr, reply: Reply<()>);

    /// Makes a symbolic link to `target`.
    fn symlink(&self, caller: &Caller, parent: Inode, name: &OsStr, target: &OsStr, reply: Reply<Found>) {
        reply.fail(Error::NotPermitted);
    }

    /// Renames `name` in `parent` to `new_name` in `new_parent`.
    #[allow(clippy::too_many_arguments)]
    fn rename(
        &self,
        caller: &Caller,
        parent: Inode,
        name: &OsStr,
        new_parent: Inode,
        new_name: &OsStr,
        how: Rename,
        reply: Reply<()>,
    );

    /// Gives a file one more name.
    fn link(&self, caller: &Caller, inode: Inode, parent: Inode, name: &OsStr, reply: Reply<Found>) {
        reply.fail(Error::NotPermitted);
    }

    /// Opens a file, cutting it to nothing if `flags` say so.
    fn open(&self, caller: &Caller, inode: Inode, flags: OpenFlags, reply: Reply<Opened>);

    /// Makes a file and opens it. The kernel believed that the name was free; if it is not, the file there
    /// is opened (and cut, if `flags` say so), unless `flags.exclusive`.
    fn create(
        &self,
        caller: &Caller,
        parent: Inode,
        name: &OsStr,
        permissions: Permissions,
        flags: OpenFlags,
        reply: Reply<Created>,
    );

    /// Reads. Fewer bytes than asked for mean the end of the file.
    fn read(&self, caller: &Caller, inode: Inode, handle: Handle, range: Range, reply: Reply<Data>);

    /// Writes all of the data.
    fn write(&self, caller: &Caller, inode: Inode, handle: Handle, write: Write<'_>, reply: Reply<Written>);

    /// Reserves, zeroes or frees a stretch of a file, clearing set-id bits unless
    /// [`Caller::keeps_set_id`].
    fn fallocate(&self, caller: &Caller, at: Span, length: u64, how: Allocate, reply: Reply<()>) {
        reply.fail(Error::NotImplemented);
    }

    /// Finds data or a hole.
    fn lseek(&self, caller: &Caller, inode: Inode, handle: Handle, seek: Seek, reply: Reply<Offset>) {
        reply.fail(Error::NotImplemented);
    }

    /// Copies up to `length` bytes between two files, or within one where the stretches do not overlap;
    /// answers how many, 0 at the end of the source. Clears set-id bits unless [`Caller::keeps_set_id`].
    fn copy_file_range(&self, caller: &Caller, from: Span, to: Span, length: u64, reply: Reply<Written>) {
        reply.fail(Error::NotImplemented);
    }

    /// The last user of a handle is gone. What is answered reaches nobody; handles that are open when the
    /// mount ends may never be released.
    fn release(&self, inode: Inode, handle: Handle, reply: Reply<()>);

    /// Makes a file durable: its content and, unless `data_only`, its attributes.
    fn fsync(&self, caller: &Caller, inode: Inode, handle: Handle, data_only: bool, reply: Reply<()>);

    /// Opens a directory.
    fn opendir(&self, caller: &Caller, inode: Inode, reply: Reply<OpenedDirectory>);

    /// Lists a directory from `cookie` on, with `.` and `..`. An entry that is there throughout is listed
    /// once, whatever else changes.
    fn readdir(&self, caller: &Caller, inode: Inode, handle: Handle, cookie: u64, reply: DirectoryReply);

    /// Lists a directory as [`readdir`](Self::readdir) does, and looks each entry up.
    fn readdirplus(
        &self,
        caller: &Caller,
        inode: Inode,
        handle: Handle,
        cookie: u64,
        reply: DirectoryPlusReply,
    );

    /// The last user of a directory handle is gone.
    fn releasedir(&self, inode: Inode, handle: Handle, reply: Reply<()>);

    /// Makes the names in a directory durable.
    fn fsyncdir(&self, caller: &Caller, inode: Inode, handle: Handle, data_only: bool, reply: Reply<()>);

    /// How much space there is.
    fn statfs(&self, caller: &Caller, inode: Inode, reply: Reply<Statistics>);

    /// Sets an extended attribute.
    #[allow(clippy::too_many_arguments)]
    fn setxattr(
        &self,
        caller: &Caller,
        inode: Inode,
        name: &OsStr,
        value: &[u8],
        how: SetXattr,
        reply: Reply<()>,
    ) {
        reply.fail(Error::NotImplemented);
    }

    /// The value of an extended attribute.
    fn getxattr(&self, caller: &Caller, inode: Inode, name: &OsStr, reply: Reply<Xattr>) {
        reply.fail(Error::NotImplemented);
    }

    /// The names of all extended attributes, each ended by a zero byte.
    fn listxattr(&self, caller: &Caller, inode: Inode, reply: Reply<Xattr>) {
        reply.fail(Error::NotImplemented);
    }

    /// Removes an extended attribute.
    fn removexattr(&self, caller: &Caller, inode: Inode, name: &OsStr, reply: Reply<()>) {
        reply.fail(Error::NotImplemented);
    }
}
