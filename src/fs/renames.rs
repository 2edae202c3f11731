//! Renaming, with what becomes of the numbers and the open files of both names.

use std::cell::RefCell;
use std::ffi::OsStr;
use std::sync::Arc;

use bosr_mount::{Caller, Error, Inode, Rename, Reply};
use parking_lot::MutexGuard;

use super::core::Core;
use super::errors::posix;
use super::facts::{Facts, shown, subject_of};
use super::file::{File, FileState};
use super::inodes::Subject;
use super::names::name_of;
use crate::vault::{Draw, Name, NodeId, Renamed, Replace, Tree, VaultError};

/// The two names of a rename, and what they led to when it began.
struct Both {
    from: (NodeId, Name),
    to: (NodeId, Name),
    source: Subject,
    target: Option<Subject>,
    process: u32,
    replace: Replace,
}

impl Both {
    /// What loses its name to another. Of one file by two names nothing is lost.
    fn loser(&self) -> Option<Subject> {
        self.target.filter(|target| *target != self.source)
    }
}

impl Core {
    /// Gives what has a name another name.
    pub(super) fn rename_name(
        self: &Arc<Self>,
        caller: &Caller,
        (parent, name): (Inode, &OsStr),
        (new_parent, new_name): (Inode, &OsStr),
        how: Rename,
        reply: Reply<()>,
    ) {
        let both = match self.both((parent, name), (new_parent, new_name), caller.pid, how) {
            Ok(both) => both,
            Err(error) => return reply.fail(error),
        };
        let (source, loser) = (Some(both.source), both.loser());
        // A file's earlier writes come before its new name, also after a crash.
        let act = move |core: &Core, target: Option<&File>| {
            let source = core.file_by(&both.source);
            core.carry_out_rename(&both, source.as_deref(), target)?;
            let now = core.now();
            core.times.named(&both.from.0, now);
            core.times.named(&both.to.0, now);
            Ok(())
        };
        self.losing(source, loser, reply, act);
    }

    fn both(
        &self,
        (parent, name): (Inode, &OsStr),
        (new_parent, new_name): (Inode, &OsStr),
        process: u32,
        how: Rename,
    ) -> Result<Both, Error> {
        let from = (self.directory(parent)?, name_of(name)?);
        let to = (self.directory(new_parent)?, name_of(new_name)?);
        let (source, target) = self
            .vault
            .read(|tree| {
                let scene = tree.scene();
                Ok::<_, VaultError>((scene.lookup(&from.0, &from.1)?, scene.lookup(&to.0, &to.1)?))
            })
            .map_err(posix)?;
        let source = subject_of(&source.ok_or(Error::NotFound)?);
        let target = target.as_ref().map(subject_of);
        let replace = match how {
            Rename::Replace => Replace::Allowed,
            Rename::NoReplace => Replace::Refused,
            Rename::Exchange => Replace::Exchange,
        };
        Ok(Both { from, to, source, target, process, replace })
    }

    fn carry_out_rename(
        &self,
        both: &Both,
        source: Option<&File>,
        target: Option<&File>,
    ) -> Result<(), VaultError> {
        let replaces = both.replace == Replace::Allowed && both.target != Some(both.source);
        // Whatever takes the name from here on is noticed below (`still_loses`).
        let loses = match both.target {
            Some(_) if replaces => self.loses_last_name(&both.to.0, &both.to.1)?,
            _ => None,
        };
        let last = self.last_facts(both.target.filter(|_| replaces), loses)?;
        let drops = match (loses, target) {
            (Some(_), Some(target)) => target.state().runs(),
            _ => Vec::new(),
        };
        let before = both.target.map(|target| self.vault.read(|tree| shown(self, tree, target)));
        let read = both.target.and_then(|target| self.readers.read(both.process, &target.node()));
        // Nobody writes to it from the moment it is known to be clean until it is known as what it became.
        let writing = RefCell::new(None);
        let rename = |tree: &mut Tree, draw: Draw<'_>| {
            if replaces {
                self.still_loses(tree, &both.to.0, &both.to.1, loses)?;
            }
            self.still_open(Some(both.source), source)?;
            self.still_open(both.loser(), target)?;
            if let Some(source) = source {
                let state = source.state();
                if state.is_dirty() {
                    return Err(VaultError::Busy);
                }
                writing.replace(Some(state));
            }
            let (from, to) = ((&both.from.0, &both.from.1), (&both.to.0, &both.to.1));
            tree.rename(from, to, both.replace, read.as_deref(), draw)
        };
        let mut followed = Ok(());
        self.edit_then(&drops, rename, |tree, renamed| {
            if let (Renamed::Saved { target, .. }, Some(Ok(before))) = (renamed, before)
                && let Ok(now) = tree.base(target)
            {
                self.readers.replaced(target, &before.stamps, &now);
                self.readers.opened(both.process, *target, &now);
            }
            followed = self.after_rename(tree, both, renamed, last, writing.take());
        })?;
        followed
    }

    /// Lets the numbers follow: as POSIX has it, whatever the nodes did.
    fn after_rename(
        &self,
        tree: &Tree,
        both: &Both,
        renamed: &Renamed,
        lost: Option<Facts>,
        writing: Option<MutexGuard<'_, FileState>>,
    ) -> Result<(), VaultError> {
        let (loser, became) = match renamed {
            Renamed::Nothing | Renamed::Exchanged => (None, None),
            Renamed::Moved { node, .. } => {
                (both.target, Some(*node).filter(|node| both.source != Subject::Node(*node)))
            }
            Renamed::Saved { target, .. } => (Some(Subject::Node(*target)), Some(*target)),
        };
        let facts = became.map(|node| Facts::of(self, tree, Subject::Node(node))).transpose()?;
        // What has it open goes on with what it became. (The file's lock is let go of before the table's is taken.)
        if let (Some(mut state), Some(node)) = (writing, became) {
            state.rebind(node, shown(self, tree, Subject::Node(node))?);
        }
        let now = self.now();
        if let Some(loser) = loser {
            self.lost_name(loser, lost, now);
        }
        self.times.changed(&both.source.node(), now);
        if let Some(facts) = facts {
            let mut inodes = self.inodes.lock();
            if let Some(inode) = inodes.number(&both.source) {
                inodes.rebind(inode, facts.subject, facts.shows);
            }
        }
        Ok(())
    }
}
