//! The filesystem in memory, as the kernel calls it.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use bosr_mount::{
    Caller, Created, Data, DirectoryPlusReply, DirectoryReply, Entry, Error, FileKind, Filesystem, Found,
    Handle, Inode, NewNode, OpenFlags, Opened, OpenedDirectory, Permissions, Range, Rename, Reply,
    SetAttributes, SetTime, SetXattr, Statistics, Write, Written, Xattr,
};

use super::{Content, LIFETIME, Memory, State};

/// Answers with what `work` makes of the state, or drops the reply if the test wants it dropped.
macro_rules! answer {
    ($self:ident, $operation:literal, $reply:ident, |$state:ident| $work:expr) => {{
        if $self.drops($operation) {
            return drop($reply);
        }
        let result = (|$state: &mut State| $work)(&mut $self.state.lock());
        $reply.answer(result);
    }};
}

impl Filesystem for Memory {
    fn lookup(&self, _caller: &Caller, parent: Inode, name: &OsStr, reply: Reply<Found>) {
        answer!(self, "lookup", reply, |state| match state.child(parent, name) {
            Ok(inode) => state.look_up(inode).map(Found::Entry),
            Err(Error::NotFound) => Ok(Found::Nothing(LIFETIME)),
            Err(error) => Err(error),
        });
    }

    fn forget(&self, inode: Inode, lookups: u64) {
        if let Ok(node) = self.state.lock().node(inode) {
            node.lookups -= lookups;
        }
    }

    fn getattr(&self, _caller: &Caller, inode: Inode, _handle: Option<Handle>, reply: Reply<Entry>) {
        answer!(self, "getattr", reply, |state| Ok(state.node(inode)?.entry()));
    }

    fn setattr(
        &self,
        _caller: &Caller,
        inode: Inode,
        _handle: Option<Handle>,
        changes: &SetAttributes,
        reply: Reply<Entry>,
    ) {
        answer!(self, "setattr", reply, |state| {
            let node = state.node(inode)?;
            if let Some(size) = changes.size {
                node.bytes()?.resize(usize::try_from(size).unwrap(), 0);
                node.measure();
            }
            let attributes = &mut node.attributes;
            attributes.permissions = changes.permissions.unwrap_or(attributes.permissions);
            attributes.uid = changes.uid.unwrap_or(attributes.uid);
            attributes.gid = changes.gid.unwrap_or(attributes.gid);
            if let Some(SetTime::At(time)) = changes.modified {
                attributes.modified = time;
            }
            node.clear_set_id(changes.clear_set_id);
            Ok(node.entry())
        });
    }

    fn readlink(&self, _caller: &Caller, inode: Inode, reply: Reply<Data>) {
        answer!(self, "readlink", reply, |state| match &state.node(inode)?.content {
            Content::Link(target) => Ok(Data(target.as_bytes().to_vec())),
            _ => Err(Error::Invalid),
        });
    }

    fn mknod(&self, _caller: &Caller, parent: Inode, name: &OsStr, node: NewNode, reply: Reply<Found>) {
        answer!(self, "mknod", reply, |state| {
            let content = if node.kind == FileKind::File { Content::File(vec![]) } else { Content::Special };
            state.make(parent, name, content, node.permissions).map(Found::Entry)
        });
    }

    fn mkdir(
        &self,
        _caller: &Caller,
        parent: Inode,
        name: &OsStr,
        permissions: Permissions,
        reply: Reply<Found>,
    ) {
        answer!(self, "mkdir", reply, |state| {
            state.make(parent, name, Content::Directory(Default::default()), permissions).map(Found::Entry)
        });
    }

    fn unlink(&self, _caller: &Caller, parent: Inode, name: &OsStr, reply: Reply<()>) {
        answer!(self, "unlink", reply, |state| {
            state.directory(parent)?.remove(name).map(drop).ok_or(Error::NotFound)
        });
    }

    fn rmdir(&self, _caller: &Caller, parent: Inode, name: &OsStr, reply: Reply<()>) {
        answer!(self, "rmdir", reply, |state| {
            let inode = state.child(parent, name)?;
            if !state.directory(inode)?.is_empty() {
                return Err(Error::NotEmpty);
            }
            state.directory(parent)?.remove(name).map(drop).ok_or(Error::NotFound)
        });
    }

