//! Names: looking up, making, linking, removing.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;

use bosr_mount::{
    Caller, Created, Entry, Error, FileKind, Found, Inode, NewNode as NewSpecial, OpenFlags, Permissions,
    Reply,
};

use super::core::{Core, FEW_BYTES, LIFETIME, NAME_ROOM, Ownership};
use super::errors::{Failure, posix};
use super::facts::{Facts, subject_of};
use super::file::File;
use super::inodes::Subject;
use crate::ambient::WallNanos;
use crate::vault::NewNode;
use crate::vault::contents::Content;
use crate::vault::{self, Attr, Data, Name, NameError, NodeId, VaultError};

/// A name as the kernel gives it.
pub(super) fn name_of(name: &OsStr) -> Result<Name, Error> {
    Name::new(name.as_bytes()).map_err(|error| match error {
        NameError::TooLong => Error::NameTooLong,
        NameError::Malformed => Error::Invalid,
    })
}

impl Core {
    /// What a name leads to.
    pub(super) fn lookup(&self, parent: Inode, name: &OsStr) -> Result<Found, Error> {
        let (dir, name) = (self.directory(parent)?, name_of(name)?);
        let found = self.entry_at(&dir, &name).map_err(posix)?;
        Ok(found.map_or(Found::Nothing(LIFETIME), Found::Entry))
    }

    /// The entry of a name, looked up.
    fn entry_at(&self, dir: &NodeId, name: &Name) -> Result<Option<Entry>, VaultError> {
        self.vault.read(|tree| Ok(self.facts_at(tree, dir, name)?.map(|facts| facts.look_up(self, tree))))
    }

    /// The entry of a node, looked up.
    fn entry_of_node(&self, node: NodeId) -> Result<Entry, VaultError> {
        self.vault.read(|tree| Ok(Facts::of(self, tree, Subject::Node(node))?.look_up(self, tree)))
    }

    /// What there is to say of a name.
    fn facts_at(&self, tree: &vault::Tree, dir: &NodeId, name: &Name) -> Result<Option<Facts>, VaultError> {
        match tree.scene().lookup(dir, name)? {
            Some(entry) => Facts::of(self, tree, subject_of(&entry)).map(Some),
            None => Ok(None),
        }
    }

    /// The entry of a number as it is now.
    pub(super) fn entry(&self, inode: Inode) -> Result<Entry, Error> {
        self.vault.read(|tree| Ok(self.facts_in(tree, inode)?.entry(self, inode)))
    }

    /// What there is to say of a number.
    pub(super) fn facts(&self, inode: Inode) -> Result<Facts, Error> {
        self.vault.read(|tree| self.facts_in(tree, inode))
    }

    fn facts_in(&self, tree: &vault::Tree, inode: Inode) -> Result<Facts, Error> {
        let (subject, shows, open, orphan) = {
            let inodes = self.inodes.lock();
            let known = inodes.find(inode).ok_or(Error::Stale)?;
            (known.subject, known.shows, known.file.is_some(), known.orphan.cloned())
        };
        if let Some(orphan) = orphan {
            return Ok(orphan);
        }
        let now = Facts::of(self, tree, subject).map_err(|error| match error {
            VaultError::NotFound => Error::Stale,
            other => posix(other),
        })?;
        if now.shows == shows || open {
            return Ok(now);
        }
        // A peer's content came in between: the number still stands for the one before.
        match self.recent.find(inode, shows) {
            Some(then) => Ok(then.with_attr_of(&now)),
            None => Ok(now),
        }
    }

    /// Makes something in a directory.
    pub(super) fn make(
        self: &Arc<Self>,
        caller: Caller,
        (parent, name): (Inode, &OsStr),
        permissions: Permissions,
        data: Option<Data>,
        reply: Reply<Found>,
    ) {
        let (dir, name) = match self.directory(parent).and_then(|dir| Ok((dir, name_of(name)?))) {
            Ok(place) => place,
            Err(error) => return reply.fail(error),
        };
        self.carry_out(Vec::new(), reply, move |core| {
            let node = core.make_node(&caller, &dir, &name, permissions, data.clone())?;
            core.times.named(&dir, core.now());
            Ok(Found::Entry(core.entry_of_node(node)?))
        });
    }

