//! Looking up, attributes, opening and reading in `.bosr/`.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;
use std::time::Duration;

use bosr_mount::{
    Attributes, Data, Entry, Error, FileKind, Found, Handle, Inode, Offset, OpenFlags, Opened as Answered,
    Permissions, Range, Reply, Seek, Xattr,
};

use super::super::core::{Core, LIFETIME, Ownership};
use super::super::errors::posix;
use super::super::facts::{Facts, subject_of, timestamp};
use super::super::inodes::Subject;
use super::super::names::name_of;
use super::places::Place;
use super::{Beyond, Opened, snapshots};
use crate::vault::{self, Content, Data as NodeData, Past, Stamp, VaultError};

/// How long the kernel may keep what may be something else at the next look.
const NEVER: Duration = Duration::ZERO;

impl Beyond {
    /// What a name leads to.
    pub(in crate::fs) fn lookup(
        self: &Arc<Self>,
        core: &Arc<Core>,
        parent: Inode,
        name: &OsStr,
        reply: Reply<Found>,
    ) {
        if parent == Inode::ROOT {
            return reply.answer(self.look_up(core, Place::Top).map(Found::Entry));
        }
        let name = name.to_owned();
        self.answer(core, reply, move |beyond, core| {
            match beyond.child(core, &beyond.place(parent)?, &name)? {
                Some(place) => beyond.look_up(core, place).map(Found::Entry),
                None => Ok(Found::Nothing(NEVER)),
            }
        });
    }

    /// The attributes of an inode.
    pub(in crate::fs) fn getattr(self: &Arc<Self>, core: &Arc<Core>, inode: Inode, reply: Reply<Entry>) {
        self.answer(core, reply, move |beyond, core| beyond.entry(core, inode, &beyond.place(inode)?));
    }

    /// The target of a symbolic link of the past.
    pub(in crate::fs) fn readlink(self: &Arc<Self>, core: &Arc<Core>, inode: Inode, reply: Reply<Data>) {
        self.answer(core, reply, move |beyond, core| match beyond.data(core, &beyond.place(inode)?)? {
            Some(NodeData::Target(target)) => Ok(Data(target)),
            _ => Err(Error::Invalid),
        });
    }

    /// Opens a file, for reading only.
    pub(in crate::fs) fn open(
        self: &Arc<Self>,
        core: &Arc<Core>,
        inode: Inode,
        flags: OpenFlags,
        reply: Reply<Answered>,
    ) {
        if flags.access.writes() || flags.truncate {
            return reply.fail(Error::ReadOnly);
        }
        self.answer(core, reply, move |beyond, core| {
            let place = beyond.place(inode)?;
            let (file, made) = match &place {
                Place::Made(name) => {
                    let source = beyond.source(name).ok_or(Error::Stale)?;
                    (Opened::Made(Arc::new(source())), true)
                }
                _ => (Opened::Past(content(beyond.data(core, &place)?)?), false),
            };
            // What was made may have another length than the kernel was told: it goes past the page cache.
            Ok(Answered { handle: beyond.opened(file), keep_cache: !made, direct: made || flags.direct })
        });
    }

    /// Reads.
    pub(in crate::fs) fn read(
        self: &Arc<Self>,
        core: &Arc<Core>,
        handle: Handle,
        range: Range,
        mut reply: Reply<Data>,
    ) {
        let Some(file) = self.open.lock().files.get(&handle.0).cloned() else {
            return reply.fail(Error::BadHandle);
        };
        let length = range.length as usize;
        match file {
            Opened::Made(bytes) => {
                let rest = usize::try_from(range.offset).ok().and_then(|offset| bytes.get(offset..));
                let rest = rest.unwrap_or_default();
                reply.ok(Data(rest.get(..length).unwrap_or(rest).to_vec()));
            }
            Opened::Past(content) => {
                reply.park();
                let vault = Arc::clone(&core.vault);
                let done = move |bytes: Result<Vec<u8>, VaultError>| {
                    reply.answer(bytes.map(Data).map_err(posix));
                };
                self.workers.run(move || {
                    vault.read_content_later(content, range.offset, length, Box::new(done));
                });
            }
        }
    }

    /// Finds data or a hole.
    pub(in crate::fs) fn seek(
        self: &Arc<Self>,
        core: &Arc<Core>,
        handle: Handle,
        seek: Seek,
        reply: Reply<Offset>,
    ) {
        let Some(file) = self.open.lock().files.get(&handle.0).cloned() else {
            return reply.fail(Error::BadHandle);
        };
        self.answer(core, reply, move |_, core| {
            let contents = core.vault.contents();
            let found = match (file, seek) {
                (Opened::Past(content), Seek::Data(from)) => contents.seek_data(&content, from),
                (Opened::Past(content), Seek::Hole(from)) => contents.seek_hole(&content, from),
                (Opened::Made(bytes), Seek::Data(from)) => Ok((from < bytes.len() as u64).then_some(from)),
                (Opened::Made(bytes), Seek::Hole(from)) => {
                    Ok((from < bytes.len() as u64).then_some(bytes.len() as u64))
                }
            };
            found.map_err(posix)?.map(Offset).ok_or(Error::PastEnd)
        });
    }

    /// The value of an extended attribute as it was.
    pub(in crate::fs) fn xattr(
        self: &Arc<Self>,
        core: &Arc<Core>,
        inode: Inode,
        name: &OsStr,
        reply: Reply<Xattr>,
    ) {
        let name = name.as_bytes().to_vec();
        self.answer(core, reply, move |beyond, core| {
            let value = beyond.xattrs_of(core, inode)?.remove(&name);
            value.map(Xattr).ok_or(Error::NoAttribute)
        });
    }

