//! The bytes of files: opening, reading, writing, making durable, letting go.

use std::sync::Arc;

use bosr_mount::{
    Allocate, Caller, Data, Error, Handle, Inode, Offset, OpenFlags, Opened, Range, Reply, Seek, Span, Write,
    Written,
};

use super::core::Core;
use super::errors::{Failure, posix};
use super::facts::{incarnation, shown};
use super::file::File;
use super::handles::OpenFile;
use super::inodes::Subject;
use super::layers::ReadPlan;
use crate::vault::contents::{Content, MAX_LEN, Stored};
use crate::vault::{Data as NodeData, Shown, Stamp, Tree, Vault, VaultError};

/// Bytes of a read that takes no longer than waking a thread for it and being woken by it.
const SHORT: u32 = 64 << 10;

/// Answers a read with what lies `below`, under what was written since.
fn answer_read(reply: Reply<Data>, vault: &Vault, plan: ReadPlan, below: Result<Vec<u8>, VaultError>) {
    let fetch = |stored: &Stored| Ok::<_, VaultError>(vault.contents().stored(stored)?);
    reply.answer(below.and_then(|below| plan.finish(below, fetch)).map(Data).map_err(posix));
}

impl Core {
    /// Opens a number.
    pub(super) fn open(
        self: &Arc<Self>,
        caller: Caller,
        inode: Inode,
        flags: OpenFlags,
        reply: Reply<Opened>,
    ) {
        self.carry_out(Vec::new(), reply, move |core| core.open_number(&caller, inode, flags));
    }

    /// Opens a number, cutting it to nothing if `flags` say so.
    pub(super) fn open_number(
        &self,
        caller: &Caller,
        inode: Inode,
        flags: OpenFlags,
    ) -> Result<Opened, Failure> {
        let file = self.file(inode)?;
        let writes = flags.access.writes() || flags.truncate;
        {
            let mut state = file.state();
            if writes && state.read_only {
                drop(state);
                self.let_go(&file, false);
                return Err(Error::NotPermitted.into());
            }
            state.writers += u32::from(writes);
            if state.orphan.is_none() {
                // (What took the name of an orphan was made here, and replaces what it was.)
                self.readers.opened(caller.pid, state.node, &state.shown.stamps);
            }
        }
        let handle = self.handles.open(OpenFile { file: Arc::clone(&file), writes });
        if flags.truncate && file.state().size() > 0 {
            let cut = file.resize(self, 0).map_err(Failure::from);
            let clear = || if flags.clear_set_id { self.clear_set_id(inode) } else { Ok(()) };
            if let Err(failure) = cut.and_then(|()| clear()) {
                let _ = self.handles.close(handle);
                self.let_go(&file, writes);
                return Err(failure);
            }
        }
        // The pages the kernel has of this number are right: other bytes have another number.
        Ok(Opened { handle, keep_cache: true, direct: flags.direct })
    }

    /// The open file of a number, made if there is none, with one handle more ([`let_go`](Self::let_go)).
    pub(super) fn file(&self, inode: Inode) -> Result<Arc<File>, Failure> {
        self.vault.read(|tree| self.file_in(tree, inode))
    }

    /// As long as the tree is looked at nothing that was written becomes a version, and no number is given to another
    /// file: what is opened here is what the number stands for.
    fn file_in(&self, tree: &Tree, inode: Inode) -> Result<Arc<File>, Failure> {
        let (subject, shows, orphan) = {
            let mut inodes = self.inodes.lock();
            let known = inodes.find(inode).ok_or(Error::Stale)?;
            let (subject, shows, orphan) = (known.subject, known.shows, known.orphan.cloned());
            if let Some(file) = known.file.cloned() {
                return Ok(inodes.open(inode, |_| file).ok_or(Error::Stale)?);
            }
            (subject, shows, orphan)
        };
        let content = match &orphan {
            Some(orphan) => orphan.content().ok_or(Error::Stale)?,
            None => self.content_of(tree, inode, subject, shows)?,
        };
        let read_only = matches!(subject, Subject::Tombstone(..));
        let open = |node| {
            let file = File::new(inode, node, content, read_only);
            if let Some(orphan) = orphan {
                file.state().become_orphan(orphan.attr);
            }
            file
        };
        let file = self.inodes.lock().open(inode, open);
        Ok(file.ok_or(Error::Stale)?)
    }

    /// What a number shows that nobody has open.
    fn content_of(
        &self,
        tree: &Tree,
        inode: Inode,
        subject: Subject,
        shows: Option<Stamp>,
    ) -> Result<Shown, Failure> {
        let content = shown(self, tree, subject)?;
        if incarnation(&content) == shows {
            return Ok(content);
        }
        // A peer's content came in between. Not remembered: the kernel looks the name up again.
        Ok(self.recent.find(inode, shows).and_then(|then| then.content()).ok_or(Error::Stale)?)
    }

    /// The file of a handle, which must be one that writes if `to_write`.
    pub(super) fn handled(&self, handle: Handle, to_write: bool) -> Result<Arc<File>, Error> {
        let open = self.handles.find(handle).ok_or(Error::BadHandle)?;
        if to_write && !open.writes { Err(Error::BadHandle) } else { Ok(open.file) }
    }

