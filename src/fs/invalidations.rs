//! Tells the kernel of every change that it did not make itself: those of peers and commands, and what an
//! operation of its own changed besides the names it was about.
//!
//! One thread of its own. It waits until every answer that may carry an older state has been given, then
//! invalidates exactly what changed. Bounded: beyond [`MOST_NAMES`] names, everything the kernel may know is
//! invalidated instead.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::sync::{Arc, Weak};

use bosr_mount::{Inode, InvalidateError, Invalidator};
use parking_lot::{Condvar, Mutex};

use super::core::Core;
use super::inodes::Subject;
use crate::vault::view::Touched;
use crate::vault::{ChangeSet, Changes, Name, NodeId};

/// Names collected before everything is invalidated in their place.
const MOST_NAMES: usize = 100_000;

/// Names of a directory taken from the tree in one look.
const BATCH: usize = 256;

/// Names that an operation of the kernel's own is about: two of a rename, each by its directory and that
/// directory's front.
const OWN_NAMES: usize = 4;

/// What the kernel is to be told, and the thread's bell.
#[derive(Debug, Default)]
pub(super) struct Invalidations {
    pending: Mutex<Pending>,
    woken: Condvar,
}

#[derive(Debug, Default)]
struct Pending {
    what: What,
    closing: bool,
}

/// What changed.
#[derive(Debug, Default)]
pub(super) struct What {
    names: BTreeSet<(NodeId, Name)>,
    nodes: BTreeSet<NodeId>,
    /// Directories whose names the kernel is to ask for again, though none of them changed.
    closed: BTreeSet<NodeId>,
    everything: bool,
}

impl What {
    fn is_empty(&self) -> bool {
        self.names.is_empty() && self.nodes.is_empty() && self.closed.is_empty() && !self.everything
    }

    fn add(&mut self, more: What) {
        self.names.extend(more.names);
        self.nodes.extend(more.nodes);
        self.closed.extend(more.closed);
        self.everything |= more.everything || self.names.len() > MOST_NAMES;
        if self.everything {
            self.names.clear();
            self.nodes.clear();
        }
    }
}

impl Changes for Invalidations {
    fn changed(&self, changes: &ChangeSet) {
        self.push(What {
            names: changes.names.clone(),
            nodes: changes.nodes.clone(),
            everything: changes.everything,
            ..What::default()
        });
    }
}

impl Invalidations {
    /// What an operation of the kernel's own changed that the kernel does not know of.
    pub(super) fn besides(&self, touched: &Touched) -> Option<What> {
        (touched.everything || touched.names.len() > OWN_NAMES).then(|| What {
            names: touched.names.clone(),
            everything: touched.everything,
            ..What::default()
        })
    }

    /// A directory may not be passed through any more by someone.
    pub(super) fn closed(&self, dir: NodeId) {
        self.push(What { closed: BTreeSet::from([dir]), ..What::default() });
    }

    /// Adds to what the kernel is to be told.
    pub(super) fn push(&self, what: What) {
        self.pending.lock().what.add(what);
        self.woken.notify_one();
    }

    /// Ends the thread.
    pub(super) fn close(&self) {
        self.pending.lock().closing = true;
        self.woken.notify_one();
    }

    /// Serves until closed, or until the mount or the filesystem is gone.
    pub(super) fn serve(self: &Arc<Self>, core: &Weak<Core>, kernel: &Invalidator) {
        loop {
            let what = {
                let mut pending = self.pending.lock();
                while pending.what.is_empty() && !pending.closing {
                    self.woken.wait(&mut pending);
                }
                if pending.closing {
                    return;
                }
                std::mem::take(&mut pending.what)
            };
            let Some(core) = core.upgrade() else { return };
            match kernel.wait_for_earlier().and_then(|()| tell(&core, kernel, &what)) {
                Ok(()) => {}
                Err(InvalidateError::Ended) => return,
                Err(error) => tracing::error!(%error, "the kernel could not be told of a change"),
            }
        }
    }
}

