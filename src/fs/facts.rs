//! What there is to say of an entry of the tree, taken from the vault in one look.

use std::sync::Arc;

use bosr_mount::{Attributes, Entry, FileKind, Inode, Permissions, Timestamp};

use super::core::{Core, LIFETIME, Ownership};
use super::inodes::{Seen, Subject};
use super::times::Moments;
use crate::ambient::WallNanos;
use crate::vault::arrivals::Incarnation;
use crate::vault::contents::Content;
use crate::vault::view::claims::own_version;
use crate::vault::{self, Attr, Data, Kind, Node, NodeId, Place, Shown, Stamp, Tree, VaultError};

/// What a subject is, without what was written to it since.
#[derive(Debug, Clone)]
pub(super) struct Facts {
    /// What it is.
    pub(super) subject: Subject,
    /// The version of its content that it shows; `None` for what has no content.
    pub(super) shows: Option<Stamp>,
    /// Its attributes.
    pub(super) attr: Attr,
    kind: FileKind,
    size: u64,
    /// Bytes of it that are no holes.
    stored: u64,
    links: u32,
    device: u32,
    /// For a file: its node, and what it shows in place of what the node holds.
    holds: Option<(Arc<Node>, Option<Arc<Shown>>)>,
}

/// The subject of an entry of the view.
pub(super) fn subject_of(entry: &vault::Entry) -> Subject {
    match entry {
        vault::Entry::Node(node) => Subject::Node(*node),
        vault::Entry::Tombstone(tombstone) => Subject::Tombstone(tombstone.node, tombstone.stamp),
    }
}

impl Facts {
    /// Of a subject, which need not be in the tree any more as long as its node is there.
    ///
    /// # Errors
    /// `NotFound` if there is no such node, or no such version.
    pub(super) fn of(core: &Core, tree: &Tree, subject: Subject) -> Result<Facts, VaultError> {
        let id = subject.node();
        if id == NodeId::ROOT {
            return Facts::directory(tree, subject);
        }
        let node = tree.node(&id)?.ok_or(VaultError::NotFound)?;
        if node.kind == Kind::Directory {
            return Facts::directory(tree, subject);
        }
        let attr = node.shown_attr();
        match subject {
            Subject::Node(_) => Facts::of_node(core, &node, subject, attr),
            Subject::Tombstone(_, stamp) => {
                let data = node.data.at(&stamp).ok_or(VaultError::NotFound)?;
                let attr = Attr { mode: 0o444, ..attr };
                Ok(Facts { links: 1, ..Facts::of_data(subject, stamp, data, attr, &node) })
            }
        }
    }

    fn of_node(core: &Core, node: &Arc<Node>, subject: Subject, attr: Attr) -> Result<Facts, VaultError> {
        let latest = || node.data.winner();
        let (stamp, data) = own_version(node).or_else(latest).ok_or(VaultError::NotFound)?;
        let facts = Facts::of_data(subject, stamp, data, attr, node);
        Ok(match core.vault.incarnation_shown(&subject.node(), node) {
            Some(Incarnation { stamp: shows, len: size, instead }) => {
                let stored = match data {
                    // Where that cannot be told, as when lists are not here, all of it counts.
                    Data::Content(content @ (Content::List { .. } | Content::Hole { .. }))
                        if shows == Some(stamp) && content.len() == size =>
                    {
                        core.vault.contents().data_bytes(content).unwrap_or(size)
                    }
                    _ => size,
                };
                Facts { size, stored, shows, holds: Some((Arc::clone(node), instead)), ..facts }
            }
            None => facts,
        })
    }

