//! Changing attributes: mode, owner, times, size, extended attributes.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;

use bosr_mount::{
    Entry, Error, FileKind, Inode, Permissions, Reply, SetAttributes, SetTime, SetXattr, Xattr,
};

use super::core::{Core, FEW_BYTES, NAME_ROOM};
use super::errors::Failure;
use super::facts::{Facts, nanos};
use super::inodes::Subject;
use super::virtual_attributes::OWN;
use crate::ambient::WallNanos;
use crate::vault::Attr;
use crate::vault::AttrPatch;

impl Core {
    /// Changes attributes, all or none.
    pub(super) fn set_attributes(
        self: &Arc<Self>,
        inode: Inode,
        changes: SetAttributes,
        reply: Reply<Entry>,
    ) {
        // What was written before comes first, unless the change is part of the writing.
        let settles = changes.permissions.is_some() || changes.uid.is_some() || changes.gid.is_some();
        let files = self.file_at(inode).filter(|_| settles).into_iter().collect();
        self.carry_out(files, reply, move |core| {
            let facts = core.facts_again(inode)?;
            if matches!(facts.subject, Subject::Tombstone(..)) {
                return Err(Error::NotPermitted.into());
            }
            if let Some(size) = changes.size {
                core.set_size(inode, size)?;
            }
            let patch = core.patch(&facts, &changes);
            if patch != AttrPatch::default() {
                core.set_patch(inode, &patch)?;
            }
            if let Some(permissions) = changes.permissions {
                core.permissions_changed(&facts, permissions);
            }
            let node = facts.subject.node();
            core.times.changed(&node, core.now());
            if let Some(time) = changes.accessed {
                core.times.accessed(&node, core.moment(time));
            }
            if changes.modified.is_some() {
                core.times.modified(&node);
            }
            Ok(core.entry(inode)?)
        });
    }

    fn facts_again(&self, inode: Inode) -> Result<Facts, Failure> {
        Ok(self.facts(inode)?)
    }

    fn moment(&self, time: SetTime) -> WallNanos {
        match time {
            SetTime::Now => self.now(),
            SetTime::At(time) => nanos(time),
        }
    }

    fn patch(&self, facts: &Facts, changes: &SetAttributes) -> AttrPatch {
        let mut permissions = changes.permissions;
        if changes.clear_set_id && facts.kind() != FileKind::Directory {
            let now = permissions.unwrap_or(Permissions::from_mode(facts.attr.mode));
            permissions = Some(now.without_set_id());
        }
        AttrPatch {
            mode: permissions.map(|permissions| u32::from(permissions.bits())),
            uid: changes.uid,
            gid: changes.gid,
            mtime: changes.modified.map(|time| self.moment(time)),
            xattrs: BTreeMap::new(),
        }
    }

    /// Changes attributes of a node, or of what is left of it.
    fn set_patch(&self, inode: Inode, patch: &AttrPatch) -> Result<(), Failure> {
        let (node, file, orphan) = {
            let inodes = self.inodes.lock();
            let known = inodes.find(inode).ok_or(Error::Stale)?;
            (known.subject.node(), known.file.cloned(), known.orphan.is_some())
        };
        let mut patch = patch.clone();
        if let Some(file) = &file {
            let mut state = file.state();
            if let Some(attr) = &mut state.orphan {
                patch.apply(attr);
                return Ok(());
            }
            // The time of what is being written goes with the writing.
            if let Some(mtime) = patch.mtime
                && state.set_modified(self, mtime)
            {
                patch.mtime = None;
            }
        }
        if let Some(orphan) = self.inodes.lock().orphaned(inode).filter(|_| orphan) {
            patch.apply(&mut orphan.attr);
            return Ok(());
        }
        if patch == AttrPatch::default() {
            return Ok(());
        }
        Ok(self.edit(|tree, draw| tree.set_attr(&node, &patch, draw))?)
    }

    fn set_size(&self, inode: Inode, size: u64) -> Result<(), Failure> {
        let file = self.file(inode)?;
        let resized = if file.state().size() == size { Ok(()) } else { file.resize(self, size) };
        // If nobody else has it open for writing, only the next commit will come to fold it.
        let quick = self.let_go(&file, false) && file.settles_quickly(FEW_BYTES);
        let folded = if quick { file.fold(self, self.vault.contents()) } else { Ok(()) };
        self.close_if_unused(&file);
        resized.map_err(Failure::from).and(folded.map_err(Failure::from))
    }

