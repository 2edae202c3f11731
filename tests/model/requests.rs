//! Steps as requests to the filesystem, as the kernel would make them, without a kernel.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::sync::{Arc, mpsc};

use bosr::fs::MountedVault;
use bosr_mount::{
    Access, Allocate, Answer as Answered, Attributes, Caller, Created, Data, DirectoryPlusReply, Entry,
    Error, FileKind, Filesystem, Found, Handle, Inode, Offset, OpenFlags, Opened, Permissions, Range, Rename,
    Reply, Seek, SetAttributes, SetTime, SetXattr, Span, Timestamp, Write, Written, Xattr,
};
use nix::errno::Errno;

use super::World;
use super::posix::{Answer, Seen, What, nowhere};
use super::replica::Replica;
use super::step::{How, Path, SLOTS, Space, Step, bytes};

const CALLER: Caller = Caller { uid: 0, gid: 0, pid: 1 };

type Result<T> = std::result::Result<T, Errno>;

/// A vault whose filesystem is asked directly.
pub(crate) struct Requests {
    fs: Arc<MountedVault>,
    replica: Replica,
    open: [Option<(Inode, Handle)>; SLOTS],
}

fn ask<T: Answered>(request: impl FnOnce(Reply<T>)) -> Result<T> {
    let (send, receive) = mpsc::channel();
    request(Reply::to(move |answer| drop(send.send(answer))));
    let answer: std::result::Result<T, Error> = receive.recv().unwrap();
    answer.map_err(|error| Errno::from_raw(error.errno()))
}

fn flags(truncate: bool, exclusive: bool) -> OpenFlags {
    OpenFlags {
        access: Access::ReadWrite,
        append: false,
        truncate,
        exclusive,
        direct: false,
        synchronous: false,
        execute: false,
        clear_set_id: false,
    }
}

impl World for Requests {
    fn new() -> Requests {
        let replica = Replica::new();
        Requests { fs: replica.filesystem(), replica, open: Default::default() }
    }

    fn step(&mut self, step: &Step) -> Result<Answer> {
        let done = |result: Result<()>| result.map(|()| Answer::Done);
        match step {
            Step::Create { .. } | Step::Open { .. } | Step::Close { .. } => done(self.opening(step)),
            Step::Read { slot, at, length } => self.read(*slot, *at, *length).map(Answer::Bytes),
            Step::Write { slot, at, length, seed } => {
                done(self.write(*slot, *at, &bytes(*seed, *at, *length)))
            }
            Step::Map { slot, at, length, seed } => {
                let size = self.opened(*slot)?.size;
                let length = (*length).min(size.saturating_sub(*at) as usize);
                done(self.write(*slot, *at, &bytes(*seed, *at, length)))
            }
            Step::Resize { slot, size } => {
                let (inode, handle) = self.slot(*slot)?;
                done(self.set(inode, Some(handle), SetAttributes { size: Some(*size), ..Default::default() }))
            }
            Step::Cut { path, size } => {
                let found = self.find(path)?;
                if found.kind == FileKind::Directory {
                    return Err(Errno::EISDIR);
                }
                done(self.set(found.inode, None, SetAttributes { size: Some(*size), ..Default::default() }))
            }
            Step::Allocate { slot, at, length, space } => done(self.allocate(*slot, *at, *length, *space)),
            Step::Copy { from, to, from_at, to_at, length } => {
                let ((from, source), (to, target)) = (self.slot(*from)?, self.slot(*to)?);
                let from = Span { inode: from, handle: source, offset: *from_at };
                let to = Span { inode: to, handle: target, offset: *to_at };
                let copied: Written =
                    ask(|reply| self.fs.copy_file_range(&CALLER, from, to, *length, reply))?;
                Ok(Answer::Copied(u64::from(copied.0)))
            }
            Step::Seek { slot, at, hole } => {
                let (inode, handle) = self.slot(*slot)?;
                let seek = if *hole { Seek::Hole(*at) } else { Seek::Data(*at) };
                let found: Offset = ask(|reply| self.fs.lseek(&CALLER, inode, handle, seek, reply))?;
                Ok(Answer::Found(found.0))
            }
            Step::Sync { slot } => {
                let (inode, handle) = self.slot(*slot)?;
                done(ask(|reply| self.fs.fsync(&CALLER, inode, handle, false, reply)))
            }
            Step::Commit => {
                self.replica.commit();
                Ok(Answer::Done)
            }
            Step::Remount => {
                self.close_all();
                self.fs.close().unwrap();
                self.fs = self.replica.filesystem();
                Ok(Answer::Done)
            }
            Step::Peer(elsewhere) => {
                self.replica.elsewhere(elsewhere);
                Ok(Answer::Done)
            }
            Step::Mode { .. } | Step::Time { .. } | Step::SetXattr { .. } | Step::RemoveXattr { .. } => {
                done(self.attribute(step))
            }
            _ => done(self.name(step)),
        }
    }

