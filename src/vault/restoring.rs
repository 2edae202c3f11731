//! Bringing the past back: what stood at a path in a commit is put there again, or elsewhere.
//!
//! Contents are named, not read: restoring costs operations on names. What stands in the way of a restored
//! file is replaced as any write replaces it, so it stays in the history; what was not there in the past
//! stays as it is. The whole of it is tried before anything is changed: what cannot be restored whole (a file
//! where a directory stands now, a content that is not on this device) is refused.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::commit::CommitId;
use super::error::{Result, VaultError};
use super::files::split;
use super::past::Past;
use super::vault::Vault;
use super::view::claims::own_version;
use super::{
    Attr, AttrPatch, Data, Draw, Entry, Kind, Listed, Name, NewNode, NodeId, Outcome, Stamp, Tree, Write,
};

/// Entries of a past directory that are read at a time.
const LIST_STEP: usize = 1024;

/// What was done, in numbers of names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Were not there and are now.
    pub created: u64,
    /// Showed something else, and show what they did.
    pub replaced: u64,
    /// Are as they were already.
    pub unchanged: u64,
    /// Were not there then, or are tombstones now: left alone.
    pub left: u64,
}

/// What a restore came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    /// The state it was taken from.
    pub from: CommitId,
    /// Where it was put, from the root.
    pub to: Vec<Name>,
    /// What it did.
    pub counts: Counts,
}