    /// Someone without privilege wrote to a file: its set-id bits go, if it has any.
    pub(super) fn clear_set_id(&self, inode: Inode) -> Result<(), Failure> {
        let facts = self.facts_again(inode)?;
        let before = Permissions::from_mode(facts.attr.mode);
        let after = before.without_set_id();
        if before == after {
            return Ok(());
        }
        let patch = AttrPatch { mode: Some(u32::from(after.bits())), ..AttrPatch::default() };
        self.set_patch(inode, &patch)
    }

    /// Sets an extended attribute.
    pub(super) fn set_xattr(
        self: &Arc<Self>,
        inode: Inode,
        name: &OsStr,
        value: &[u8],
        how: SetXattr,
        reply: Reply<()>,
    ) {
        let (name, value) = (name.as_bytes().to_vec(), value.to_vec());
        if let Err(error) = storable(&name) {
            return reply.fail(error);
        }
        self.carry_out(self.file_at(inode).into_iter().collect(), reply, move |core| {
            let exists = core.attr(inode)?.xattrs.contains_key(&name);
            match how {
                SetXattr::Create if exists => return Err(Error::Exists.into()),
                SetXattr::Replace if !exists => return Err(Error::NoAttribute.into()),
                _ => {}
            }
            core.patch_xattr(inode, &name, Some(value.clone()))
        });
    }

    /// Removes an extended attribute.
    pub(super) fn remove_xattr(self: &Arc<Self>, inode: Inode, name: &OsStr, reply: Reply<()>) {
        let name = name.as_bytes().to_vec();
        if let Err(error) = storable(&name) {
            return reply.fail(error);
        }
        self.carry_out(self.file_at(inode).into_iter().collect(), reply, move |core| {
            if !core.attr(inode)?.xattrs.contains_key(&name) {
                return Err(Error::NoAttribute.into());
            }
            core.patch_xattr(inode, &name, None)
        });
    }

    fn patch_xattr(&self, inode: Inode, name: &[u8], value: Option<Vec<u8>>) -> Result<(), Failure> {
        let subject = self.facts_again(inode)?.subject;
        if matches!(subject, Subject::Tombstone(..)) {
            return Err(Error::NotPermitted.into());
        }
        if let Some(value) = &value {
            self.admit(NAME_ROOM + value.len() as u64)?;
        }
        let xattrs = BTreeMap::from([(name.to_vec(), value)]);
        self.set_patch(inode, &AttrPatch { xattrs, ..AttrPatch::default() })?;
        self.times.changed(&subject.node(), self.now());
        Ok(())
    }

    /// The value of an extended attribute.
    pub(super) fn xattr(&self, inode: Inode, name: &OsStr) -> Result<Xattr, Failure> {
        if name.as_bytes().starts_with(OWN) {
            let subject = self.inodes.lock().find(inode).ok_or(Error::Stale)?.subject;
            let value = self.virtual_attribute(subject, name.as_bytes())?;
            return Ok(value.map(Xattr).ok_or(Error::NoAttribute)?);
        }
        let attr = self.attr(inode)?;
        Ok(attr.xattrs.get(name.as_bytes()).cloned().map(Xattr).ok_or(Error::NoAttribute)?)
    }

    /// The names of all extended attributes.
    pub(super) fn xattrs(&self, inode: Inode) -> Result<Xattr, Failure> {
        let mut names = Vec::new();
        for name in self.attr(inode)?.xattrs.keys() {
            names.extend_from_slice(name);
            names.push(0);
        }
        let subject = self.inodes.lock().find(inode).ok_or(Error::Stale)?.subject;
        for name in self.virtual_names(subject)? {
            names.extend_from_slice(name);
            names.push(0);
        }
        Ok(Xattr(names))
    }

    /// The attributes behind a number.
    fn attr(&self, inode: Inode) -> Result<Attr, Failure> {
        let (subject, file, orphan) = {
            let inodes = self.inodes.lock();
            let known = inodes.find(inode).ok_or(Error::Stale)?;
            (known.subject, known.file.cloned(), known.orphan.map(|facts| facts.attr.clone()))
        };
        if let Some(orphaned) = file.and_then(|file| file.state().orphan.clone()).or(orphan) {
            return Ok(orphaned);
        }
        Ok(self.vault.read(|tree| tree.attr(&subject.node()))?)
    }
}

/// Whether an extended attribute of this name can be stored. Access control lists are not: the kernel would
/// not obey them.
fn storable(name: &[u8]) -> Result<(), Error> {
    if name.starts_with(OWN) {
        return Err(Error::NotPermitted);
    }
    let known = [&b"user."[..], b"trusted.", b"security."];
    if known.iter().any(|space| name.starts_with(space)) { Ok(()) } else { Err(Error::Unsupported) }
}