    /// The names of the extended attributes as they were.
    pub(in crate::fs) fn xattrs(self: &Arc<Self>, core: &Arc<Core>, inode: Inode, reply: Reply<Xattr>) {
        self.answer(core, reply, move |beyond, core| {
            let names = beyond.xattrs_of(core, inode)?.into_keys();
            Ok(Xattr(names.flat_map(|name| [&name[..], b"\0"].concat()).collect()))
        });
    }

    fn xattrs_of(
        &self,
        core: &Core,
        inode: Inode,
    ) -> Result<std::collections::BTreeMap<Vec<u8>, Vec<u8>>, Error> {
        match self.place(inode)? {
            Place::Past(commit, subject) => {
                let past = core.vault.past(&commit).map_err(posix)?;
                Ok(past.attr(&subject.node()).map_err(posix)?.xattrs)
            }
            _ => Ok(Default::default()),
        }
    }

    /// The place of a number with one lookup more, as an answer.
    pub(super) fn look_up(&self, core: &Core, place: Place) -> Result<Entry, Error> {
        let inode = self.places.lock().look_up(place.clone());
        self.entry(core, inode, &place).inspect_err(|_| self.forget(inode, 1))
    }

    pub(super) fn entry(&self, core: &Core, inode: Inode, place: &Place) -> Result<Entry, Error> {
        let plain = |kind, mode, size| self.plain_attributes(core, inode, kind, mode, size);
        Ok(match place {
            Place::Top => Entry { attributes: plain(FileKind::Directory, 0o555, 4096), lifetime: LIFETIME },
            Place::Snapshots => {
                Entry { attributes: plain(FileKind::Directory, 0o555, 4096), lifetime: NEVER }
            }
            Place::Made(name) => {
                let size = self.source(name).ok_or(Error::Stale)?().len() as u64;
                Entry { attributes: plain(FileKind::File, 0o444, size), lifetime: NEVER }
            }
            Place::Past(commit, subject) => {
                let past = core.vault.past(commit).map_err(posix)?;
                let facts = past_facts(&past, *subject).map_err(posix)?;
                Entry { attributes: facts.attributes(core, inode, None), lifetime: LIFETIME }
            }
        })
    }

    fn plain_attributes(
        &self,
        core: &Core,
        inode: Inode,
        kind: FileKind,
        mode: u32,
        size: u64,
    ) -> Attributes {
        let (uid, gid) = match core.ownership {
            Ownership::Keep => (0, 0),
            Ownership::Mounter { uid, gid } => (uid, gid),
        };
        let time = timestamp(self.since);
        Attributes {
            inode,
            kind,
            permissions: Permissions::from_mode(mode),
            links: 1,
            uid,
            gid,
            device: 0,
            size,
            blocks: size.div_ceil(512),
            accessed: time,
            modified: time,
            changed: time,
        }
    }

    /// What `name` in `parent` stands for.
    fn child(&self, core: &Core, parent: &Place, name: &OsStr) -> Result<Option<Place>, Error> {
        let text = name.to_str();
        match parent {
            Place::Top if text == Some(super::listing::SNAPSHOTS) => Ok(Some(Place::Snapshots)),
            Place::Top => {
                let known = text.filter(|name| self.files.read().contains_key(*name));
                Ok(known.map(|name| Place::Made(name.to_owned())))
            }
            Place::Snapshots => {
                let Some(text) = text else { return Ok(None) };
                let commit = snapshots::find(&core.vault, text, core.now()).map_err(posix)?;
                let root = Subject::Node(vault::NodeId::ROOT);
                Ok(commit.map(|commit| Place::Past(commit, root)))
            }
            Place::Past(commit, Subject::Node(dir)) => {
                let past = core.vault.past(commit).map_err(posix)?;
                let entry = past.scene().lookup(dir, &name_of(name)?).map_err(posix)?;
                Ok(entry.map(|entry| Place::Past(*commit, subject_of(&entry))))
            }
            Place::Past(_, Subject::Tombstone(..)) | Place::Made(_) => Err(Error::NotADirectory),
        }
    }

    fn data(&self, core: &Core, place: &Place) -> Result<Option<NodeData>, Error> {
        let Place::Past(commit, subject) = place else { return Err(Error::IsADirectory) };
        let past = core.vault.past(commit).map_err(posix)?;
        past.data(&subject.node(), version(subject)).map_err(posix)
    }
}

/// What there is to say of something of the past.
pub(super) fn past_facts(past: &Past, subject: Subject) -> Result<Facts, VaultError> {
    let id = subject.node();
    let (attr, data, node) = (past.attr(&id)?, past.data(&id, version(&subject))?, past.node(&id)?);
    Ok(Facts::past(subject, attr, data.as_ref(), node.as_deref()))
}

/// Which losing version a subject is, if it is one.
fn version(subject: &Subject) -> Option<&Stamp> {
    match subject {
        Subject::Node(_) => None,
        Subject::Tombstone(_, stamp) => Some(stamp),
    }
}

fn content(data: Option<NodeData>) -> Result<Content, Error> {
    match data {
        Some(NodeData::Content(content)) => Ok(content),
        Some(_) => Err(Error::Invalid),
        None => Err(Error::IsADirectory),
    }
}