    fn seen(&mut self) -> BTreeMap<String, Seen> {
        let mut seen = BTreeMap::new();
        let mut todo = vec![(Inode::ROOT, String::new())];
        while let Some((dir, above)) = todo.pop() {
            for (name, entry) in self.list(dir) {
                let path = if above.is_empty() { name } else { format!("{above}/{name}") };
                let attributes = entry.attributes;
                seen.insert(path.clone(), self.describe(&attributes));
                if attributes.kind == FileKind::Directory {
                    todo.push((attributes.inode, path));
                }
            }
        }
        seen
    }

    fn content(&mut self, path: &str) -> Vec<u8> {
        let inode = self.walk(&path.split('/').collect::<Vec<_>>()).unwrap().inode;
        let opened: Opened = ask(|reply| self.fs.open(&CALLER, inode, flags(false, false), reply)).unwrap();
        let content = self.read_all(inode, opened.handle);
        let _: () = ask(|reply| self.fs.release(inode, opened.handle, reply)).unwrap();
        content
    }

    fn opened_content(&mut self, slot: usize) -> Vec<u8> {
        let (inode, handle) = self.slot(slot).unwrap();
        self.read_all(inode, handle)
    }
}

impl Requests {
    fn slot(&self, slot: usize) -> Result<(Inode, Handle)> {
        self.open[slot].ok_or(Errno::EBADF)
    }

    fn opened(&self, slot: usize) -> Result<Attributes> {
        let (inode, handle) = self.slot(slot)?;
        let entry: Entry = ask(|reply| self.fs.getattr(&CALLER, inode, Some(handle), reply))?;
        Ok(entry.attributes)
    }

    fn close_all(&mut self) {
        for (inode, handle) in std::mem::take(&mut self.open).into_iter().flatten() {
            let _: () = ask(|reply| self.fs.release(inode, handle, reply)).unwrap();
        }
    }

    /// Looks names up one after another, and lets go of each again at once.
    fn walk(&self, names: &[&str]) -> Result<Attributes> {
        let entry: Entry = ask(|reply| self.fs.getattr(&CALLER, Inode::ROOT, None, reply))?;
        let mut at = entry.attributes;
        for name in names {
            match at.kind {
                FileKind::Directory => {}
                FileKind::Symlink => return Err(Errno::ENOENT),
                _ => return Err(Errno::ENOTDIR),
            }
            let found: Found = ask(|reply| self.fs.lookup(&CALLER, at.inode, OsStr::new(name), reply))?;
            let Found::Entry(entry) = found else { return Err(Errno::ENOENT) };
            at = entry.attributes;
            self.keep(at.inode);
        }
        Ok(at)
    }

    /// The kernel would keep a number it uses; here all are kept until the next remount, as by a large cache.
    fn keep(&self, _: Inode) {}

    fn find(&self, path: &Path) -> Result<Attributes> {
        self.walk(path)
    }

    fn place(&self, path: &Path) -> Result<(Inode, &'static str)> {
        let (name, above) = path.split_last().unwrap();
        let dir = self.walk(above)?;
        match dir.kind {
            FileKind::Directory => Ok((dir.inode, name)),
            FileKind::Symlink => Err(Errno::ENOENT),
            _ => Err(Errno::ENOTDIR),
        }
    }

    fn opening(&mut self, step: &Step) -> Result<()> {
        match step {
            Step::Create { slot, path, exclusive } => {
                let (dir, name) = self.place(path)?;
                match self.find(path) {
                    Ok(_) if *exclusive => return Err(Errno::EEXIST),
                    Ok(found) => return self.open_found(*slot, &found, false),
                    Err(_) => {}
                }
                let (permissions, flags) = (Permissions::from_mode(0o644), flags(false, *exclusive));
                let made: Created = ask(|reply| {
                    self.fs.create(&CALLER, dir, OsStr::new(name), permissions, flags, reply);
                })?;
                self.open[*slot] = Some((made.entry.attributes.inode, made.opened.handle));
                Ok(())
            }
            Step::Open { slot, path, truncate } => {
                let found = self.find(path)?;
                self.open_found(*slot, &found, *truncate)
            }
            Step::Close { slot } => {
                let (inode, handle) = self.open[*slot].take().ok_or(Errno::EBADF)?;
                ask(|reply| self.fs.release(inode, handle, reply))
            }
            _ => Err(Errno::EINVAL),
        }
    }