    fn symlink(&self, _caller: &Caller, parent: Inode, name: &OsStr, target: &OsStr, reply: Reply<Found>) {
        answer!(self, "symlink", reply, |state| {
            let permissions = Permissions::from_mode(0o777);
            state.make(parent, name, Content::Link(target.to_owned()), permissions).map(Found::Entry)
        });
    }

    fn rename(
        &self,
        _caller: &Caller,
        parent: Inode,
        name: &OsStr,
        new_parent: Inode,
        new_name: &OsStr,
        how: Rename,
        reply: Reply<()>,
    ) {
        answer!(self, "rename", reply, |state| {
            let moved = state.child(parent, name)?;
            let there = state.child(new_parent, new_name);
            match (how, there) {
                (Rename::NoReplace, Ok(_)) => return Err(Error::Exists),
                (Rename::Exchange, Err(error)) => return Err(error),
                (Rename::Exchange, Ok(other)) => {
                    state.directory(parent)?.insert(name.to_owned(), other);
                }
                (Rename::Replace, _) | (Rename::NoReplace, Err(_)) => {
                    state.directory(parent)?.remove(name);
                }
            }
            state.directory(new_parent)?.insert(new_name.to_owned(), moved);
            Ok(())
        });
    }

    fn link(&self, _caller: &Caller, inode: Inode, parent: Inode, name: &OsStr, reply: Reply<Found>) {
        answer!(self, "link", reply, |state| {
            state.directory(parent)?.insert(name.to_owned(), inode);
            state.node(inode)?.attributes.links += 1;
            state.look_up(inode).map(Found::Entry)
        });
    }

    fn open(&self, _caller: &Caller, inode: Inode, flags: OpenFlags, reply: Reply<Opened>) {
        answer!(self, "open", reply, |state| {
            let node = state.node(inode)?;
            if flags.truncate {
                node.fill(&[]);
            }
            node.clear_set_id(flags.clear_set_id);
            Ok(Opened { handle: state.handle(), keep_cache: true, direct: false })
        });
    }

    fn create(
        &self,
        _caller: &Caller,
        parent: Inode,
        name: &OsStr,
        permissions: Permissions,
        _flags: OpenFlags,
        reply: Reply<Created>,
    ) {
        answer!(self, "create", reply, |state| {
            let entry = state.make(parent, name, Content::File(vec![]), permissions)?;
            let opened = Opened { handle: state.handle(), keep_cache: true, direct: false };
            Ok(Created { entry, opened })
        });
    }

    fn read(&self, _caller: &Caller, inode: Inode, _handle: Handle, range: Range, mut reply: Reply<Data>) {
        if self.drops("read") {
            return drop(reply);
        }
        let mut state = self.state.lock();
        let Ok(bytes) = state.node(inode).and_then(|node| node.bytes()) else {
            return reply.fail(Error::Stale);
        };
        let from = bytes.len().min(usize::try_from(range.offset).unwrap());
        let to = bytes.len().min(from + range.length as usize);
        let bytes = bytes[from..to].to_vec();
        if state.parking.contains(&inode) {
            reply.park();
            state.parked.push((reply, bytes));
            self.parked.notify_all();
        } else {
            drop(state);
            reply.data(&bytes);
        }
    }

    fn write(
        &self,
        _caller: &Caller,
        inode: Inode,
        _handle: Handle,
        write: Write<'_>,
        reply: Reply<Written>,
    ) {
        answer!(self, "write", reply, |state| {
            let node = state.node(inode)?;
            let bytes = node.bytes()?;
            let from = usize::try_from(write.offset).unwrap();
            let to = from + write.data.len();
            bytes.resize(bytes.len().max(to), 0);
            bytes[from..to].copy_from_slice(write.data);
            node.measure();
            node.clear_set_id(write.clear_set_id);
            Ok(Written(write.data.len() as u32))
        });
    }

    fn release(&self, _inode: Inode, _handle: Handle, reply: Reply<()>) {
        answer!(self, "release", reply, |_state| Ok(()));
    }

    /// Answers from another thread.
    fn fsync(&self, _caller: &Caller, _inode: Inode, _handle: Handle, _data_only: bool, reply: Reply<()>) {
        std::thread::spawn(move || reply.ok(()));
    }

