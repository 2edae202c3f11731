//! Listing the directories of `.bosr/`.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;

use bosr_mount::{DirectoryPlusReply, DirectoryReply, Error, FileKind, Inode};

use super::super::core::Core;
use super::super::errors::posix;
use super::super::facts::subject_of;
use super::super::inodes::Subject;
use super::places::Place;
use super::{Beyond, answers, snapshots};
use crate::vault::view::FIRST_COOKIE;
use crate::vault::{CommitId, NodeId};

/// The directory of the past trees.
pub(super) const SNAPSHOTS: &str = "snapshots";

/// Entries of a past directory that are read at a time.
const BATCH: usize = 256;

/// An entry of a listing.
struct Line {
    name: Vec<u8>,
    cookie: u64,
    kind: FileKind,
    place: Place,
}

impl Beyond {
    /// Lists names.
    pub(in crate::fs) fn list(
        self: &Arc<Self>,
        core: &Arc<Core>,
        inode: Inode,
        cookie: u64,
        mut reply: DirectoryReply,
    ) {
        reply.park();
        let (beyond, core) = (Arc::clone(self), Arc::clone(core));
        self.workers.run(move || {
            let listed = beyond.lines(&core, inode, cookie, |line| {
                let number = beyond.places.lock().peek(&line.place);
                Ok(reply.add(OsStr::from_bytes(&line.name), line.cookie, number, line.kind))
            });
            match listed {
                Ok(()) => reply.done(),
                Err(error) => reply.fail(error),
            }
        });
    }

    /// Lists names, and looks each up.
    pub(in crate::fs) fn list_plus(
        self: &Arc<Self>,
        core: &Arc<Core>,
        inode: Inode,
        cookie: u64,
        mut reply: DirectoryPlusReply,
    ) {
        reply.park();
        let (beyond, core) = (Arc::clone(self), Arc::clone(core));
        self.workers.run(move || {
            let listed = beyond.lines(&core, inode, cookie, |line| {
                let name = OsStr::from_bytes(&line.name);
                if matches!(line.name.as_slice(), b"." | b"..") {
                    let own = beyond.entry(&core, inode, &line.place)?;
                    return Ok(reply.add(name, line.cookie, &own));
                }
                let entry = beyond.look_up(&core, line.place.clone())?;
                let fits = reply.add(name, line.cookie, &entry);
                if !fits {
                    beyond.forget(entry.attributes.inode, 1);
                }
                Ok(fits)
            });
            match listed {
                Ok(()) => reply.done(),
                Err(error) => reply.fail(error),
            }
        });
    }

    /// Hands out the lines after `cookie` until told to stop.
    fn lines(
        &self,
        core: &Core,
        inode: Inode,
        cookie: u64,
        mut add: impl FnMut(&Line) -> Result<bool, Error>,
    ) -> Result<(), Error> {
        let own = self.place(inode)?;
        for (index, name) in [(1, "."), (2, "..")] {
            let kind = FileKind::Directory;
            let line = Line { name: name.into(), cookie: index, kind, place: own.clone() };
            if cookie < index && !add(&line)? {
                return Ok(());
            }
        }
        let mut cookie = cookie.max(2);
        loop {
            let lines = self.batch(core, &own, cookie)?;
            let Some(last) = lines.last() else { return Ok(()) };
            cookie = last.cookie;
            for line in &lines {
                if !add(line)? {
                    return Ok(());
                }
            }
        }
    }

    fn batch(&self, core: &Core, place: &Place, cookie: u64) -> Result<Vec<Line>, Error> {
        match place {
            Place::Top => Ok(self.top().into_iter().filter(|line| line.cookie > cookie).collect()),
            Place::Snapshots => {
                let all = snapshots::listed(&core.vault).map_err(posix)?;
                let lines = all.iter().map(|snapshot| Line {
                    name: snapshot.name().into_bytes(),
                    // The second is where a listing goes on: right also when others came in between.
                    cookie: snapshot.second.unsigned_abs() + 3,
                    kind: FileKind::Directory,
                    place: Place::Past(snapshot.commit, Subject::Node(NodeId::ROOT)),
                });
                Ok(lines.filter(|line| line.cookie > cookie).collect())
            }
            Place::Past(commit, Subject::Node(dir)) => past_lines(core, commit, dir, cookie),
            Place::Past(_, Subject::Tombstone(..)) | Place::Made(_) => Err(Error::NotADirectory),
        }
    }

    fn top(&self) -> Vec<Line> {
        let snapshots = (SNAPSHOTS.to_owned(), FileKind::Directory, Place::Snapshots);
        let files = self.files.read();
        let files = files.keys().map(|name| (name.clone(), FileKind::File, Place::Made(name.clone())));
        let all = std::iter::once(snapshots).chain(files);
        let line = |(cookie, (name, kind, place)): (u64, (String, _, _))| Line {
            name: name.into_bytes(),
            cookie,
            kind,
            place,
        };
        (3..).zip(all).map(line).collect()
    }
}

fn past_lines(core: &Core, commit: &CommitId, dir: &NodeId, cookie: u64) -> Result<Vec<Line>, Error> {
    let past = core.vault.past(commit).map_err(posix)?;
    let cookie = if cookie < FIRST_COOKIE { 0 } else { cookie };
    let listed = past.scene().list(dir, cookie, BATCH).map_err(posix)?;
    let line = |entry: crate::vault::Listed| {
        let subject = subject_of(&entry.entry);
        let kind = answers::past_facts(&past, subject).map_err(posix)?.kind();
        let name = entry.name.as_bytes().to_vec();
        Ok(Line { name, cookie: entry.cookie, kind, place: Place::Past(*commit, subject) })
    };
    listed.into_iter().map(line).collect()
}