    fn make_node(
        &self,
        caller: &Caller,
        dir: &NodeId,
        name: &Name,
        permissions: Permissions,
        data: Option<Data>,
    ) -> Result<NodeId, VaultError> {
        self.admit(NAME_ROOM)?;
        let attr = self.new_attr(caller, dir, permissions, data.is_none())?;
        let new = NewNode { attr, data };
        self.edit(|tree, draw| tree.create(dir, name, new, draw))
    }

    /// Attributes of something new: a directory with the set-group-id bit gives its group, and to
    /// directories the bit too.
    fn new_attr(
        &self,
        caller: &Caller,
        dir: &NodeId,
        permissions: Permissions,
        is_directory: bool,
    ) -> Result<Attr, VaultError> {
        let parent = self.vault.read(|tree| tree.attr(dir))?;
        let inherits = Permissions::from_mode(parent.mode).sets_group_id();
        let mut mode = u32::from(permissions.bits());
        if inherits && is_directory {
            mode |= 0o2000;
        }
        let (uid, gid) = match self.ownership {
            Ownership::Keep => (caller.uid, if inherits { parent.gid } else { caller.gid }),
            Ownership::Mounter { uid, gid } => (uid, gid),
        };
        let now = self.now();
        Ok(Attr { mode, uid, gid, mtime: now, birth: now, xattrs: Default::default() })
    }

    /// Makes a file and opens it, or opens what is there.
    pub(super) fn create_and_open(
        self: &Arc<Self>,
        caller: Caller,
        (parent, name): (Inode, &OsStr),
        permissions: Permissions,
        flags: OpenFlags,
        reply: Reply<Created>,
    ) {
        let (dir, name) = match self.directory(parent).and_then(|dir| Ok((dir, name_of(name)?))) {
            Ok(place) => place,
            Err(error) => return reply.fail(error),
        };
        self.carry_out(Vec::new(), reply, move |core| {
            let empty = Some(Data::Content(Content::Empty));
            let entry = match core.make_node(&caller, &dir, &name, permissions, empty) {
                Err(VaultError::Exists) if !flags.exclusive => {
                    core.entry_at(&dir, &name)?.ok_or(VaultError::NotFound)?
                }
                made => {
                    core.times.named(&dir, core.now());
                    core.entry_of_node(made?)?
                }
            };
            let opened = core.open_number(&caller, entry.attributes.inode, flags)?;
            Ok(Created { entry: core.entry_of(entry.attributes.inode, entry), opened })
        });
    }

    /// The entry of a number as it is now, or as it was.
    pub(super) fn entry_of(&self, inode: Inode, before: Entry) -> Entry {
        self.entry(inode).unwrap_or(before)
    }

    /// Makes a pipe, socket, device or file without opening it.
    pub(super) fn make_special(
        self: &Arc<Self>,
        caller: Caller,
        place: (Inode, &OsStr),
        new: NewSpecial,
        reply: Reply<Found>,
    ) {
        let data = match new.kind {
            FileKind::File => Data::Content(Content::Empty),
            FileKind::Fifo => Data::Pipe,
            FileKind::Socket => Data::Socket,
            FileKind::CharacterDevice => Data::Device { block: false, rdev: u64::from(new.device) },
            FileKind::BlockDevice => Data::Device { block: true, rdev: u64::from(new.device) },
            FileKind::Directory | FileKind::Symlink => return reply.fail(Error::Invalid),
        };
        self.make(caller, place, new.permissions, Some(data), reply);
    }

