//! The kernel's requests, each handed to the part that carries it out.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use bosr_mount::{
    Allocate, Caller, Created, Data, DirectoryPlusReply, DirectoryReply, Entry, Error, Filesystem, Found,
    Handle, Inode, NewNode, Offset, OpenFlags, Opened, OpenedDirectory, Permissions, Range, Rename, Reply,
    Seek, SetAttributes, SetXattr, Span, Statistics, Wanted, Write, Written, Xattr,
};

use super::MountedVault;
use super::errors::posix;
use super::handles::Handles;
use crate::vault::Data as NodeData;
use crate::vault::name::MAX_NAME;

/// Goes on if the caller may, or fails the request.
macro_rules! permitted {
    ($checked:expr, $reply:ident) => {
        if let Err(error) = $checked {
            return $reply.fail(error);
        }
    };
}

impl Filesystem for MountedVault {
    fn lookup(&self, caller: &Caller, parent: Inode, name: &OsStr, reply: Reply<Found>) {
        if self.beyond.has_name(parent, name) {
            return self.beyond.lookup(&self.core, parent, name, reply);
        }
        permitted!(self.core.may_look_up(caller, parent), reply);
        reply.answer(self.core.lookup(parent, name));
    }

    fn forget(&self, inode: Inode, lookups: u64) {
        if self.beyond.has(inode) {
            return self.beyond.forget(inode, lookups);
        }
        self.core.forget(inode, lookups);
    }

    fn getattr(&self, _: &Caller, inode: Inode, _: Option<Handle>, reply: Reply<Entry>) {
        if self.beyond.has(inode) {
            return self.beyond.getattr(&self.core, inode, reply);
        }
        reply.answer(self.core.entry(inode));
    }

    fn access(&self, caller: &Caller, inode: Inode, wanted: Wanted, reply: Reply<()>) {
        if self.beyond.has(inode) {
            return reply.answer(if wanted.write { Err(Error::ReadOnly) } else { Ok(()) });
        }
        reply.answer(self.core.may_access(caller, inode, wanted));
    }

    fn setattr(
        &self,
        caller: &Caller,
        inode: Inode,
        handle: Option<Handle>,
        changes: &SetAttributes,
        reply: Reply<Entry>,
    ) {
        if self.beyond.has(inode) {
            return reply.fail(Error::ReadOnly);
        }
        permitted!(self.core.may_set(caller, inode, handle, changes), reply);
        self.core.set_attributes(inode, *changes, reply);
    }

    fn readlink(&self, _: &Caller, inode: Inode, reply: Reply<Data>) {
        if self.beyond.has(inode) {
            return self.beyond.readlink(&self.core, inode, reply);
        }
        reply.answer(self.core.target(inode));
    }

    fn mknod(&self, caller: &Caller, parent: Inode, name: &OsStr, node: NewNode, reply: Reply<Found>) {
        if self.beyond.has_name(parent, name) {
            return reply.fail(Error::ReadOnly);
        }
        permitted!(self.core.may_change(caller, parent), reply);
        self.core.make_special(*caller, (parent, name), node, reply);
    }

    fn mkdir(
        &self,
        caller: &Caller,
        parent: Inode,
        name: &OsStr,
        permissions: Permissions,
        reply: Reply<Found>,
    ) {
        if self.beyond.has_name(parent, name) {
            return reply.fail(Error::ReadOnly);
        }
        permitted!(self.core.may_change(caller, parent), reply);
        self.core.make(*caller, (parent, name), permissions, None, reply);
    }

    fn unlink(&self, caller: &Caller, parent: Inode, name: &OsStr, reply: Reply<()>) {
        if self.beyond.has_name(parent, name) {
            return reply.fail(Error::ReadOnly);
        }
        permitted!(self.core.may_change(caller, parent), reply);
        self.core.remove_name(parent, name, reply);
    }

    fn rmdir(&self, caller: &Caller, parent: Inode, name: &OsStr, reply: Reply<()>) {
        if self.beyond.has_name(parent, name) {
            return reply.fail(Error::ReadOnly);
        }
        permitted!(self.core.may_change(caller, parent), reply);
        self.core.remove_directory(parent, name, reply);
    }

