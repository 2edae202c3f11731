//! Listing directories.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::time::Duration;

use bosr_mount::{Caller, DirectoryPlusReply, DirectoryReply, Entry, Error, Inode};

use super::core::{Core, LIFETIME};
use super::errors::posix;
use super::facts::Facts;
use super::facts::subject_of;
use crate::vault::{Tree, VaultError};

/// Entries taken from the tree in one look.
const BATCH: usize = 256;

/// Cookies of `.` and `..`; those of entries are larger.
const SELF: u64 = 1;
const PARENT: u64 = 2;

impl Core {
    /// Lists names.
    pub(super) fn list(&self, inode: Inode, cookie: u64, mut reply: DirectoryReply) {
        let listed = self.lines(inode, cookie, |core, name, cookie, line| match line {
            Some((facts, _)) => {
                let number = core.inodes.lock().peek(&facts.subject, facts.shows);
                reply.add(name, cookie, number, facts.kind())
            }
            None => reply.add(name, cookie, inode, bosr_mount::FileKind::Directory),
        });
        match listed {
            Ok(()) => reply.done(),
            Err(error) => reply.fail(error),
        }
    }

    /// Lists names, and looks each up. What the caller could not look up one by one, the kernel may not keep.
    pub(super) fn list_plus(
        &self,
        caller: &Caller,
        inode: Inode,
        cookie: u64,
        mut reply: DirectoryPlusReply,
    ) {
        let lifetime = self.may_look_up(caller, inode).map_or(Duration::ZERO, |()| LIFETIME);
        let listed = self.lines(inode, cookie, |core, name, cookie, line| match line {
            Some((facts, tree)) => {
                let entry = Entry { lifetime, ..facts.look_up(core, tree) };
                let fits = reply.add(name, cookie, &entry);
                if !fits {
                    core.inodes.lock().forget(entry.attributes.inode, 1);
                }
                fits
            }
            None => match core.facts(inode) {
                Ok(own) => {
                    let attributes = own.attributes(core, inode, None);
                    reply.add(name, cookie, &Entry { attributes, lifetime: LIFETIME })
                }
                Err(_) => false,
            },
        });
        match listed {
            Ok(()) => reply.done(),
            Err(error) => reply.fail(error),
        }
    }

    /// Hands out the lines after `cookie` until told to stop, with the tree that they are from. No facts: `.` or
    /// `..`.
    fn lines(
        &self,
        inode: Inode,
        cookie: u64,
        mut add: impl FnMut(&Core, &OsStr, u64, Option<(&Facts, &Tree)>) -> bool,
    ) -> Result<(), Error> {
        let dir = self.directory(inode)?;
        for (own, name) in [(SELF, "."), (PARENT, "..")] {
            if cookie < own && !add(self, OsStr::new(name), own, None) {
                return Ok(());
            }
        }
        let mut cookie = if cookie <= PARENT { 0 } else { cookie };
        let mut batch = |tree: &Tree| {
            let listed = tree.scene().list(&dir, cookie, BATCH)?;
            for line in &listed {
                let facts = Facts::of(self, tree, subject_of(&line.entry))?;
                if !add(self, OsStr::from_bytes(&line.name), line.cookie, Some((&facts, tree))) {
                    return Ok(false);
                }
                cookie = line.cookie;
            }
            Ok::<bool, VaultError>(!listed.is_empty())
        };
        while self.vault.read(&mut batch).map_err(posix)? {}
        Ok(())
    }
}