    fn open_found(&mut self, slot: usize, found: &Attributes, truncate: bool) -> Result<()> {
        match found.kind {
            FileKind::Directory => return Err(Errno::EISDIR),
            FileKind::Symlink => return Err(Errno::ELOOP),
            _ => {}
        }
        let opened: Opened = ask(|reply| self.fs.open(&CALLER, found.inode, flags(truncate, false), reply))?;
        self.open[slot] = Some((found.inode, opened.handle));
        Ok(())
    }

    fn read(&self, slot: usize, at: u64, length: usize) -> Result<Vec<u8>> {
        let (inode, handle) = self.slot(slot)?;
        let range = Range { offset: at, length: length as u32, alone: at.is_multiple_of(2) };
        let data: Data = ask(|reply| self.fs.read(&CALLER, inode, handle, range, reply))?;
        Ok(data.0)
    }

    /// Looks up a path, lets `meanwhile` pass, and opens what was found: its size and its bytes.
    pub(crate) fn look_up_and_open_later(
        &self,
        path: &Path,
        meanwhile: impl FnOnce(&Replica),
    ) -> Result<(u64, Vec<u8>)> {
        let inode = self.walk(path)?.inode;
        meanwhile(&self.replica);
        let entry: Entry = ask(|reply| self.fs.getattr(&CALLER, inode, None, reply))?;
        let opened: Opened = ask(|reply| self.fs.open(&CALLER, inode, flags(false, false), reply))?;
        let content = self.read_all(inode, opened.handle);
        let _: () = ask(|reply| self.fs.release(inode, opened.handle, reply))?;
        Ok((entry.attributes.size, content))
    }

    fn read_all(&self, inode: Inode, handle: Handle) -> Vec<u8> {
        let mut content = Vec::new();
        loop {
            let range = Range { offset: content.len() as u64, length: 1 << 20, alone: false };
            let data: Data = ask(|reply| self.fs.read(&CALLER, inode, handle, range, reply)).unwrap();
            if data.0.is_empty() {
                return content;
            }
            content.extend(data.0);
        }
    }

    fn write(&self, slot: usize, at: u64, data: &[u8]) -> Result<()> {
        let (inode, handle) = self.slot(slot)?;
        let write = Write { offset: at, data, append: false, from_mapping: false, clear_set_id: false };
        let written: Written = ask(|reply| self.fs.write(&CALLER, inode, handle, write, reply))?;
        assert_eq!(written.0 as usize, data.len());
        Ok(())
    }

    fn set(&self, inode: Inode, handle: Option<Handle>, changes: SetAttributes) -> Result<()> {
        let _: Entry = ask(|reply| self.fs.setattr(&CALLER, inode, handle, &changes, reply))?;
        Ok(())
    }

    fn allocate(&self, slot: usize, at: u64, length: u64, space: Space) -> Result<()> {
        let (inode, handle) = self.slot(slot)?;
        let how = match space {
            Space::Reserve => Allocate::Reserve { keep_size: false },
            Space::ReserveWithin => Allocate::Reserve { keep_size: true },
            Space::Punch => Allocate::Punch,
            Space::Zero => Allocate::Zero { keep_size: false },
        };
        ask(|reply| self.fs.fallocate(&CALLER, Span { inode, handle, offset: at }, length, how, reply))
    }

    fn name(&self, step: &Step) -> Result<()> {
        let made = |_: Found| ();
        match step {
            Step::Directory { path } => {
                let (dir, name) = self.place(path)?;
                let permissions = Permissions::from_mode(0o755);
                ask(|reply| self.fs.mkdir(&CALLER, dir, OsStr::new(name), permissions, reply)).map(made)
            }
            Step::Symlink { path, target } => {
                let ((dir, name), target) = (self.place(path)?, nowhere(target));
                let (name, target) = (OsStr::new(name), OsStr::new(&target));
                ask(|reply| self.fs.symlink(&CALLER, dir, name, target, reply)).map(made)
            }
            Step::Remove { path } => {
                let (dir, name) = self.place(path)?;
                if self.find(path)?.kind == FileKind::Directory {
                    return Err(Errno::EISDIR);
                }
                ask(|reply| self.fs.unlink(&CALLER, dir, OsStr::new(name), reply))
            }
            Step::RemoveDirectory { path } => {
                let (dir, name) = self.place(path)?;
                ask(|reply| self.fs.rmdir(&CALLER, dir, OsStr::new(name), reply))
            }
            Step::Rename { from, to, how } => self.rename(from, to, *how),
            Step::Link { from, to } => {
                let source = self.find(from)?;
                let (dir, name) = self.place(to)?;
                // The kernel looks both names up first.
                match (self.find(to), source.kind) {
                    (Ok(_), _) => Err(Errno::EEXIST),
                    (Err(_), FileKind::Directory) => Err(Errno::EPERM),
                    _ => ask(|reply| self.fs.link(&CALLER, source.inode, dir, OsStr::new(name), reply))
                        .map(made),
                }
            }
            _ => Err(Errno::EINVAL),
        }
    }

