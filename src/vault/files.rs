//! Whole files by path, for commands that work without a mount.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::mpsc;

use super::changes::Origin;
use super::contents::Content;
use super::error::{Result, VaultError};
use super::vault::Vault;
use super::{Attr, AttrPatch, Data, Entry, Kind, Listed, Name, NewNode, NodeId, Tree, Write};
use crate::ambient::WallNanos;

/// How many entries of a directory are read at a time.
const LIST_STEP: usize = 1024;
/// How many bytes of a file are read at a time.
const READ_STEP: usize = 1 << 20;

/// What stands at a path.
#[derive(Debug, Clone)]
pub struct Found {
    /// The entry; for the root its node.
    pub entry: Entry,
    /// What it is.
    pub kind: Kind,
    /// Its attributes.
    pub attr: Attr,
    /// What it holds; `None` for a directory. Of a waiting file what it shows meanwhile.
    pub data: Option<Data>,
}

impl Found {
    /// The node it is of.
    pub fn node(&self) -> NodeId {
        match &self.entry {
            Entry::Node(node) => *node,
            Entry::Tombstone(tombstone) => tombstone.node,
        }
    }

    /// Its size in bytes as `stat` shows it.
    pub fn size(&self) -> u64 {
        match &self.data {
            Some(Data::Content(content)) => content.len(),
            Some(Data::Target(target)) => target.len() as u64,
            _ => 0,
        }
    }
}

impl Vault {
    /// What stands at `path`: names between slashes, from the root. Links are not followed.
    ///
    /// # Errors
    /// [`VaultError::NotFound`], [`VaultError::NotDirectory`]; names that are none.
    pub fn find(&self, path: &[u8]) -> Result<Found> {
        let names = split(path)?;
        self.read(|tree| {
            let mut entry = Entry::Node(NodeId::ROOT);
            for name in &names {
                let Entry::Node(dir) = entry else { return Err(VaultError::NotDirectory) };
                if kind_of(tree, &dir)? != Kind::Directory {
                    return Err(VaultError::NotDirectory);
                }
                entry = tree.scene().lookup(&dir, name)?.ok_or(VaultError::NotFound)?;
            }
            self.describe(tree, entry)
        })
    }

    /// The entries of a directory with what they are, in the order of listing.
    ///
    /// # Errors
    /// Of the committed state.
    pub fn list(&self, dir: &NodeId) -> Result<Vec<(Listed, Found)>> {
        let mut entries: Vec<(Listed, Found)> = Vec::new();
        loop {
            let after = entries.last().map_or(0, |(listed, _)| listed.cookie);
            let step = self.read(|tree| {
                let listed = tree.scene().list(dir, after, LIST_STEP)?;
                let described = listed.into_iter().map(|listed| {
                    let found = self.describe(tree, listed.entry.clone())?;
                    Ok((listed, found))
                });
                described.collect::<Result<Vec<_>>>()
            })?;
            if step.is_empty() {
                return Ok(entries);
            }
            entries.extend(step);
        }
    }

    /// Puts a whole file at `path`, new or in place of what a file there shows now. Its directory must be
    /// there. Not durable until [`Vault::sync`].
    ///
    /// # Errors
    /// Of `source`; [`VaultError::NotFound`] for the directory, [`VaultError::IsDirectory`]; as
    /// [`Vault::edit`].
    pub fn put_file(&self, path: &[u8], source: impl Read, attr: Attr) -> Result<NodeId> {
        let mut names = split(path)?;
        let name = names.pop().ok_or(VaultError::IsDirectory)?;
        let dir = self.find(&join(&names))?;
        if dir.kind != Kind::Directory {
            return Err(VaultError::NotDirectory);
        }
        let data = Data::Content(self.contents.write(source)?);
        let dir = dir.node();
        self.edit(Origin::VAULT, |tree, draw| match tree.scene().lookup(&dir, &name)? {
            None => tree.create(&dir, &name, NewNode { attr, data: Some(data) }, draw),
            Some(Entry::Tombstone(_)) => Err(VaultError::NotPermitted("a tombstone file stays as it is")),
            Some(Entry::Node(node)) => {
                if kind_of(tree, &node)? != Kind::File {
                    return Err(VaultError::IsDirectory);
                }
                let base = self.content_shown(tree, &node)?.map(|shown| shown.stamps).unwrap_or_default();
                let attr = AttrPatch { mtime: Some(attr.mtime), ..AttrPatch::default() };
                let outcome = tree.write(&node, Write { base, data, attr }, draw)?;
                Ok(outcome.with(node))
            }
        })
    }