    fn opendir(&self, _caller: &Caller, inode: Inode, reply: Reply<OpenedDirectory>) {
        answer!(self, "opendir", reply, |state| {
            let mut listing = vec![(".".into(), inode), ("..".into(), Inode::ROOT)];
            listing.extend(state.directory(inode)?.iter().map(|(name, inode)| (name.clone(), *inode)));
            let handle = state.handle();
            state.listings.insert(handle.0, listing);
            Ok(OpenedDirectory { handle, cache: true })
        });
    }

    fn readdir(
        &self,
        _caller: &Caller,
        _inode: Inode,
        handle: Handle,
        cookie: u64,
        mut reply: DirectoryReply,
    ) {
        if self.drops("readdir") {
            return drop(reply);
        }
        let mut state = self.state.lock();
        let listing = state.listings[&handle.0].clone();
        for (index, (name, inode)) in listing.iter().enumerate().skip(cookie as usize) {
            let kind = state.node(*inode).unwrap().attributes.kind;
            if !reply.add(name, index as u64 + 1, *inode, kind) {
                break;
            }
        }
        reply.done();
    }

    fn readdirplus(
        &self,
        _caller: &Caller,
        _inode: Inode,
        handle: Handle,
        cookie: u64,
        mut reply: DirectoryPlusReply,
    ) {
        if self.drops("readdirplus") {
            return drop(reply);
        }
        let mut state = self.state.lock();
        let listing = state.listings[&handle.0].clone();
        for (index, (name, inode)) in listing.iter().enumerate().skip(cookie as usize) {
            let node = state.node(*inode).unwrap();
            if !reply.add(name, index as u64 + 1, &node.entry()) {
                break;
            }
            if name != "." && name != ".." {
                node.lookups += 1;
            }
        }
        reply.done();
    }

    fn releasedir(&self, _inode: Inode, handle: Handle, reply: Reply<()>) {
        answer!(self, "releasedir", reply, |state| {
            state.listings.remove(&handle.0);
            Ok(())
        });
    }

    fn fsyncdir(&self, _caller: &Caller, _inode: Inode, _handle: Handle, _data_only: bool, reply: Reply<()>) {
        std::thread::spawn(move || reply.ok(()));
    }

    fn statfs(&self, _caller: &Caller, _inode: Inode, reply: Reply<Statistics>) {
        if let Some(invalidator) = self.misused.get() {
            *self.misuse.lock() = Some(invalidator.attributes(Inode::ROOT));
        }
        answer!(self, "statfs", reply, |_state| Ok(Statistics {
            block_size: 4096,
            blocks: 1000,
            blocks_free: 500,
            blocks_available: 400,
            files: 100,
            files_free: 50,
            name_length: 255,
        }));
    }

    fn setxattr(
        &self,
        _caller: &Caller,
        inode: Inode,
        name: &OsStr,
        value: &[u8],
        how: SetXattr,
        reply: Reply<()>,
    ) {
        answer!(self, "setxattr", reply, |state| {
            let xattrs = &mut state.node(inode)?.xattrs;
            match (how, xattrs.contains_key(name)) {
                (SetXattr::Create, true) => return Err(Error::Exists),
                (SetXattr::Replace, false) => return Err(Error::NoAttribute),
                _ => xattrs.insert(name.to_owned(), value.to_vec()),
            };
            Ok(())
        });
    }

    fn getxattr(&self, _caller: &Caller, inode: Inode, name: &OsStr, reply: Reply<Xattr>) {
        answer!(self, "getxattr", reply, |state| {
            state.node(inode)?.xattrs.get(name).cloned().map(Xattr).ok_or(Error::NoAttribute)
        });
    }

    fn listxattr(&self, _caller: &Caller, inode: Inode, reply: Reply<Xattr>) {
        answer!(self, "listxattr", reply, |state| {
            let names = state.node(inode)?.xattrs.keys();
            Ok(Xattr(names.flat_map(|name| [name.as_bytes(), b"\0"].concat()).collect()))
        });
    }

    fn removexattr(&self, _caller: &Caller, inode: Inode, name: &OsStr, reply: Reply<()>) {
        answer!(self, "removexattr", reply, |state| {
            state.node(inode)?.xattrs.remove(name).map(drop).ok_or(Error::NoAttribute)
        });
    }
}