/// Why something was not restored. Nothing was changed, unless the vault failed.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// A path that is none, or was not there then.
    #[error("it was not there then")]
    NotThen(Vec<u8>, #[source] VaultError),
    /// The place it is to go to cannot take it.
    #[error("it cannot be put there")]
    Place(Vec<Name>, #[source] VaultError),
    /// A directory stands where a file is to go, or the other way round.
    #[error("a directory stands in place of a file, or a file in place of a directory")]
    InTheWay(Vec<Name>),
    /// Its content is not wholly on this device: restored, it could not be read.
    #[error("its content is not on this device")]
    NotHere(Vec<Name>),
    /// The vault failed, perhaps after some of it was done.
    #[error(transparent)]
    Vault(#[from] VaultError),
}

type Restoring<T> = std::result::Result<T, RestoreError>;

impl Vault {
    /// Puts what stood at `path` in `from` back there, or at `to`. Directories above it that are gone come
    /// back too. Not durable until [`Vault::sync`]. For threads that may wait.
    ///
    /// # Errors
    /// See [`RestoreError`].
    pub fn restore(self: &Arc<Self>, from: &CommitId, path: &[u8], to: Option<&[u8]>) -> Restoring<Restored> {
        let not_then = |error| RestoreError::NotThen(path.to_vec(), error);
        let source = split(path).map_err(not_then)?;
        let past = self.past(from)?;
        let entry = past.find(&source).map_err(|error| match error {
            VaultError::NotFound | VaultError::NotDirectory => not_then(error),
            error => RestoreError::Vault(error),
        })?;
        let target = match to {
            None => source.clone(),
            Some(to) => self.target(&past, &entry, &source, to)?,
        };
        let dry = Restorer::new(self, &past, true).run(&entry, &target, to.is_none())?;
        let counts = Restorer::new(self, &past, false).run(&entry, &target, to.is_none())?;
        debug_assert_eq!(dry.created, counts.created);
        Ok(Restored { from: *from, to: target, counts })
    }

    /// Where `to` means: of a file, into a directory that is there.
    fn target(&self, past: &Past, entry: &Entry, source: &[Name], to: &[u8]) -> Restoring<Vec<Name>> {
        let mut target = split(to).map_err(|error| RestoreError::Place(Vec::new(), error))?;
        let is_directory = self.find(to).is_ok_and(|found| found.kind == Kind::Directory);
        let of_directory = match entry {
            Entry::Node(node) => past.kind(node)? == Kind::Directory,
            Entry::Tombstone(_) => false,
        };
        if (is_directory || to.ends_with(b"/")) && !of_directory {
            target.extend(source.last().cloned());
        }
        Ok(target)
    }
}

/// What there is of one name in the past.
struct Then {
    node: NodeId,
    attr: Attr,
    /// `None` of a directory.
    data: Option<Data>,
}

/// One pass over a past tree.
struct Restorer<'a> {
    vault: &'a Arc<Vault>,
    past: &'a Past,
    /// Only looks whether it can be done.
    dry: bool,
    counts: Counts,
    /// Files of several names, by what they were: what they are now.
    linked: HashMap<NodeId, Option<NodeId>>,
}

impl<'a> Restorer<'a> {
    fn new(vault: &'a Arc<Vault>, past: &'a Past, dry: bool) -> Self {
        Restorer { vault, past, dry, counts: Counts::default(), linked: HashMap::new() }
    }

    fn run(mut self, entry: &Entry, target: &[Name], with_parents: bool) -> Restoring<Counts> {
        let Some((name, above)) = target.split_last() else {
            self.directory(&NodeId::ROOT, Some(NodeId::ROOT), &mut Vec::new())?;
            return Ok(self.counts);
        };
        let mut path = Vec::new();
        let mut dir = Some(NodeId::ROOT);
        for parent in above {
            path.push(parent.clone());
            dir = self.parent(dir, parent, &path, with_parents)?;
        }
        path.push(name.clone());
        self.entry(entry, dir, name, &mut path)?;
        Ok(self.counts)
    }

    /// The directory `name` in `dir`, made as it was if it is gone.
    fn parent(
        &mut self,
        dir: Option<NodeId>,
        name: &Name,
        path: &[Name],
        make: bool,
    ) -> Restoring<Option<NodeId>> {
        match self.now(dir, name)? {
            Some(Entry::Node(node)) if self.is_directory(&node)? => Ok(Some(node)),
            Some(_) => Err(RestoreError::Place(path.to_vec(), VaultError::NotDirectory)),
            None if !make => Err(RestoreError::Place(path.to_vec(), VaultError::NotFound)),
            None => {
                let then = self.then(&self.past.find(path)?)?;
                self.counts.created += 1;
                Ok(self.make(dir, name, then.attr, None)?)
            }
        }
    }

    fn then(&self, entry: &Entry) -> Result<Then> {
        let (node, stamp) = match entry {
            Entry::Node(node) => (*node, None),
            Entry::Tombstone(tombstone) => (tombstone.node, Some(tombstone.stamp)),
        };
        Ok(Then { node, attr: self.past.attr(&node)?, data: self.past.data(&node, stamp.as_ref())? })
    }

    /// Restores one name. No `dir`: it is not there yet.
    fn entry(
        &mut self,
        entry: &Entry,
        dir: Option<NodeId>,
        name: &Name,
        path: &mut Vec<Name>,
    ) -> Restoring<()> {
        let then = self.then(entry)?;
        let now = self.now(dir, name)?;
        let Some(data) = then.data else {
            let made = match now {
                None => {
                    self.counts.created += 1;
                    self.make(dir, name, then.attr.clone(), None)?
                }
                Some(Entry::Node(node)) if self.is_directory(&node)? => Some(node),
                Some(_) => return Err(RestoreError::InTheWay(path.clone())),
            };
            self.directory(&then.node, made, path)?;
            return Ok(self.attributes(made, &then.attr)?);
        };
        if !self.is_here(&data)? {
            return Err(RestoreError::NotHere(path.clone()));
        }
        match now {
            None => {
                self.counts.created += 1;
                self.put(dir, name, then.node, then.attr, data)?;
            }
            Some(Entry::Node(node)) if self.is_directory(&node)? => {
                return Err(RestoreError::InTheWay(path.clone()));
            }
            Some(Entry::Node(node)) => self.replace(dir, name, node, Then { data: Some(data), ..then })?,
            // It is kept as it is, and shows what it showed or a later conflict.
            Some(Entry::Tombstone(_)) => self.counts.left += 1,
        }
        Ok(())
    }

    /// Restores what was in a directory into one that is there (or would be).
    fn directory(&mut self, then: &NodeId, now: Option<NodeId>, path: &mut Vec<Name>) -> Restoring<()> {
        let mut names = BTreeSet::new();
        for listed in self.listed(then)? {
            path.push(listed.name.clone());
            self.entry(&listed.entry, now, &listed.name, path)?;
            path.pop();
            names.insert(listed.name);
        }
        if let Some(now) = now {
            let present = self.vault.list(&now)?;
            self.counts.left +=
                present.iter().filter(|(listed, _)| !names.contains(&listed.name)).count() as u64;
        }
        Ok(())
    }

    fn listed(&self, dir: &NodeId) -> Result<Vec<Listed>> {
        let mut all: Vec<Listed> = Vec::new();
        loop {
            let after = all.last().map_or(0, |listed| listed.cookie);
            let step = self.past.scene().list(dir, after, LIST_STEP)?;
            if step.is_empty() {
                return Ok(all);
            }
            all.extend(step);
        }
    }

    fn now(&self, dir: Option<NodeId>, name: &Name) -> Result<Option<Entry>> {
        let Some(dir) = dir else { return Ok(None) };
        self.vault.read(|tree| tree.scene().lookup(&dir, name))
    }

    fn is_directory(&self, node: &NodeId) -> Result<bool> {
        Ok(self.vault.read(|tree| tree.node(node))?.is_none_or(|node| node.is_directory()))
    }

    /// Whether a content is wholly on this device.
    fn is_here(&self, data: &Data) -> Result<bool> {
        let Data::Content(content) = data else { return Ok(true) };
        Ok(self.vault.missing_of(content)?.is_empty())
    }

    /// Makes a file, or gives one that was restored under another name this name too.
    fn put(&mut self, dir: Option<NodeId>, name: &Name, then: NodeId, attr: Attr, data: Data) -> Result<()> {
        let made = match self.linked.get(&then) {
            Some(Some(node)) => {
                let (node, dir) = (*node, dir.unwrap_or(NodeId::ROOT));
                self.edit(|tree, draw| tree.link(&node, &dir, name, draw))?;
                Some(node)
            }
            _ => self.make(dir, name, attr, Some(data))?,
        };
        self.linked.insert(then, made);
        Ok(())
    }

    fn replace(&mut self, dir: Option<NodeId>, name: &Name, node: NodeId, then: Then) -> Result<()> {
        let Some(data) = then.data else { return Ok(()) };
        let dir = dir.unwrap_or(NodeId::ROOT);
        let (state, names, own_attr) = self.vault.read(|tree| {
            Ok::<_, VaultError>((tree.node(&node)?, tree.scene().slots(&node)?.len(), tree.attr(&node)?))
        })?;
        let shown = state.as_deref().and_then(own_version).map(|(_, data)| data.clone());
        if shown.as_ref() == Some(&data) {
            let same = own_attr == then.attr;
            *(if same { &mut self.counts.unchanged } else { &mut self.counts.replaced }) += 1;
            self.linked.insert(then.node, (!self.dry).then_some(node));
            return self.attributes(Some(node), &then.attr);
        }
        self.counts.replaced += 1;
        let is_file =
            shown.is_some_and(|shown| matches!((shown, &data), (Data::Content(_), Data::Content(_))));
        // Through a name that it shares with others a write would change those.
        if is_file && (node == then.node || names == 1) && !self.linked.contains_key(&then.node) {
            self.write(&node, data, &then.attr)?;
            self.linked.insert(then.node, (!self.dry).then_some(node));
            return Ok(());
        }
        self.edit(|tree, draw| tree.unlink(&dir, name, draw))?;
        self.put(Some(dir), name, then.node, then.attr, data)
    }

    fn write(&self, node: &NodeId, data: Data, attr: &Attr) -> Result<()> {
        self.edit(|tree, draw| {
            let shown = self.vault.content_shown(tree, node)?;
            let base: Vec<Stamp> = shown.map(|shown| shown.stamps).unwrap_or_default();
            let attr = patch(&tree.attr(node)?, attr);
            tree.write(node, Write { base, data: data.clone(), attr }, draw)
        })
    }

    /// Gives something that is there the attributes it had.
    fn attributes(&self, node: Option<NodeId>, attr: &Attr) -> Result<()> {
        let Some(node) = node else { return Ok(()) };
        self.edit(|tree, draw| {
            let patch = patch(&tree.attr(&node)?, attr);
            if patch == AttrPatch::default() {
                Ok(tree.unchanged(()))
            } else {
                tree.set_attr(&node, &patch, draw)
            }
        })
    }

    fn make(
        &self,
        dir: Option<NodeId>,
        name: &Name,
        attr: Attr,
        data: Option<Data>,
    ) -> Result<Option<NodeId>> {
        if self.dry {
            return Ok(None);
        }
        let dir = dir.unwrap_or(NodeId::ROOT);
        self.vault
            .patiently(|tree, draw| {
                let new = NewNode { attr: attr.clone(), data: data.clone() };
                tree.create(&dir, name, new, draw)
            })
            .map(Some)
    }

    fn edit<R>(&self, operation: impl Fn(&mut Tree, Draw<'_>) -> Result<Outcome<R>>) -> Result<()> {
        if self.dry { Ok(()) } else { self.vault.patiently(operation).map(drop) }
    }
}

/// What makes `now` what `then` says. (When something was made does not change.)
fn patch(now: &Attr, then: &Attr) -> AttrPatch {
    let differs = |now: u32, then: u32| (now != then).then_some(then);
    let gone = now.xattrs.keys().filter(|name| !then.xattrs.contains_key(*name));
    let set = then.xattrs.iter().filter(|(name, value)| now.xattrs.get(*name) != Some(value));
    let set = set.map(|(name, value)| (name.clone(), Some(value.clone())));
    AttrPatch {
        mode: differs(now.mode, then.mode),
        uid: differs(now.uid, then.uid),
        gid: differs(now.gid, then.gid),
        mtime: (now.mtime != then.mtime).then_some(then.mtime),
        xattrs: gone.map(|name| (name.clone(), None)).chain(set).collect(),
    }
}
