//! Listing directories.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use bosr_mount::{DirectoryPlusReply, DirectoryReply, Entry, Error, Inode};

use super::core::{Core, LIFETIME};
use super::errors::posix;
use super::facts::Facts;
use super::facts::subject_of;
use super::inodes::Subject;
use crate::vault::{Name, NodeId, VaultError};

/// Entries taken from the tree in one look.
const BATCH: usize = 256;

/// Cookies of `.` and `..`; those of entries are larger.
const SELF: u64 = 1;
const PARENT: u64 = 2;

/// An entry with what there is to say of it.
struct Line {
    name: Name,
    cookie: u64,
    facts: Facts,
}

impl Core {
    /// Lists names.
    pub(super) fn list(&self, inode: Inode, cookie: u64, mut reply: DirectoryReply) {
        let listed = self.lines(inode, cookie, |core, name, cookie, facts| match facts {
            Some(facts) => {
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

    /// Lists names, and looks each up.
    pub(super) fn list_plus(&self, inode: Inode, cookie: u64, mut reply: DirectoryPlusReply) {
        let listed = self.lines(inode, cookie, |core, name, cookie, facts| match facts {
            Some(facts) => {
                let entry = facts.look_up(core);
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

    /// Hands out the lines after `cookie` until told to stop. No facts: `.` or `..`.
    fn lines(
        &self,
        inode: Inode,
        cookie: u64,
        mut add: impl FnMut(&Core, &OsStr, u64, Option<&Facts>) -> bool,
    ) -> Result<(), Error> {
        let dir = self.directory(inode)?;
        for (own, name) in [(SELF, "."), (PARENT, "..")] {
            if cookie < own && !add(self, OsStr::new(name), own, None) {
                return Ok(());
            }
        }
        let mut cookie = if cookie <= PARENT { 0 } else { cookie };
        loop {
            let lines = self.batch(&dir, cookie).map_err(posix)?;
            let Some(last) = lines.last() else { return Ok(()) };
            cookie = last.cookie;
            for line in &lines {
                if !add(self, OsStr::from_bytes(&line.name), line.cookie, Some(&line.facts)) {
                    return Ok(());
                }
            }
        }
    }

    fn batch(&self, dir: &NodeId, cookie: u64) -> Result<Vec<Line>, VaultError> {
        self.vault.read(|tree| {
            let listed = tree.scene().list(dir, cookie, BATCH)?;
            let line = |entry: crate::vault::Listed| {
                let subject: Subject = subject_of(&entry.entry);
                let facts = Facts::of(self, tree, subject)?;
                Ok(Line { name: entry.name, cookie: entry.cookie, facts })
            };
            listed.into_iter().map(line).collect()
        })
    }
}
