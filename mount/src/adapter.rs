//! Turns what fuser calls into calls of a [`Filesystem`].
//!
//! Every request whose answer the kernel may keep (names, attributes, pages, listings) is counted as in
//! flight until it is answered. Those whose answer it does not keep (fsync, release, statfs, extended
//! attributes, seeks) are not counted, so that invalidations do not wait for a disk.

use std::ffi::OsStr;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use fuser::{
    BsdFileFlags, CopyFileRangeFlags, FileHandle, INodeNo, LockOwner, RenameFlags, Request, TimeOrNow,
    WriteFlags,
};

use crate::inflight::{InFlight, Ticket};
use crate::translate::{XattrWay, kind_of_mode, set_time, timestamp};
use crate::watch::Watch;
use crate::{
    Allocate, Answer, Caller, DirectoryPlusReply, DirectoryReply, Filesystem, Handle, Inode, NewNode,
    OpenFlags, Permissions, Range, Rename, Reply, Seek, SetAttributes, SetXattr, Span, Wanted, Write,
    invalidate, options,
};

/// A filesystem as fuser wants it.
#[derive(Debug)]
pub(crate) struct Adapter<F: ?Sized> {
    requests: Arc<InFlight>,
    watch: Arc<Watch>,
    filesystem: Arc<F>,
}

impl<F: Filesystem + ?Sized> Adapter<F> {
    pub(crate) fn new(filesystem: Arc<F>, requests: Arc<InFlight>, watch: Arc<Watch>) -> Adapter<F> {
        Adapter { requests, watch, filesystem }
    }

    /// The reply to a request whose answer the kernel may keep.
    fn kept<T: Answer>(&self, kernel: T::Kernel) -> Reply<T> {
        Reply::to_kernel(kernel, self.begin())
    }

    fn begin(&self) -> Ticket {
        invalidate::mark_serving();
        self.requests.begin()
    }
}

/// The reply to a request whose answer the kernel does not keep.
fn unkept<T: Answer>(kernel: T::Kernel) -> Reply<T> {
    invalidate::mark_serving();
    Reply::to_kernel(kernel, Ticket::uncounted())
}

/// Goes on with what a flag means, or fails the request.
macro_rules! known {
    ($parsed:expr, $reply:ident) => {
        match $parsed {
            Ok(known) => known,
            Err(error) => return $reply.fail(error),
        }
    };
}

fn caller(request: &Request) -> Caller {
    Caller { uid: request.uid(), gid: request.gid(), pid: request.pid() }
}

const fn inode(number: INodeNo) -> Inode {
    Inode(number.0)
}

const fn handle(handle: FileHandle) -> Handle {
    Handle(handle.0)
}

fn span(number: INodeNo, at: FileHandle, offset: u64) -> Span {
    Span { inode: inode(number), handle: handle(at), offset }
}

/// A batch of forgets arrives here one by one. `destroy`, `flush`, locks, `bmap`, `ioctl` and `poll` stay as fuser has them or are
/// answered "not implemented", after which the kernel does them alone and asks no more.
impl<F: Filesystem + ?Sized> fuser::Filesystem for Adapter<F> {
    fn init(&mut self, _request: &Request, kernel: &mut fuser::KernelConfig) -> io::Result<()> {
        options::negotiate(kernel);
        Ok(())
    }

    fn lookup(&self, request: &Request, parent: INodeNo, name: &OsStr, reply: fuser::ReplyEntry) {
        let _then = self.watch.after();
        self.filesystem.lookup(&caller(request), inode(parent), name, self.kept(reply));
    }

    fn forget(&self, _request: &Request, number: INodeNo, lookups: u64) {
        invalidate::mark_serving();
        self.filesystem.forget(inode(number), lookups);
    }

    fn getattr(&self, request: &Request, number: INodeNo, at: Option<FileHandle>, reply: fuser::ReplyAttr) {
        let _then = self.watch.after();
        self.filesystem.getattr(&caller(request), inode(number), at.map(handle), self.kept(reply));
    }