    fn of_data(subject: Subject, stamp: Stamp, data: &Data, attr: Attr, node: &Node) -> Facts {
        let (kind, size, device) = match data {
            Data::Content(content) => (FileKind::File, content.len(), 0),
            Data::Target(target) => (FileKind::Symlink, target.len() as u64, 0),
            Data::Device { block: true, rdev } => (FileKind::BlockDevice, 0, *rdev),
            Data::Device { block: false, rdev } => (FileKind::CharacterDevice, 0, *rdev),
            Data::Pipe => (FileKind::Fifo, 0, 0),
            Data::Socket => (FileKind::Socket, 0, 0),
        };
        let names = node.places.iter().filter(|(_, place)| matches!(place, Place::At { .. })).count();
        let device = u32::try_from(device).unwrap_or_default();
        let links = u32::try_from(names.max(1)).unwrap_or(u32::MAX);
        Facts { subject, shows: Some(stamp), attr, kind, size, stored: size, links, device, holds: None }
    }

    /// Of something in a past tree, which nobody can change. No data: a directory.
    pub(super) fn past(subject: Subject, attr: Attr, data: Option<&Data>, node: Option<&Node>) -> Facts {
        let is_link = matches!(data, Some(Data::Target(_)));
        let attr = Attr { mode: if is_link { attr.mode } else { attr.mode & !0o222 }, ..attr };
        match (data, node) {
            (Some(data), Some(node)) => Facts::of_data(subject, Stamp::default(), data, attr, node),
            _ => Facts { links: 1, ..Facts::of_directory(subject, attr) },
        }
    }

    /// A directory has a link from above, one to itself, and one from each directory in it. (1 says that they are
    /// too many to count.)
    fn directory(tree: &Tree, subject: Subject) -> Result<Facts, VaultError> {
        let id = subject.node();
        let links = tree.scene().subdirectories(&id)?.map_or(1, |count| count + 2);
        Ok(Facts { links, ..Facts::of_directory(subject, tree.attr(&id)?) })
    }

    fn of_directory(subject: Subject, attr: Attr) -> Facts {
        let (kind, size) = (FileKind::Directory, 4096);
        Facts { subject, shows: None, attr, kind, size, stored: size, links: 2, device: 0, holds: None }
    }

    /// Its kind.
    pub(super) fn kind(&self) -> FileKind {
        self.kind
    }

    /// An older content, under the attributes of now: they are the node's, whatever it holds.
    pub(super) fn with_attr_of(self, now: &Facts) -> Facts {
        let attr = Attr { mtime: self.attr.mtime, ..now.attr.clone() };
        Facts { attr, ..self }
    }

    /// What it shows to whoever opens it, if it is a file.
    pub(super) fn content(&self) -> Option<Shown> {
        match self.holds.as_ref()? {
            (_, Some(instead)) => Some(Shown::clone(instead)),
            (node, None) => match own_version(node)?.1 {
                Data::Content(content) => Some(Shown { stamps: node.base(), content: content.clone() }),
                _ => None,
            },
        }
    }

    /// As the kernel is told of it: with what was written since, and under its number.
    pub(super) fn attributes(&self, core: &Core, inode: Inode, known: Option<Seen<'_>>) -> Attributes {
        let (mut attr, mut size, mut stored) = (self.attr.clone(), self.size, self.stored);
        let links = if known.is_some_and(|known| known.orphan.is_some()) { 0 } else { self.links };
        if let Some(file) = known.and_then(|known| known.file) {
            let state = file.state();
            if let Some(orphaned) = &state.orphan {
                attr = orphaned.clone();
            }
            size = state.size();
            stored = match known.is_some_and(|known| known.shows == self.shows) {
                true => state.stored_at_most(stored),
                false => size,
            };
            attr.mtime = state.modified.unwrap_or(attr.mtime);
        }
        let (uid, gid) = match core.ownership {
            Ownership::Keep => (attr.uid, attr.gid),
            Ownership::Mounter { uid, gid } => (uid, gid),
        };
        // Something of a past tree has the times it had.
        let times = known.map_or_else(Moments::default, |_| core.times.of(&self.subject.node()));
        let mtime = times.named.unwrap_or(attr.mtime);
        let modified = timestamp(mtime);
        Attributes {
            inode,
            kind: self.kind,
            permissions: Permissions::from_mode(attr.mode),
            links,
            uid,
            gid,
            device: self.device,
            size,
            blocks: stored.min(size).div_ceil(512),
            accessed: times.accessed.map_or(modified, timestamp),
            modified,
            changed: timestamp(changed(&times, mtime, core.now())),
        }
    }

