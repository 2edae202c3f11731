//! Renaming, with what becomes of the numbers and the open files of both names.

use std::ffi::OsStr;
use std::sync::Arc;

use bosr_mount::{Caller, Error, Inode, Rename, Reply};

use super::core::Core;
use super::errors::posix;
use super::facts::{Facts, shown, subject_of};
use super::file::File;
use super::inodes::Subject;
use super::names::name_of;
use crate::vault::{Name, NodeId, VaultError};
use crate::vault::{Renamed, Replace};

/// The two names of a rename, and what they led to when it began.
struct Both {
    from: (NodeId, Name),
    to: (NodeId, Name),
    source: Subject,
    target: Option<Subject>,
    process: u32,
    replace: Replace,
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
        let source = self.file_by(&both.source);
        // Of one file by two names nothing is lost, and it cannot be held and folded at once.
        let target = both.target.filter(|target| *target != both.source);
        let target = target.and_then(|target| self.file_by(&target));
        let act = move |core: &Core, target: Option<&File>| {
            // A file's earlier writes come before its new name, also after a crash.
            if let Some(source) = &source {
                source.fold(core)?;
            }
            core.carry_out_rename(&both, target)?;
            let now = core.now();
            core.times.named(&both.from.0, now);
            core.times.named(&both.to.0, now);
            Ok(())
        };
        self.losing(target, reply, act);
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

    fn carry_out_rename(&self, both: &Both, target: Option<&File>) -> Result<(), VaultError> {
        let replaces = both.replace == Replace::Allowed && both.target != Some(both.source);
        let loses = if replaces { self.loses_last_name(&both.to.0, &both.to.1)? } else { None };
        let last = self.last_facts(both.target.filter(|_| replaces), loses)?;
        let drops = match (loses, target) {
            (Some(_), Some(target)) => target.state().runs(),
            _ => Vec::new(),
        };
        let before = both.target.map(|target| self.vault.read(|tree| shown(self, tree, target)));
        let read = both.target.and_then(|target| self.readers.read(both.process, &target.node()));
        let renamed = self.edit(&drops, |tree, draw| {
            if replaces {
                self.still_loses(tree, &both.to.0, &both.to.1, loses)?;
            }
            let (from, to) = ((&both.from.0, &both.from.1), (&both.to.0, &both.to.1));
            tree.rename(from, to, both.replace, read.as_deref(), draw)
        })?;
        if let (Renamed::Saved { target, .. }, Some(Ok(before))) = (&renamed, before) {
            let now = self.vault.read(|tree| tree.base(target))?;
            self.readers.replaced(target, &before.stamps, &now);
        }
        self.after_rename(both, renamed, last)
    }

    /// Lets the numbers follow: as POSIX has it, whatever the nodes did.
    fn after_rename(&self, both: &Both, renamed: Renamed, lost: Option<Facts>) -> Result<(), VaultError> {
        let now = self.now();
        match renamed {
            Renamed::Nothing | Renamed::Exchanged => {}
            Renamed::Moved { node, .. } => {
                if let Some(target) = both.target {
                    self.lost_name(target, lost, now);
                }
                if both.source != Subject::Node(node) {
                    self.now_stands_for(both.source, node)?;
                }
            }
            Renamed::Saved { target, .. } => {
                self.lost_name(Subject::Node(target), lost, now);
                self.now_stands_for(both.source, target)?;
            }
        }
        self.times.changed(&both.source.node(), now);
        Ok(())
    }

    /// The number of `subject` goes on as that of `node`, with what has it open.
    fn now_stands_for(&self, subject: Subject, node: NodeId) -> Result<(), VaultError> {
        let to = Subject::Node(node);
        let (facts, content) = self
            .vault
            .read(|tree| Ok::<_, VaultError>((Facts::of(self, tree, to)?, shown(self, tree, to))))?;
        let mut inodes = self.inodes.lock();
        let Some(inode) = inodes.number(&subject) else { return Ok(()) };
        inodes.rebind(inode, to, facts.shows);
        let file = inodes.find(inode).and_then(|known| known.file.cloned());
        if let (Some(file), Ok(content)) = (file, content) {
            file.state().rebind(node, content);
        }
        Ok(())
    }
}