    fn setattr(
        &self,
        request: &Request,
        number: INodeNo,
        mode: Option<u32>,
        uid: Option<u32>,
        gid: Option<u32>,
        size: Option<u64>,
        atime: Option<TimeOrNow>,
        mtime: Option<TimeOrNow>,
        ctime: Option<SystemTime>,
        at: Option<FileHandle>,
        _crtime: Option<SystemTime>,
        _chgtime: Option<SystemTime>,
        _bkuptime: Option<SystemTime>,
        _flags: Option<BsdFileFlags>,
        reply: fuser::ReplyAttr,
    ) {
        let _then = self.watch.after();
        let caller = caller(request);
        let owner = uid.is_some() || gid.is_some();
        let changes = SetAttributes {
            permissions: mode.map(Permissions::from_mode),
            uid,
            gid,
            size,
            accessed: atime.map(set_time),
            modified: mtime.map(set_time),
            changed: ctime.map(timestamp),
            // The kernel says so for a cut; for a change of owner it leaves it to us, whoever asks.
            clear_set_id: mode.is_none() && (owner || (size.is_some() && !caller.keeps_set_id())),
        };
        self.filesystem.setattr(&caller, inode(number), at.map(handle), &changes, self.kept(reply));
    }

    fn readlink(&self, request: &Request, number: INodeNo, reply: fuser::ReplyData) {
        let _then = self.watch.after();
        self.filesystem.readlink(&caller(request), inode(number), self.kept(reply));
    }

    fn mknod(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        _umask: u32,
        device: u32,
        reply: fuser::ReplyEntry,
    ) {
        let _then = self.watch.after();
        let reply = self.kept(reply);
        let kind = known!(kind_of_mode(mode), reply);
        let node = NewNode { kind, permissions: Permissions::from_mode(mode), device };
        self.filesystem.mknod(&caller(request), inode(parent), name, node, reply);
    }

    fn mkdir(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        _umask: u32,
        reply: fuser::ReplyEntry,
    ) {
        let _then = self.watch.after();
        let permissions = Permissions::from_mode(mode);
        self.filesystem.mkdir(&caller(request), inode(parent), name, permissions, self.kept(reply));
    }

    fn unlink(&self, request: &Request, parent: INodeNo, name: &OsStr, reply: fuser::ReplyEmpty) {
        let _then = self.watch.after();
        self.filesystem.unlink(&caller(request), inode(parent), name, self.kept(reply));
    }

    fn rmdir(&self, request: &Request, parent: INodeNo, name: &OsStr, reply: fuser::ReplyEmpty) {
        let _then = self.watch.after();
        self.filesystem.rmdir(&caller(request), inode(parent), name, self.kept(reply));
    }

    fn symlink(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        target: &Path,
        reply: fuser::ReplyEntry,
    ) {
        let _then = self.watch.after();
        let target = target.as_os_str();
        self.filesystem.symlink(&caller(request), inode(parent), name, target, self.kept(reply));
    }

    fn rename(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        new_parent: INodeNo,
        new_name: &OsStr,
        flags: RenameFlags,
        reply: fuser::ReplyEmpty,
    ) {
        let _then = self.watch.after();
        let reply = self.kept(reply);
        let how = known!(Rename::from_bits(flags.bits()), reply);
        let (from, to) = (inode(parent), inode(new_parent));
        self.filesystem.rename(&caller(request), from, name, to, new_name, how, reply);
    }

    fn link(
        &self,
        request: &Request,
        number: INodeNo,
        parent: INodeNo,
        name: &OsStr,
        reply: fuser::ReplyEntry,
    ) {
        let _then = self.watch.after();
        self.filesystem.link(&caller(request), inode(number), inode(parent), name, self.kept(reply));
    }

    fn open(&self, request: &Request, number: INodeNo, flags: fuser::OpenFlags, reply: fuser::ReplyOpen) {
        let _then = self.watch.after();
        let (caller, reply) = (caller(request), self.kept(reply));
        let flags = known!(OpenFlags::from_bits(flags.0, caller.keeps_set_id()), reply);
        self.filesystem.open(&caller, inode(number), flags, reply);
    }

