//! Past states: the nodes of a commit under the same view as the present, to be looked at and never changed.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;

use super::commit::{Commit, CommitId};
use super::committed::{CommittedNodes, KeyedNames};
use super::error::{Result, VaultError};
use super::open::view_of;
use super::operations::plain_attr;
use super::vault::Vault;
use super::view::claims::own_version;
use super::view::{Marks, Scene, View};
use super::{Attr, Data, Entry, Kind, Name, Node, NodeId, NodeSource, Stamp};

/// How many past states are kept: their views take memory in proportion to the nodes they have.
const KEPT: usize = 2;

/// The state of the vault that a commit names.
pub struct Past {
    id: CommitId,
    commit: Commit,
    nodes: Arc<CommittedNodes>,
    view: View,
}

impl std::fmt::Debug for Past {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Past").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Past {
    /// Which commit it is of.
    pub fn id(&self) -> CommitId {
        self.id
    }

    /// The commit.
    pub fn commit(&self) -> &Commit {
        &self.commit
    }

    /// The tree as it showed.
    pub fn scene(&self) -> Scene<'_> {
        self.view.scene(&*self.nodes)
    }

    /// What was out of the ordinary in it.
    pub fn marks(&self) -> &Marks {
        self.view.marks()
    }

    /// The nodes.
    pub fn nodes(&self) -> &dyn NodeSource {
        &*self.nodes
    }

    /// The node, if there was one.
    ///
    /// # Errors
    /// Objects that are missing or damaged.
    pub fn node(&self, id: &NodeId) -> Result<Option<Arc<Node>>> {
        self.nodes.node(id)
    }

    /// What stood at a path.
    ///
    /// # Errors
    /// [`VaultError::NotFound`], [`VaultError::NotDirectory`]; as [`Past::node`].
    pub fn find(&self, path: &[Name]) -> Result<Entry> {
        let mut entry = Entry::Node(NodeId::ROOT);
        for name in path {
            let Entry::Node(dir) = entry else { return Err(VaultError::NotDirectory) };
            if self.kind(&dir)? != Kind::Directory {
                return Err(VaultError::NotDirectory);
            }
            entry = self.scene().lookup(&dir, name)?.ok_or(VaultError::NotFound)?;
        }
        Ok(entry)
    }

    /// What a node was.
    ///
    /// # Errors
    /// [`VaultError::NotFound`]; as [`Past::node`].
    pub fn kind(&self, id: &NodeId) -> Result<Kind> {
        match self.node(id)? {
            Some(node) => Ok(node.kind),
            None if *id == NodeId::ROOT => Ok(Kind::Directory),
            None => Err(VaultError::NotFound),
        }
    }

    /// The attributes of a node.
    ///
    /// # Errors
    /// As [`Past::node`].
    pub fn attr(&self, id: &NodeId) -> Result<Attr> {
        let node = self.node(id)?;
        let winner = node.as_ref().and_then(|node| node.attr.winner());
        Ok(winner.map_or_else(plain_attr, |(_, attr)| attr.clone()))
    }

    /// What a node held: its own version, or that of a tombstone. `None` for a directory.
    ///
    /// # Errors
    /// As [`Past::node`].
    pub fn data(&self, id: &NodeId, tombstone: Option<&Stamp>) -> Result<Option<Data>> {
        let Some(node) = self.node(id)? else { return Ok(None) };
        Ok(match tombstone {
            None => own_version(&node).map(|(_, data)| data.clone()),
            Some(stamp) => node.data.at(stamp).cloned(),
        })
    }
}

/// The states looked at last, the latest first.
#[derive(Debug, Default)]
pub(super) struct Pasts(Mutex<VecDeque<Arc<Past>>>);

impl Vault {
    /// The state that a commit names. The first look at one reads all of its nodes: for threads that may
    /// wait.
    ///
    /// # Errors
    /// [`VaultError::Missing`] for a commit that is not (or not wholly) here, [`VaultError::Damaged`], the
    /// disk.
    pub fn past(&self, id: &CommitId) -> Result<Arc<Past>> {
        let mut pasts = self.pasts.0.lock();
        if let Some(at) = pasts.iter().position(|past| past.id == *id)
            && let Some(past) = pasts.remove(at)
        {
            pasts.push_front(past.clone());
            return Ok(past);
        }
        drop(pasts);
        let commit = self.load_commit(id)?;
        let nodes = self.nodes_of(commit.trie());
        let names = KeyedNames(self.store.keyring().content_keys().clone());
        let past = Arc::new(Past { id: *id, view: view_of(&nodes, names)?, commit, nodes });
        let mut pasts = self.pasts.0.lock();
        pasts.push_front(past.clone());
        pasts.truncate(KEPT);
        Ok(past)
    }
}