    /// Gives a file one more name.
    pub(super) fn add_name(
        self: &Arc<Self>,
        inode: Inode,
        (parent, name): (Inode, &OsStr),
        reply: Reply<Found>,
    ) {
        let place = self.directory(parent).and_then(|dir| Ok((dir, name_of(name)?)));
        let subject = self.inodes.lock().find(inode).map(|known| (known.subject, known.orphan.is_some()));
        let (dir, name, node) = match (place, subject) {
            (Ok(_), None) => return reply.fail(Error::Stale),
            (Ok(_), Some((_, true))) => return reply.fail(Error::NotFound),
            (Ok(_), Some((Subject::Tombstone(..), _))) => return reply.fail(Error::NotPermitted),
            (Ok((dir, name)), Some((Subject::Node(node), _))) => (dir, name, node),
            (Err(error), _) => return reply.fail(error),
        };
        let files = self.file_at(inode).into_iter().collect();
        self.carry_out(files, reply, move |core| {
            core.admit(NAME_ROOM)?;
            core.edit(|tree, draw| tree.link(&node, &dir, &name, draw))?;
            let now = core.now();
            core.times.changed(&node, now);
            core.times.named(&dir, now);
            Ok(Found::Entry(core.entry_of_node(node)?))
        });
    }

    /// Removes the name of something that is no directory.
    pub(super) fn remove_name(self: &Arc<Self>, parent: Inode, name: &OsStr, reply: Reply<()>) {
        let (dir, name) = match self.directory(parent).and_then(|dir| Ok((dir, name_of(name)?))) {
            Ok(place) => place,
            Err(error) => return reply.fail(error),
        };
        let subject = match self.vault.read(|tree| tree.scene().lookup(&dir, &name)) {
            Ok(entry) => entry.as_ref().map(subject_of),
            Err(error) => return reply.fail(posix(error)),
        };
        self.losing(None, subject, reply, move |core, file| {
            let loses = core.loses_last_name(&dir, &name)?;
            let last = core.last_facts(subject, loses)?;
            let drops = match (loses, file) {
                (Some(_), Some(file)) => file.state().runs(),
                _ => Vec::new(),
            };
            let now = core.now();
            let unlink = |tree: &mut vault::Tree, draw: vault::Draw<'_>| {
                core.still_loses(tree, &dir, &name, loses)?;
                core.still_open(subject, file)?;
                tree.unlink(&dir, &name, draw)
            };
            core.edit_then(&drops, unlink, |_, _| {
                if let Some(subject) = subject {
                    core.lost_name(subject, last, now);
                }
            })?;
            core.times.named(&dir, now);
            Ok(())
        });
    }

    /// Removes an empty directory.
    pub(super) fn remove_directory(self: &Arc<Self>, parent: Inode, name: &OsStr, reply: Reply<()>) {
        let (dir, name) = match self.directory(parent).and_then(|dir| Ok((dir, name_of(name)?))) {
            Ok(place) => place,
            Err(error) => return reply.fail(error),
        };
        self.carry_out(Vec::new(), reply, move |core| {
            let last = core.vault.read(|tree| core.facts_at(tree, &dir, &name))?;
            let now = core.now();
            core.edit_then(
                &[],
                |tree, draw| tree.rmdir(&dir, &name, draw),
                |_, _| {
                    if let Some(last) = last {
                        core.lost_name(last.subject, Some(last), now);
                    }
                },
            )?;
            core.times.named(&dir, now);
            Ok(())
        });
    }

    /// The file of a subject, if it is open or dirty.
    pub(super) fn file_by(&self, subject: &Subject) -> Option<Arc<File>> {
        self.inodes.lock().file_of(subject).cloned()
    }

    /// The file that would lose its last name if this one went.
    pub(super) fn loses_last_name(&self, dir: &NodeId, name: &Name) -> Result<Option<NodeId>, VaultError> {
        self.vault.read(|tree| match tree.scene().lookup(dir, name)? {
            Some(vault::Entry::Node(node)) => Ok((tree.scene().slots(&node)?.len() == 1).then_some(node)),
            _ => Ok(None),
        })
    }

    /// What there is to say of `subject` if it is about to go: with the last name of the node `loses`, or as a
    /// tombstone file.
    pub(super) fn last_facts(
        &self,
        subject: Option<Subject>,
        loses: Option<NodeId>,
    ) -> Result<Option<Facts>, VaultError> {
        match (subject, loses) {
            (Some(subject @ Subject::Tombstone(..)), _) => {
                self.vault.read(|tree| Facts::of(self, tree, subject)).map(Some)
            }
            (_, Some(node)) => self.vault.read(|tree| Facts::of(self, tree, Subject::Node(node))).map(Some),
            (_, None) => Ok(None),
        }
    }

    /// Fails with `Busy`, to be tried again, if a peer's change came between looking and acting.
    pub(super) fn still_loses(
        &self,
        tree: &vault::Tree,
        dir: &NodeId,
        name: &Name,
        expected: Option<NodeId>,
    ) -> Result<(), VaultError> {
        let loses = match tree.scene().lookup(dir, name)? {
            Some(vault::Entry::Node(node)) => (tree.scene().slots(&node)?.len() == 1).then_some(node),
            _ => None,
        };
        if loses == expected { Ok(()) } else { Err(VaultError::Busy) }
    }

    /// A subject lost a name; its last one if `last` says what it was.
    pub(super) fn lost_name(&self, subject: Subject, last: Option<Facts>, now: WallNanos) {
        self.times.changed(&subject.node(), now);
        let Some(inode) = self.inodes.lock().number(&subject) else { return };
        let Some(last) = last else { return };
        let file = self.file_at(inode);
        if let (Some(file), Subject::Node(_)) = (&file, subject) {
            file.state().become_orphan(last.attr.clone());
        }
        self.inodes.lock().orphan(inode, last);
        if let Some(file) = file {
            self.close_if_unused(&file);
        }
    }

    /// Carries out what takes the name of `loser` away, once what was written to `source` is part of it, and with no
    /// worker having the loser's file in hand, if it is open. That it is still that file the operation must see for
    /// itself ([`still_open`](Self::still_open)). No file is held while another is waited for.
    pub(super) fn losing<F>(
        self: &Arc<Self>,
        source: Option<Subject>,
        loser: Option<Subject>,
        mut reply: Reply<()>,
        operation: F,
    ) where
        F: Fn(&Core, Option<&File>) -> Result<(), Failure> + Send + 'static,
    {
        let open = |core: &Core, subject: Option<Subject>| subject.and_then(|subject| core.file_by(&subject));
        let file = open(self, loser);
        if open(self, source).is_none_or(|source| source.settles_quickly(FEW_BYTES)) {
            let settled =
                open(self, source).map_or(Ok(()), |source| source.fold(self, self.vault.contents()));
            let held = file.as_ref().map(|file| file.try_hold());
            if !matches!(held, Some(None)) {
                match settled.map_err(Failure::from).and_then(|()| operation(self, file.as_deref())) {
                    Err(failure) if failure.is_busy() => {}
                    done => return reply.answer(done.map_err(posix)),
                }
            }
        }
        reply.park();
        let core = Arc::clone(self);
        self.workers.run(move || {
            let done = core.until_room(|| {
                open(&core, source).map_or(Ok(()), |source| source.fold(&core, core.vault.contents()))?;
                let file = open(&core, loser);
                let _held = file.as_ref().map(|file| file.hold());
                operation(&core, file.as_deref())
            });
            reply.answer(done.map_err(posix));
        });
    }

    /// Fails with `Busy`, to be tried again, if `file` is not the open file of a subject any more.
    pub(super) fn still_open(&self, subject: Option<Subject>, file: Option<&File>) -> Result<(), VaultError> {
        let open = subject.and_then(|subject| self.file_by(&subject));
        match (open, file) {
            (None, None) => Ok(()),
            (Some(open), Some(file)) if std::ptr::eq(Arc::as_ptr(&open), file) => Ok(()),
            _ => Err(VaultError::Busy),
        }
    }
}
