//! Who may do what, where the kernel does not check it: in mounts that one user alone can use.
//!
//! Before the kernel makes, renames or removes a name it checks the directory, for which it needs its attributes; and
//! it forgets them with each such change. So every file made costs a request more, a third of all. In a mount
//! for one user no other user is to be kept out, and what is left of the check is done here, with the operation.
//!
//! What no request is made for is not checked: names that the kernel knows below a directory that may not be passed
//! through any more. So where a directory is closed, the kernel is told to forget the names in it.

use std::ffi::OsStr;

use bosr_mount::{Caller, Error, FileKind, Handle, Inode, OpenFlags, Permissions, SetAttributes, Wanted};

use super::core::Core;
use super::errors::posix;
use super::facts::{Facts, subject_of};
use super::names::name_of;

/// Who checks permissions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Checks {
    /// The kernel, before it asks.
    Kernel,
    /// The filesystem, for the one user who can use the mount.
    Here {
        /// The groups of that user.
        groups: Vec<u32>,
    },
}

const READ: Wanted = Wanted { read: true, write: false, execute: false };
const WRITE: Wanted = Wanted { read: false, write: true, execute: false };
const PASS: Wanted = Wanted { read: false, write: false, execute: true };
const CHANGE: Wanted = Wanted { read: false, write: true, execute: true };

impl Core {
    /// Whether there is anything to check for this caller. Root is stopped by nothing here but what it may execute.
    fn checks(&self, caller: &Caller) -> bool {
        caller.uid != 0 && self.checks != Checks::Kernel
    }

    /// Fails unless names in a directory may be looked up.
    pub(super) fn may_look_up(&self, caller: &Caller, dir: Inode) -> Result<(), Error> {
        self.may(caller, dir, PASS)
    }

    /// Fails unless a directory may be listed.
    pub(super) fn may_list(&self, caller: &Caller, dir: Inode) -> Result<(), Error> {
        self.may(caller, dir, READ)
    }

    /// Fails unless names may be made in a directory, and removed.
    pub(super) fn may_change(&self, caller: &Caller, dir: Inode) -> Result<(), Error> {
        self.may(caller, dir, CHANGE)
    }

    /// Fails unless a name may become another. A directory that gets another parent is changed itself.
    pub(super) fn may_rename(
        &self,
        caller: &Caller,
        from: (Inode, &OsStr),
        to: (Inode, &OsStr),
        exchanges: bool,
    ) -> Result<(), Error> {
        if !self.checks(caller) {
            return Ok(());
        }
        self.may_change(caller, from.0)?;
        if to.0 == from.0 {
            return Ok(());
        }
        self.may_change(caller, to.0)?;
        self.may_move(caller, from)?;
        if exchanges { self.may_move(caller, to) } else { Ok(()) }
    }

    fn may_move(&self, caller: &Caller, (dir, name): (Inode, &OsStr)) -> Result<(), Error> {
        let (dir, name) = (self.directory(dir)?, name_of(name)?);
        let found = self.vault.read(|tree| tree.scene().lookup(&dir, &name)).map_err(posix)?;
        let subject = found.as_ref().map(subject_of);
        let moved = subject.and_then(|subject| self.inodes.lock().number(&subject));
        match moved.map(|moved| Ok((moved, self.facts(moved)?.kind()))).transpose()? {
            Some((moved, FileKind::Directory)) => self.may(caller, moved, WRITE),
            _ => Ok(()),
        }
    }

    /// Fails unless a file may be opened so.
    pub(super) fn may_open(&self, caller: &Caller, inode: Inode, flags: OpenFlags) -> Result<(), Error> {
        let wanted = Wanted {
            read: flags.access.reads() && !flags.execute,
            write: flags.access.writes() || flags.truncate,
            execute: flags.execute,
        };
        self.may(caller, inode, wanted)
    }

    /// Fails unless attributes may be changed so: owners are the only users, so what is left is whom a file may be
    /// given to, and cutting a file that was not opened to be written.
    pub(super) fn may_set(
        &self,
        caller: &Caller,
        inode: Inode,
        handle: Option<Handle>,
        changes: &SetAttributes,
    ) -> Result<(), Error> {
        let Checks::Here { groups } = &self.checks else { return Ok(()) };
        if caller.uid == 0 {
            return Ok(());
        }
        let own = |gid| gid == caller.gid || groups.contains(&gid);
        if changes.uid.is_some_and(|uid| uid != caller.uid) || changes.gid.is_some_and(|gid| !own(gid)) {
            return Err(Error::NotPermitted);
        }
        let written = || handle.is_some_and(|handle| self.handled(handle, true).is_ok());
        if changes.size.is_some() && !written() { self.may(caller, inode, WRITE) } else { Ok(()) }
    }

    /// Fails unless an extended attribute may be read, or (`to_write`) set. The kernel knows who may see the others.
    pub(super) fn may_use_attribute(
        &self,
        caller: &Caller,
        inode: Inode,
        name: &OsStr,
        to_write: bool,
    ) -> Result<(), Error> {
        if !name.as_encoded_bytes().starts_with(b"user.") {
            return Ok(());
        }
        self.may(caller, inode, if to_write { WRITE } else { READ })
    }

    /// Fails unless the caller may do what access(2) asks about.
    pub(super) fn may_access(&self, caller: &Caller, inode: Inode, wanted: Wanted) -> Result<(), Error> {
        if self.checks == Checks::Kernel {
            return Err(Error::NotImplemented);
        }
        if caller.uid == 0 && !wanted.execute { Ok(()) } else { self.allows(caller, inode, wanted) }
    }

    fn may(&self, caller: &Caller, inode: Inode, wanted: Wanted) -> Result<(), Error> {
        if self.checks(caller) { self.allows(caller, inode, wanted) } else { Ok(()) }
    }

    fn allows(&self, caller: &Caller, inode: Inode, wanted: Wanted) -> Result<(), Error> {
        let attributes = self.entry(inode)?.attributes;
        let bits = attributes.permissions.bits();
        let allowed = if caller.uid == 0 {
            !wanted.execute || attributes.kind != FileKind::File || bits & 0o111 != 0
        } else if attributes.kind == FileKind::Symlink {
            true
        } else {
            let class = match (attributes.uid == caller.uid, attributes.gid == caller.gid) {
                (true, _) => 6,
                (false, true) => 3,
                (false, false) => 0,
            };
            wanted.digit() & !(bits >> class) == 0
        };
        if allowed { Ok(()) } else { Err(Error::AccessDenied) }
    }

    /// The permissions of something changed. Where a directory is closed to someone, the kernel is to forget the names
    /// in it: after the answer, as it cannot before.
    pub(super) fn permissions_changed(&self, facts: &Facts, after: Permissions) {
        let closes = facts.attr.mode & 0o111 & !u32::from(after.bits()) != 0;
        if self.checks != Checks::Kernel && closes && facts.kind() == FileKind::Directory {
            self.invalidations.closed(facts.subject.node());
        }
    }
}