    /// Makes a directory at `path`.
    ///
    /// # Errors
    /// As [`Vault::put_file`]; [`VaultError::Exists`].
    pub fn make_directory(&self, path: &[u8], mode: u32, time: WallNanos) -> Result<NodeId> {
        let mut names = split(path)?;
        let name = names.pop().ok_or(VaultError::Exists)?;
        let dir = self.find(&join(&names))?.node();
        let (uid, gid, xattrs) = (0, 0, Default::default());
        let attr = Attr { mode, uid, gid, mtime: time, birth: time, xattrs };
        self.edit(Origin::VAULT, |tree, draw| tree.create(&dir, &name, NewNode { attr, data: None }, draw))
    }

    /// Reads a content from its start to its end, waiting for what is not here. For threads that may wait.
    pub fn reader(self: &Arc<Self>, content: Content) -> ContentReader {
        ContentReader { vault: Arc::clone(self), content, at: 0, ahead: io::Cursor::new(Vec::new()) }
    }

    fn describe(&self, tree: &Tree, entry: Entry) -> Result<Found> {
        let node = match &entry {
            Entry::Node(node) => *node,
            Entry::Tombstone(tombstone) => tombstone.node,
        };
        let kind = kind_of(tree, &node)?;
        let attr = tree.attr(&node)?;
        let data = match &entry {
            Entry::Tombstone(tombstone) => {
                tree.node(&node)?.and_then(|state| state.data.at(&tombstone.stamp).cloned())
            }
            Entry::Node(_) if kind == Kind::File => {
                self.content_shown(tree, &node)?.map(|shown| Data::Content(shown.content))
            }
            Entry::Node(_) => {
                let state = tree.node(&node)?;
                state.and_then(|state| super::view::claims::own_version(&state).map(|(_, it)| it.clone()))
            }
        };
        Ok(Found { entry, kind, attr, data })
    }
}

/// Reads a content as a stream.
pub struct ContentReader {
    vault: Arc<Vault>,
    content: Content,
    at: u64,
    ahead: io::Cursor<Vec<u8>>,
}

impl Read for ContentReader {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if self.ahead.position() >= self.ahead.get_ref().len() as u64 && self.at < self.content.len() {
            let (sender, answer) = mpsc::channel();
            let done = Box::new(move |bytes| drop(sender.send(bytes)));
            self.vault.read_content_later(self.content.clone(), self.at, READ_STEP, done);
            let bytes = answer.recv().unwrap_or(Err(VaultError::Closed)).map_err(io::Error::other)?;
            self.at += bytes.len() as u64;
            self.ahead = io::Cursor::new(bytes);
        }
        self.ahead.read(buf)
    }
}

fn kind_of(tree: &Tree, node: &NodeId) -> Result<Kind> {
    match tree.node(node)? {
        Some(state) => Ok(state.kind),
        None if *node == NodeId::ROOT => Ok(Kind::Directory),
        None => Err(VaultError::NotFound),
    }
}

/// The names of a path. Empty ones (from slashes at the ends, or two in a row) do not count.
pub(super) fn split(path: &[u8]) -> Result<Vec<Name>> {
    let names = path.split(|byte| *byte == b'/').filter(|name| !name.is_empty());
    names.map(|name| Ok(Name::new(name)?)).collect()
}

fn join(names: &[Name]) -> Vec<u8> {
    names.iter().flat_map(|name| [b"/", name.as_bytes()].concat()).collect()
}