    fn create(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        _umask: u32,
        flags: i32,
        reply: fuser::ReplyCreate,
    ) {
        let _then = self.watch.after();
        let (caller, reply) = (caller(request), self.kept(reply));
        let flags = known!(OpenFlags::from_bits(flags, caller.keeps_set_id()), reply);
        self.filesystem.create(&caller, inode(parent), name, Permissions::from_mode(mode), flags, reply);
    }

    fn read(
        &self,
        request: &Request,
        number: INodeNo,
        at: FileHandle,
        offset: u64,
        length: u32,
        _flags: fuser::OpenFlags,
        _lock_owner: Option<LockOwner>,
        reply: fuser::ReplyData,
    ) {
        let _then = self.watch.after();
        let reply = self.kept(reply);
        let alone = self.requests.unanswered() == 1 && !self.watch.is_next_there();
        let range = Range { offset, length, alone };
        self.filesystem.read(&caller(request), inode(number), handle(at), range, reply);
    }

    fn write(
        &self,
        request: &Request,
        number: INodeNo,
        at: FileHandle,
        offset: u64,
        data: &[u8],
        write_flags: WriteFlags,
        flags: fuser::OpenFlags,
        _lock_owner: Option<LockOwner>,
        reply: fuser::ReplyWrite,
    ) {
        let _then = self.watch.after();
        let write = Write {
            offset,
            data,
            append: flags.0 & libc::O_APPEND != 0,
            from_mapping: write_flags.contains(WriteFlags::FUSE_WRITE_CACHE),
            clear_set_id: write_flags.contains(WriteFlags::FUSE_WRITE_KILL_SUIDGID),
        };
        self.filesystem.write(&caller(request), inode(number), handle(at), write, self.kept(reply));
    }

    fn flush(
        &self,
        _request: &Request,
        _number: INodeNo,
        _at: FileHandle,
        _lock_owner: LockOwner,
        reply: fuser::ReplyEmpty,
    ) {
        let _then = self.watch.after();
        reply.error(fuser::Errno::ENOSYS);
    }

    fn access(&self, request: &Request, number: INodeNo, mask: fuser::AccessFlags, reply: fuser::ReplyEmpty) {
        let _then = self.watch.after();
        let wanted = Wanted::from_bits(mask.bits());
        self.filesystem.access(&caller(request), inode(number), wanted, unkept(reply));
    }

    fn fallocate(
        &self,
        request: &Request,
        number: INodeNo,
        at: FileHandle,
        offset: u64,
        length: u64,
        mode: i32,
        reply: fuser::ReplyEmpty,
    ) {
        let _then = self.watch.after();
        let reply = self.kept(reply);
        let how = known!(Allocate::from_bits(mode), reply);
        self.filesystem.fallocate(&caller(request), span(number, at, offset), length, how, reply);
    }

    fn lseek(
        &self,
        request: &Request,
        number: INodeNo,
        at: FileHandle,
        offset: i64,
        whence: i32,
        reply: fuser::ReplyLseek,
    ) {
        let _then = self.watch.after();
        let reply = unkept(reply);
        let seek = known!(Seek::from_whence(offset, whence), reply);
        self.filesystem.lseek(&caller(request), inode(number), handle(at), seek, reply);
    }

    fn copy_file_range(
        &self,
        request: &Request,
        from: INodeNo,
        from_handle: FileHandle,
        from_offset: u64,
        to: INodeNo,
        to_handle: FileHandle,
        to_offset: u64,
        length: u64,
        _flags: CopyFileRangeFlags,
        reply: fuser::ReplyWrite,
    ) {
        let _then = self.watch.after();
        let from = span(from, from_handle, from_offset);
        let to = span(to, to_handle, to_offset);
        self.filesystem.copy_file_range(&caller(request), from, to, length, self.kept(reply));
    }