    fn rename(&self, from: &Path, to: &Path, how: How) -> Result<()> {
        let ((dir, name), (to_dir, to_name)) = (self.place(from)?, self.place(to)?);
        self.find(from)?;
        // What the kernel sees by itself, since the two names lie within each other.
        let target = self.find(to);
        match how {
            How::NoReplace if target.is_ok() => return Err(Errno::EEXIST),
            How::Exchange if target.is_err() => return Err(Errno::ENOENT),
            _ => {}
        }
        let below = |above: &Path, path: &Path| path.len() > above.len() && path.starts_with(above);
        if below(from, to) || how == How::Exchange && below(to, from) {
            return Err(Errno::EINVAL);
        }
        if below(to, from) {
            return Err(Errno::ENOTEMPTY);
        }
        let how = match how {
            How::Replace => Rename::Replace,
            How::NoReplace => Rename::NoReplace,
            How::Exchange => Rename::Exchange,
        };
        let (name, to_name) = (OsStr::new(name), OsStr::new(to_name));
        ask(|reply| self.fs.rename(&CALLER, dir, name, to_dir, to_name, how, reply))
    }

    fn attribute(&self, step: &Step) -> Result<()> {
        match step {
            Step::Mode { path, mode } => {
                let permissions = Some(Permissions::from_mode(*mode));
                self.set(self.find(path)?.inode, None, SetAttributes { permissions, ..Default::default() })
            }
            Step::Time { path, seconds } => {
                let time = SetTime::At(Timestamp { seconds: *seconds, nanoseconds: 0 });
                let changes = SetAttributes { modified: Some(time), ..Default::default() };
                self.set(self.find(path)?.inode, None, changes)
            }
            Step::SetXattr { path, name, length } => {
                let (inode, value) = (self.find(path)?.inode, bytes(*name, 0, *length));
                let name = format!("user.{name}");
                ask(|reply| {
                    self.fs.setxattr(&CALLER, inode, OsStr::new(&name), &value, SetXattr::Any, reply);
                })
            }
            Step::RemoveXattr { path, name } => {
                let (inode, name) = (self.find(path)?.inode, format!("user.{name}"));
                ask(|reply| self.fs.removexattr(&CALLER, inode, OsStr::new(&name), reply))
            }
            _ => Err(Errno::EINVAL),
        }
    }

    fn list(&self, dir: Inode) -> Vec<(String, Entry)> {
        let mut listed: Vec<(String, Entry)> = Vec::new();
        let mut cookie = 0;
        loop {
            let (send, receive) = mpsc::channel();
            // A small room, so that listings go on from cookies.
            let reply = DirectoryPlusReply::to(3, move |answer| drop(send.send(answer)));
            self.fs.readdirplus(&CALLER, dir, Handle(0), cookie, reply);
            let entries = receive.recv().unwrap().unwrap();
            let Some(last) = entries.last() else { return listed };
            cookie = last.cookie;
            let names = entries.into_iter().map(|it| (it.name.to_str().unwrap().to_owned(), it.entry));
            listed.extend(names.filter(|(name, _)| name != "." && name != ".."));
        }
    }

    fn describe(&self, attributes: &Attributes) -> Seen {
        let what = match attributes.kind {
            FileKind::Directory => What::Directory,
            FileKind::Symlink => {
                let target: Data = ask(|reply| self.fs.readlink(&CALLER, attributes.inode, reply)).unwrap();
                What::Symlink(String::from_utf8(target.0).unwrap())
            }
            _ => What::File(attributes.size),
        };
        let names: Xattr = ask(|reply| self.fs.listxattr(&CALLER, attributes.inode, reply)).unwrap();
        let names = names.0.split(|byte| *byte == 0).filter(|name| !name.is_empty());
        let xattrs = names.map(|name| {
            let value: Xattr =
                ask(|reply| self.fs.getxattr(&CALLER, attributes.inode, OsStr::from_bytes(name), reply))
                    .unwrap();
            (String::from_utf8(name.to_vec()).unwrap(), value.0.len())
        });
        Seen {
            what,
            mode: u32::from(attributes.permissions.bits()),
            links: u64::from(attributes.links),
            modified: Some(attributes.modified.seconds),
            xattrs: xattrs.collect(),
        }
    }
}

impl Drop for Requests {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.close_all();
        }
        let _ = self.fs.close();
    }
}