    /// Reads. What is in memory is answered at once, and what is short where nobody else waits; the rest by reading
    /// threads.
    pub(super) fn read_bytes(self: &Arc<Self>, handle: Handle, range: Range, mut reply: Reply<Data>) {
        let file = match self.handled(handle, false) {
            Ok(file) => file,
            Err(error) => return reply.fail(error),
        };
        let plan = file.state().plan(range.offset, u64::from(range.length));
        let under = plan.under.clone().unwrap_or_default();
        let vault = Arc::clone(&self.vault);
        if plan.is_in_memory() && matches!(under, Content::Empty | Content::Inline(_) | Content::Hole { .. })
        {
            let below = vault.read_content(&under, plan.range.start, plan.length());
            return answer_read(reply, &vault, plan, below);
        }
        // Not parked yet: a read is answered soon, or waits for a peer and is parked there.
        let read = move || {
            let (offset, length) = (plan.range.start, plan.length());
            match vault.read_content(&under, offset, length) {
                Err(VaultError::Missing(_)) => {
                    reply.park();
                    let own = Arc::clone(&vault);
                    let done =
                        move |below: Result<Vec<u8>, VaultError>| answer_read(reply, &own, plan, below);
                    vault.read_content_later(under, offset, length, Box::new(done));
                }
                below => answer_read(reply, &vault, plan, below),
            }
        };
        if range.alone && range.length <= SHORT { read() } else { self.reading.run(read) }
    }

    /// Writes.
    pub(super) fn write_bytes(
        self: &Arc<Self>,
        inode: Inode,
        handle: Handle,
        write: Write<'_>,
        reply: Reply<Written>,
    ) {
        let file = match self.handled(handle, true) {
            Ok(file) => file,
            Err(error) => return reply.fail(error),
        };
        let offset = if write.append { None } else { Some(write.offset) };
        if let Err(error) = file.write(self, offset, write.data) {
            return reply.fail(error);
        }
        if write.clear_set_id
            && let Err(failure) = self.clear_set_id(inode)
        {
            return reply.fail(posix(failure));
        }
        self.written(&file, u32::try_from(write.data.len()).unwrap_or(u32::MAX), reply);
    }

    /// Reserves, frees or zeroes a stretch.
    pub(super) fn allocate(
        self: &Arc<Self>,
        caller: &Caller,
        at: Span,
        length: u64,
        how: Allocate,
    ) -> Result<(), Error> {
        let file = self.handled(at.handle, true)?;
        let end = at.offset.checked_add(length).filter(|end| *end <= MAX_LEN).ok_or(Error::TooLarge)?;
        let (clears, grows) = match how {
            Allocate::Punch => (true, false),
            Allocate::Zero { keep_size } => (true, !keep_size),
            Allocate::Reserve { keep_size } => (false, !keep_size),
        };
        if clears {
            file.punch(self, at.offset, length)?;
        }
        if grows && end > file.state().size() {
            file.resize(self, end)?;
        }
        if !caller.keeps_set_id() {
            self.clear_set_id(at.inode).map_err(posix)?;
        }
        Ok(())
    }

    /// Finds data or a hole.
    pub(super) fn seek(self: &Arc<Self>, handle: Handle, seek: Seek, reply: Reply<Offset>) {
        let file = match self.handled(handle, false) {
            Ok(file) => file,
            Err(error) => return reply.fail(error),
        };
        self.carry_out(Vec::new(), reply, move |core| {
            let content = file.content(core)?;
            let contents = core.vault.contents();
            let found = match seek {
                Seek::Data(from) => contents.seek_data(&content, from)?,
                Seek::Hole(from) => contents.seek_hole(&content, from)?,
            };
            Ok(found.map(Offset).ok_or(Error::PastEnd)?)
        });
    }

    /// The last user of a handle is gone.
    pub(super) fn release(self: &Arc<Self>, handle: Handle) {
        let Some(open) = self.handles.close(handle) else { return };
        if self.let_go(&open.file, open.writes) {
            self.fold_soon(&open.file);
        }
    }

    /// Takes a handle off a file's counts. Whether the file is now to be folded.
    pub(super) fn let_go(&self, file: &File, writes: bool) -> bool {
        let fold = {
            let mut state = file.state();
            state.handles = state.handles.saturating_sub(1);
            state.writers = state.writers.saturating_sub(u32::from(writes));
            state.writers == 0 && state.is_dirty() && state.orphan.is_none()
        };
        if !fold {
            self.close_if_unused(file);
        }
        fold
    }

    /// The target of a symbolic link.
    pub(super) fn target(&self, inode: Inode) -> Result<Data, Error> {
        let subject = self.inodes.lock().find(inode).ok_or(Error::Stale)?.subject;
        let node = self.vault.read(|tree| tree.node(&subject.node())).map_err(posix)?.ok_or(Error::Stale)?;
        let data = match subject {
            Subject::Tombstone(_, stamp) => node.data.at(&stamp),
            Subject::Node(_) => crate::vault::view::claims::own_version(&node)
                .map(|(_, data)| data)
                .or_else(|| node.data.winner().map(|(_, data)| data)),
        };
        match data {
            Some(NodeData::Target(target)) => Ok(Data(target.clone())),
            _ => Err(Error::Invalid),
        }
    }
}