    fn release(
        &self,
        _request: &Request,
        number: INodeNo,
        at: FileHandle,
        _flags: fuser::OpenFlags,
        _lock_owner: Option<LockOwner>,
        _flush: bool,
        reply: fuser::ReplyEmpty,
    ) {
        let _then = self.watch.after();
        self.filesystem.release(inode(number), handle(at), unkept(reply));
    }

    fn fsync(
        &self,
        request: &Request,
        number: INodeNo,
        at: FileHandle,
        data_only: bool,
        reply: fuser::ReplyEmpty,
    ) {
        let _then = self.watch.after();
        self.filesystem.fsync(&caller(request), inode(number), handle(at), data_only, unkept(reply));
    }

    fn opendir(&self, request: &Request, number: INodeNo, _flags: fuser::OpenFlags, reply: fuser::ReplyOpen) {
        let _then = self.watch.after();
        self.filesystem.opendir(&caller(request), inode(number), self.kept(reply));
    }

    fn readdir(
        &self,
        request: &Request,
        number: INodeNo,
        at: FileHandle,
        cookie: u64,
        reply: fuser::ReplyDirectory,
    ) {
        let _then = self.watch.after();
        let reply = DirectoryReply::to_kernel(reply, self.begin());
        self.filesystem.readdir(&caller(request), inode(number), handle(at), cookie, reply);
    }

    fn readdirplus(
        &self,
        request: &Request,
        number: INodeNo,
        at: FileHandle,
        cookie: u64,
        reply: fuser::ReplyDirectoryPlus,
    ) {
        let _then = self.watch.after();
        let reply = DirectoryPlusReply::to_kernel(reply, self.begin());
        self.filesystem.readdirplus(&caller(request), inode(number), handle(at), cookie, reply);
    }

    fn releasedir(
        &self,
        _request: &Request,
        number: INodeNo,
        at: FileHandle,
        _flags: fuser::OpenFlags,
        reply: fuser::ReplyEmpty,
    ) {
        let _then = self.watch.after();
        self.filesystem.releasedir(inode(number), handle(at), unkept(reply));
    }

    fn fsyncdir(
        &self,
        request: &Request,
        number: INodeNo,
        at: FileHandle,
        data_only: bool,
        reply: fuser::ReplyEmpty,
    ) {
        let _then = self.watch.after();
        self.filesystem.fsyncdir(&caller(request), inode(number), handle(at), data_only, unkept(reply));
    }

    fn statfs(&self, request: &Request, number: INodeNo, reply: fuser::ReplyStatfs) {
        let _then = self.watch.after();
        self.filesystem.statfs(&caller(request), inode(number), unkept(reply));
    }

    fn setxattr(
        &self,
        request: &Request,
        number: INodeNo,
        name: &OsStr,
        value: &[u8],
        flags: i32,
        _position: u32,
        reply: fuser::ReplyEmpty,
    ) {
        let _then = self.watch.after();
        let reply = unkept(reply);
        let how = known!(SetXattr::from_bits(flags), reply);
        self.filesystem.setxattr(&caller(request), inode(number), name, value, how, reply);
    }

    fn getxattr(
        &self,
        request: &Request,
        number: INodeNo,
        name: &OsStr,
        room: u32,
        kernel: fuser::ReplyXattr,
    ) {
        self.filesystem.getxattr(&caller(request), inode(number), name, unkept(XattrWay { kernel, room }));
    }

    fn listxattr(&self, request: &Request, number: INodeNo, room: u32, kernel: fuser::ReplyXattr) {
        self.filesystem.listxattr(&caller(request), inode(number), unkept(XattrWay { kernel, room }));
    }

    fn removexattr(&self, request: &Request, number: INodeNo, name: &OsStr, reply: fuser::ReplyEmpty) {
        let _then = self.watch.after();
        self.filesystem.removexattr(&caller(request), inode(number), name, unkept(reply));
    }

    fn bmap(&self, _request: &Request, _number: INodeNo, _size: u32, _index: u64, reply: fuser::ReplyBmap) {
        let _then = self.watch.after();
        reply.error(fuser::Errno::ENOSYS);
    }
}