    fn symlink(&self, caller: &Caller, parent: Inode, name: &OsStr, target: &OsStr, reply: Reply<Found>) {
        if self.beyond.has_name(parent, name) {
            return reply.fail(Error::ReadOnly);
        }
        permitted!(self.core.may_change(caller, parent), reply);
        let data = Some(NodeData::Target(target.as_bytes().to_vec()));
        self.core.make(*caller, (parent, name), Permissions::from_mode(0o777), data, reply);
    }

    fn rename(
        &self,
        caller: &Caller,
        parent: Inode,
        name: &OsStr,
        new_parent: Inode,
        new_name: &OsStr,
        how: Rename,
        reply: Reply<()>,
    ) {
        if self.beyond.has_name(parent, name) || self.beyond.has_name(new_parent, new_name) {
            return reply.fail(Error::ReadOnly);
        }
        let exchanges = how == Rename::Exchange;
        permitted!(self.core.may_rename(caller, (parent, name), (new_parent, new_name), exchanges), reply);
        self.core.rename_name(caller, (parent, name), (new_parent, new_name), how, reply);
    }

    fn link(&self, caller: &Caller, inode: Inode, parent: Inode, name: &OsStr, reply: Reply<Found>) {
        if self.beyond.has_name(parent, name) || self.beyond.has(inode) {
            return reply.fail(Error::ReadOnly);
        }
        permitted!(self.core.may_change(caller, parent), reply);
        self.core.add_name(inode, (parent, name), reply);
    }

    fn open(&self, caller: &Caller, inode: Inode, flags: OpenFlags, reply: Reply<Opened>) {
        if self.beyond.has(inode) {
            return self.beyond.open(&self.core, inode, flags, reply);
        }
        permitted!(self.core.may_open(caller, inode, flags), reply);
        self.core.open(*caller, inode, flags, reply);
    }

    fn create(
        &self,
        caller: &Caller,
        parent: Inode,
        name: &OsStr,
        permissions: Permissions,
        flags: OpenFlags,
        reply: Reply<Created>,
    ) {
        if self.beyond.has_name(parent, name) {
            return reply.fail(Error::ReadOnly);
        }
        permitted!(self.core.may_change(caller, parent), reply);
        self.core.create_and_open(*caller, (parent, name), permissions, flags, reply);
    }

    fn read(&self, _: &Caller, inode: Inode, handle: Handle, range: Range, reply: Reply<Data>) {
        if self.beyond.has(inode) {
            return self.beyond.read(&self.core, handle, range, reply);
        }
        self.core.read_bytes(handle, range, reply);
    }

    fn write(&self, _: &Caller, inode: Inode, handle: Handle, write: Write<'_>, reply: Reply<Written>) {
        self.core.write_bytes(inode, handle, write, reply);
    }

    fn fallocate(&self, caller: &Caller, at: Span, length: u64, how: Allocate, reply: Reply<()>) {
        reply.answer(self.core.allocate(caller, at, length, how));
    }

    fn copy_file_range(&self, caller: &Caller, from: Span, to: Span, length: u64, reply: Reply<Written>) {
        if self.beyond.has(from.inode) || self.beyond.has(to.inode) {
            // The kernel reads and writes instead.
            return reply.fail(Error::Unsupported);
        }
        self.core.copy(caller, from, to, length, reply);
    }

    fn lseek(&self, _: &Caller, inode: Inode, handle: Handle, seek: Seek, reply: Reply<Offset>) {
        if self.beyond.has(inode) {
            return self.beyond.seek(&self.core, handle, seek, reply);
        }
        self.core.seek(handle, seek, reply);
    }

    fn release(&self, inode: Inode, handle: Handle, reply: Reply<()>) {
        if self.beyond.has(inode) {
            self.beyond.release(handle);
        } else {
            self.core.release(handle);
        }
        reply.ok(());
    }

