//! Checking a whole vault: frames, commits, tries, contents, view.
//!
//! Changes nothing. What was never synced and did not survive is not damage; content that is known to be on
//! its way is not either.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::codec::NodeCodec;
use super::commit::CommitId;
use super::committed::KeyedNames;
use super::contents::Content;
use super::error::Result;
use super::missing::Version;
use super::vault::Vault;
use super::view::claims::shown;
use super::view::{NodeUpdate, Scene, View};
use super::{Data, Name, NodeId, NodeSource, Tree};
use crate::crypto::ObjectId;
use crate::store::Damage;
use crate::trie::{Child, Trie, inspect};

/// Something in a vault that is not as it must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// In the store: a frame, an id, the index.
    Store(Damage),
    /// A commit, or a trie object below it, that is missing, damaged or not canonical.
    Structure {
        /// The commit.
        commit: CommitId,
        /// The object at fault.
        object: ObjectId,
        /// In what way.
        why: String,
    },
    /// A content of the current state that is missing or damaged, and not known to be on its way.
    Content {
        /// The file.
        node: NodeId,
        /// Where it is shown, if it is.
        path: Option<Vec<Name>>,
        /// The object at fault, where it is known.
        object: Option<ObjectId>,
    },
    /// The tree that is shown is not the one that its nodes make. Opening the vault anew mends it.
    View {
        /// The directory in which they differ.
        directory: NodeId,
    },
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Fault::Store(damage) => damage.fmt(f),
            Fault::Structure { commit, object, why } => write!(f, "commit {commit}: object {object}: {why}"),
            Fault::Content { node, object, .. } => {
                write!(f, "file {node}: its content is missing or damaged")?;
                object.map_or(Ok(()), |id| write!(f, " (object {id})"))
            }
            Fault::View { directory } => {
                write!(f, "directory {directory} shows other entries than its nodes make")
            }
        }
    }
}

impl Vault {
    /// Checks everything, and tells what is wrong.
    ///
    /// # Errors
    /// Only what keeps the check itself from going on.
    pub fn check(&self, report: &mut dyn FnMut(Fault)) -> Result<()> {
        self.store.check(&mut |damage| report(Fault::Store(damage)))?;
        self.check_commits(report)?;
        self.check_contents(report)?;
        self.check_view(report)
    }

    /// Every commit that can be reached, with all of its trie. Each object is looked at once.
    fn check_commits(&self, report: &mut dyn FnMut(Fault)) -> Result<()> {
        let mut known = BTreeSet::new();
        for commit in self.ancestors(self.head().commit)? {
            let (id, commit) = commit?;
            let mut todo: Vec<Child> = Child::root(&commit.trie()).into_iter().collect();
            while let Some(child) = todo.pop() {
                if !known.insert(child.id) {
                    continue;
                }
                match self.inspect(&child) {
                    Ok(below) => todo.extend(below),
                    Err(why) => report(Fault::Structure { commit: id, object: child.id, why }),
                }
            }
        }
        Ok(())
    }

    fn inspect(&self, child: &Child) -> std::result::Result<Vec<Child>, String> {
        let bytes = self.store.fetch(&child.id).map_err(|error| error.to_string())?;
        let inspected = inspect::<NodeCodec>(child, &bytes).map_err(|error| error.to_string())?;
        Ok(inspected.children)
    }

    /// The contents that the committed state shows: here, or known to be on their way.
    fn check_contents(&self, report: &mut dyn FnMut(Fault)) -> Result<()> {
        let head = self.head();
        for entry in self.forest.iter(&head.trie(), ..) {
            let (key, node) = entry?;
            for (stamp, data) in shown(&node) {
                let Data::Content(content) = data else { continue };
                if let Some(object) = self.absent_of(&(NodeId(key), stamp), content) {
                    let path = self.read(|tree| tree.scene().path(&NodeId(key))).unwrap_or_default();
                    report(Fault::Content { node: NodeId(key), path, object });
                }
            }
        }
        Ok(())
    }

    /// An object of a content that is absent without anyone waiting for it (`None` inside: not known which).
    fn absent_of(&self, version: &Version, content: &Content) -> Option<Option<ObjectId>> {
        match self.missing_of(content) {
            Err(_) => Some(None),
            Ok(missing) => {
                let waiting = self.waiting.lock();
                let known = waiting.of(version);
                let lost = missing.into_iter().find(|id| known.is_none_or(|wait| !wait.missing.contains(id)));
                lost.map(Some)
            }
        }
    }

    /// The view as it is kept against the view from scratch.
    fn check_view(&self, report: &mut dyn FnMut(Fault)) -> Result<()> {
        let names = KeyedNames(self.store.keyring().content_keys().clone());
        let state = self.state.read();
        let scratch = scratch_view(self, &state.tree, state.head.trie(), names)?;
        let nodes = Nodes(&state.tree);
        let (kept, fresh) = (state.tree.scene(), scratch.scene(&nodes));
        compare(&kept, &fresh, &mut |directory| report(Fault::View { directory }))
    }
}

struct Nodes<'a>(&'a Tree);

impl NodeSource for Nodes<'_> {
    fn node(&self, id: &NodeId) -> Result<Option<Arc<super::Node>>> {
        self.0.node(id)
    }
}

fn scratch_view(vault: &Vault, tree: &Tree, committed: Trie, names: KeyedNames) -> Result<View> {
    let mut ids: BTreeSet<NodeId> = tree.changed().map(|(id, _)| id).collect();
    for entry in vault.forest.iter(&committed, ..) {
        ids.insert(NodeId(entry?.0));
    }
    let mut updates = Vec::with_capacity(ids.len());
    for id in ids {
        updates.push(NodeUpdate { id, old: None, new: tree.node(&id)? });
    }
    let mut view = View::in_memory(Arc::new(names));
    view.update(&Nodes(tree), &updates)?;
    Ok(view)
}

/// Lists both trees from the root and tells the directories in which they differ.
fn compare(kept: &Scene<'_>, fresh: &Scene<'_>, differs: &mut dyn FnMut(NodeId)) -> Result<()> {
    let mut todo = vec![NodeId::ROOT];
    let mut seen = BTreeSet::new();
    while let Some(dir) = todo.pop() {
        if !seen.insert(dir) {
            continue;
        }
        let (a, b) = (kept.list(&dir, 0, usize::MAX / 2)?, fresh.list(&dir, 0, usize::MAX / 2)?);
        if a != b {
            differs(dir);
        }
        let directories = b.into_iter().filter(|listed| listed.kind == super::Kind::Directory);
        todo.extend(directories.filter_map(|listed| match listed.entry {
            super::Entry::Node(node) => Some(node),
            super::Entry::Tombstone(_) => None,
        }));
    }
    Ok(())
}