fn tell(core: &Core, kernel: &Invalidator, what: &What) -> Result<(), InvalidateError> {
    note_times(core, what);
    if what.everything {
        return tell_all(core, kernel);
    }
    for (dir, name) in &what.names {
        tell_name(core, kernel, dir, name)?;
    }
    let mut dirs: Vec<&NodeId> = what.names.iter().map(|(dir, _)| dir).collect();
    dirs.dedup();
    for dir in dirs {
        tell_listing(core, kernel, dir)?;
    }
    for node in &what.nodes {
        tell_node(core, kernel, node)?;
    }
    what.closed.iter().try_for_each(|dir| tell_names_in(core, kernel, dir))
}

/// Every name in a directory.
fn tell_names_in(core: &Core, kernel: &Invalidator, dir: &NodeId) -> Result<(), InvalidateError> {
    let mut cookie = 0;
    loop {
        let listed = core.vault.read(|tree| tree.scene().list(dir, cookie, BATCH)).unwrap_or_default();
        let Some(last) = listed.last() else { return Ok(()) };
        cookie = last.cookie;
        for line in &listed {
            tell_name(core, kernel, dir, &line.name)?;
        }
    }
}

/// A directory was changed when its names were, unless its time came along.
fn note_times(core: &Core, what: &What) {
    let now = core.now();
    let mut last = None;
    for (dir, _) in &what.names {
        if last.replace(dir) != Some(dir) && !what.nodes.contains(dir) {
            core.times.named(dir, now);
        }
    }
    what.nodes.iter().for_each(|node| core.times.modified(node));
}

fn tell_name(core: &Core, kernel: &Invalidator, dir: &NodeId, name: &Name) -> Result<(), InvalidateError> {
    let parent = core.inodes.lock().number(&Subject::Node(*dir));
    match parent {
        Some(parent) => kernel.entry(parent, OsStr::from_bytes(name)),
        None => Ok(()),
    }
}

/// The kernel's listing of a directory is out of date.
fn tell_listing(core: &Core, kernel: &Invalidator, dir: &NodeId) -> Result<(), InvalidateError> {
    let inode = core.inodes.lock().number(&Subject::Node(*dir));
    inode.map_or(Ok(()), |inode| kernel.listing(inode))
}

/// A node changed: its attributes, and for what has content the names that lead to it: one of them may still lead
/// to the number of the content before, even where another was looked up since.
fn tell_node(core: &Core, kernel: &Invalidator, node: &NodeId) -> Result<(), InvalidateError> {
    let subject = Subject::Node(*node);
    let (inode, has_content) = {
        let inodes = core.inodes.lock();
        let Some(inode) = inodes.number(&subject) else { return Ok(()) };
        (inode, inodes.find(inode).is_some_and(|known| known.shows.is_some()))
    };
    kernel.attributes(inode)?;
    if !has_content {
        return Ok(());
    }
    let slots = core.vault.read(|tree| tree.scene().slots(node));
    for (group, name) in slots.unwrap_or_default() {
        for member in group.members() {
            tell_name(core, kernel, member, &name)?;
            // It shows the number.
            tell_listing(core, kernel, member)?;
        }
    }
    Ok(())
}

/// Every name below every directory the kernel may know, all listings, and all attributes.
fn tell_all(core: &Core, kernel: &Invalidator) -> Result<(), InvalidateError> {
    let known: Vec<(Inode, Subject)> = core.inodes.lock().all();
    for (_, subject) in &known {
        let slots = core.vault.read(|tree| tree.scene().slots(&subject.node()));
        for (group, name) in slots.unwrap_or_default() {
            tell_name(core, kernel, &group.front(), &name)?;
        }
    }
    for (inode, subject) in known {
        let node = core.vault.read(|tree| tree.node(&subject.node()));
        let is_directory = node.is_ok_and(|node| node.is_some_and(|node| node.is_directory()));
        if is_directory { kernel.listing(inode)? } else { kernel.attributes(inode)? }
    }
    Ok(())
}