    /// The answer to a lookup that found it in this tree: counts as one. As long as the tree is looked at nothing
    /// that was written becomes a version: facts from before that would be taken for a peer's content, and the file
    /// would be given a second number.
    pub(super) fn look_up(&self, core: &Core, _: &Tree) -> Entry {
        let mut inodes = core.inodes.lock();
        let inode = inodes.look_up(self.subject, self.shows);
        if self.holds.is_some() {
            core.recent.looked_up(inode, self);
        }
        Entry { attributes: self.attributes(core, inode, inodes.find(inode)), lifetime: LIFETIME }
    }

    /// The answer to a getattr of `inode`, which stands for it.
    pub(super) fn entry(&self, core: &Core, inode: Inode) -> Entry {
        let inodes = core.inodes.lock();
        Entry { attributes: self.attributes(core, inode, inodes.find(inode)), lifetime: LIFETIME }
    }
}

/// When anything of it changed: the bytes, unless their time was set to one that is still to come.
fn changed(times: &Moments, mtime: WallNanos, now: WallNanos) -> WallNanos {
    match times.changed {
        Some(changed) if mtime > now => changed,
        Some(changed) => changed.max(mtime),
        None => mtime,
    }
}

/// What a file shows to whoever opens it now.
///
/// # Errors
/// `NotFound`; `Invalid` for what has no bytes.
pub(super) fn shown(core: &Core, tree: &Tree, subject: Subject) -> Result<Shown, VaultError> {
    let node = tree.node(&subject.node())?.ok_or(VaultError::NotFound)?;
    let bytes = |data: &Data| match data {
        Data::Content(content) => Ok(content.clone()),
        _ => Err(VaultError::Invalid("not a file with bytes")),
    };
    match subject {
        Subject::Tombstone(_, stamp) => {
            let data = node.data.at(&stamp).ok_or(VaultError::NotFound)?;
            Ok(Shown { stamps: vec![stamp], content: bytes(data)? })
        }
        Subject::Node(id) => match core.vault.content_shown(tree, &id)? {
            Some(shown) => Ok(shown),
            None => {
                let (stamp, data) = node.data.winner().ok_or(VaultError::NotFound)?;
                Ok(Shown { stamps: vec![stamp], content: bytes(data)? })
            }
        },
    }
}

/// Which incarnation of a file shows this: the latest of its stamps.
pub(super) fn incarnation(shown: &Shown) -> Option<Stamp> {
    shown.stamps.last().copied()
}

/// Nanoseconds since 1970 as seconds and nanoseconds.
pub(super) fn timestamp(nanos: WallNanos) -> Timestamp {
    const SECOND: i64 = 1_000_000_000;
    Timestamp { seconds: nanos.div_euclid(SECOND), nanoseconds: nanos.rem_euclid(SECOND) as u32 }
}

/// The other way; times beyond what fits (some 292 years around 1970) are cut to it.
pub(super) fn nanos(time: Timestamp) -> WallNanos {
    let whole = i128::from(time.seconds) * 1_000_000_000 + i128::from(time.nanoseconds);
    whole.clamp(i128::from(WallNanos::MIN), i128::from(WallNanos::MAX)) as WallNanos
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_before_1970_are_rounded_down() {
        for nanos_since in [0, 1, -1, 999_999_999, -1_000_000_001, i64::MAX, i64::MIN] {
            assert_eq!(nanos(timestamp(nanos_since)), nanos_since);
        }
        assert_eq!(timestamp(-1), Timestamp { seconds: -1, nanoseconds: 999_999_999 });
    }
}