    fn fsync(&self, _: &Caller, inode: Inode, _: Handle, _: bool, reply: Reply<()>) {
        match self.core.file_at(inode) {
            Some(file) => self.core.make_durable(&file, reply),
            None => self.core.syncer.sync(reply),
        }
    }

    fn opendir(&self, caller: &Caller, inode: Inode, reply: Reply<OpenedDirectory>) {
        if !self.beyond.has(inode) {
            permitted!(self.core.may_list(caller, inode), reply);
        }
        // What lies beyond the vault changes without a word.
        let opened = match self.beyond.has(inode) {
            true => OpenedDirectory { handle: Handles::DIRECTORY, cache: false },
            false => self.core.handles.open_directory(inode),
        };
        reply.ok(opened);
    }

    fn readdir(&self, _: &Caller, inode: Inode, _: Handle, cookie: u64, reply: DirectoryReply) {
        if self.beyond.has(inode) {
            return self.beyond.list(&self.core, inode, cookie, reply);
        }
        self.core.list(inode, cookie, reply);
    }

    fn readdirplus(&self, caller: &Caller, inode: Inode, _: Handle, cookie: u64, reply: DirectoryPlusReply) {
        if self.beyond.has(inode) {
            return self.beyond.list_plus(&self.core, inode, cookie, reply);
        }
        self.core.list_plus(caller, inode, cookie, reply);
    }

    fn releasedir(&self, inode: Inode, handle: Handle, reply: Reply<()>) {
        self.core.handles.close_directory(inode, handle);
        reply.ok(());
    }

    fn fsyncdir(&self, _: &Caller, _: Inode, _: Handle, _: bool, reply: Reply<()>) {
        self.core.syncer.sync(reply);
    }

    fn statfs(&self, _: &Caller, _: Inode, reply: Reply<Statistics>) {
        reply.answer(self.statistics());
    }

    fn setxattr(
        &self,
        caller: &Caller,
        inode: Inode,
        name: &OsStr,
        value: &[u8],
        how: SetXattr,
        reply: Reply<()>,
    ) {
        if self.beyond.has(inode) {
            return reply.fail(Error::ReadOnly);
        }
        permitted!(self.core.may_use_attribute(caller, inode, name, true), reply);
        self.core.set_xattr(inode, name, value, how, reply);
    }

    fn getxattr(&self, caller: &Caller, inode: Inode, name: &OsStr, reply: Reply<Xattr>) {
        if self.beyond.has(inode) {
            return self.beyond.xattr(&self.core, inode, name, reply);
        }
        permitted!(self.core.may_use_attribute(caller, inode, name, false), reply);
        reply.answer(self.core.xattr(inode, name).map_err(posix));
    }

    fn listxattr(&self, _: &Caller, inode: Inode, reply: Reply<Xattr>) {
        if self.beyond.has(inode) {
            return self.beyond.xattrs(&self.core, inode, reply);
        }
        reply.answer(self.core.xattrs(inode).map_err(posix));
    }

    fn removexattr(&self, caller: &Caller, inode: Inode, name: &OsStr, reply: Reply<()>) {
        if self.beyond.has(inode) {
            return reply.fail(Error::ReadOnly);
        }
        permitted!(self.core.may_use_attribute(caller, inode, name, true), reply);
        self.core.remove_xattr(inode, name, reply);
    }
}

impl MountedVault {
    fn statistics(&self) -> Result<Statistics, Error> {
        const BLOCK: u32 = 4096;
        let space =
            self.core.vault.store().space().map_err(|error| posix(crate::vault::VaultError::from(error)))?;
        let blocks = |bytes: u64| bytes / u64::from(BLOCK);
        let files = self.core.vault.head().count;
        Ok(Statistics {
            block_size: BLOCK,
            blocks: blocks(space.total),
            blocks_free: blocks(space.free),
            blocks_available: blocks(space.free),
            files: files.saturating_add(blocks(space.free)),
            files_free: blocks(space.free),
            name_length: MAX_NAME as u32,
        })
    }
}
