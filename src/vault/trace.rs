//! The history of one path: what happened to the file (or directory) that has it now, or had it last,
//! through renames and through saves that put a new file in its place.
//!
//! A file is followed by its node. Where the node came to be, or took a name from another, the one that had
//! the name before is followed from there on, so that an editor that replaces files breaks no history. Times
//! and devices are those of the commits; a commit gathers what was done within a second or so, so several
//! changes of one file within it show as one.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::commit::{Commit, CommitId};
use super::committed::CommittedNodes;
use super::error::{Result, VaultError};
use super::files::split;
use super::history::LogAuthor;
use super::vault::Vault;
use super::view::claims::{claims, own_version, shown};
use super::{Content, Data, Name, Node, NodeId, NodeSource, Place};

/// The deepest path that is put together: a cycle of directories ends there.
const MAX_DEPTH: usize = 4096;

/// A commit in which something happened to what is followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Traced {
    /// The commit.
    pub id: CommitId,
    /// Whose it is; `None` for a merge.
    pub author: Option<LogAuthor>,
    /// The states it came from.
    pub parents: Vec<CommitId>,
    /// What happened, in no particular order.
    pub events: Vec<Event>,
}

/// Something that happened to a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The path, after the commit (or before it, of what went).
    pub path: Vec<Name>,
    /// What.
    pub what: Happened,
    /// Bytes of a file afterwards.
    pub size: Option<u64>,
}

/// What can happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Happened {
    /// It was made.
    Created,
    /// It came back: a removal that had not known of an edit, or a restored file.
    Returned,
    /// Its content was written.
    Written,
    /// It moved from this path.
    Moved(Vec<Name>),
    /// It got one more name.
    Linked,
    /// It lost one of several names.
    Unlinked,
    /// It was removed.
    Removed,
    /// Mode, owner, times or extended attributes changed.
    Attributes,
    /// Versions that did not know of each other stand side by side: this many.
    Conflicted(usize),
    /// Of such versions one was left.
    Decided,
    /// A merge put together what two sides had done to it.
    Merged,
    /// Of a directory: so many nodes below it were added, changed, removed.
    Below(u64, u64, u64),
}

/// What is to be found on the way back.
enum Want {
    /// Who had this path last.
    Path(Vec<Name>),
    /// Who had this name in this directory before.
    Slot(NodeId, Name),
}

/// A change of a node between two states.
type Difference = (NodeId, Option<Arc<Node>>, Option<Arc<Node>>);

/// A walk back through the history.
struct Trace<'a> {
    vault: &'a Vault,
    followed: BTreeSet<NodeId>,
    wants: Vec<Want>,
    /// A directory whose contents count too.
    above: Option<NodeId>,
}

impl Vault {
    /// What happened to what is, or was last, at `path`: newest first, at most `limit` commits. Reads the
    /// history: for threads that may wait.
    ///
    /// # Errors
    /// [`VaultError::NotFound`] if nothing ever had the path; damage, the disk.
    pub fn trace(&self, path: &[u8], limit: usize) -> Result<Vec<Traced>> {
        let mut trace = Trace { vault: self, followed: BTreeSet::new(), wants: Vec::new(), above: None };
        match self.find(path) {
            Ok(found) => {
                let node = found.node();
                trace.above = found.data.is_none().then_some(node);
                trace.followed.insert(node);
            }
            Err(VaultError::NotFound | VaultError::NotDirectory) => {
                trace.wants.push(Want::Path(split(path)?));
            }
            Err(error) => return Err(error),
        }
        let mut traced = Vec::new();
        for commit in self.ancestors(self.head().commit)? {
            let (id, commit) = commit?;
            let events = trace.events(&commit)?;
            if !events.is_empty() {
                let author = self.log_author(&commit);
                traced.push(Traced { id, author, parents: commit.parents, events });
            }
            if traced.len() >= limit {
                break;
            }
        }
        if trace.followed.is_empty() { Err(VaultError::NotFound) } else { Ok(traced) }
    }

    fn nodes_at(&self, commit: &Commit) -> Arc<CommittedNodes> {
        self.nodes_of(commit.trie())
    }
}

impl Trace<'_> {
    /// What a commit did to what is followed; and who is followed from there on.
    fn events(&mut self, commit: &Commit) -> Result<Vec<Event>> {
        let parents = commit.parents.iter().map(|parent| self.vault.load_commit(parent));
        let parents = parents.filter(|parent| !matches!(parent, Err(VaultError::Missing(_))));
        let parents: Vec<Commit> = parents.collect::<Result<_>>()?;
        let new = self.vault.nodes_at(commit);
        let olds: Vec<_> = parents.iter().map(|parent| self.vault.nodes_at(parent)).collect();
        let none = self.vault.nodes_at(&Commit { root: None, count: 0, ..commit.clone() });
        let old = olds.first().unwrap_or(&none);
        let is_merge = olds.len() > 1;

        let mut differences = Vec::new();
        if !is_merge && !self.wants.is_empty() {
            differences = self.differences(old, &new)?;
            self.meet_wants(&differences, old)?;
        }
        let mut events = Vec::new();
        let mut gained = Vec::new();
        for id in self.followed.clone() {
            let after = new.node(&id)?;
            let befores = olds.iter().map(|old| old.node(&id)).collect::<Result<Vec<_>>>()?;
            if befores.contains(&after) || befores.is_empty() && after.is_none() {
                continue;
            }
            if is_merge {
                events.extend(merged_events(&id, after.as_deref(), &new)?);
                continue;
            }
            let before = befores.into_iter().next().flatten();
            let change = Changed { before: before.as_deref(), after: after.as_deref() };
            events.extend(change.events(&id, old, &new)?);
            gained.extend(change.gained().map(|slot| (slot, before.is_none())));
        }
        if !gained.is_empty() && differences.is_empty() {
            differences = self.differences(old, &new)?;
        }
        for ((parent, name), created) in gained {
            let former = losers(&differences, &parent, &name);
            let fresh: Vec<NodeId> = former.filter(|id| !self.followed.contains(id)).collect();
            if fresh.is_empty() && created {
                self.wants.push(Want::Slot(parent, name));
            }
            self.followed.extend(fresh);
        }
        if let Some(above) = self.above.filter(|_| !is_merge) {
            events.extend(self.below(&above, old, &new)?);
        }
        Ok(events)
    }

    fn differences(&self, old: &CommittedNodes, new: &CommittedNodes) -> Result<Vec<Difference>> {
        let mut differences = Vec::new();
        self.vault.forest.diff(old.trie(), new.trie(), |key, old, new| {
            differences.push((NodeId(*key), old.cloned(), new.cloned()));
            Ok::<(), VaultError>(())
        })?;
        Ok(differences)
    }

    /// Follows whoever lost, in this commit, a name that is looked for.
    fn meet_wants(&mut self, differences: &[Difference], old: &CommittedNodes) -> Result<()> {
        let mut open = Vec::new();
        for want in std::mem::take(&mut self.wants) {
            let mut found = Vec::new();
            match &want {
                Want::Slot(parent, name) => found.extend(losers(differences, parent, name)),
                Want::Path(path) => {
                    for (id, before, after) in differences {
                        let lost = lost_names(before.as_deref(), after.as_deref());
                        for (parent, name) in lost.iter().filter(|(_, name)| Some(name) == path.last()) {
                            let lost = claimed_path(old, parent)?
                                .map(|above| [&above[..], std::slice::from_ref(name)].concat());
                            found.extend((lost.as_ref() == Some(path)).then_some(*id));
                        }
                    }
                }
            }
            if found.is_empty() {
                open.push(want);
            }
            self.followed.extend(found);
        }
        self.wants = open;
        Ok(())
    }

    /// How much changed below a directory.
    fn below(&self, dir: &NodeId, old: &CommittedNodes, new: &CommittedNodes) -> Result<Option<Event>> {
        let (mut inside_old, mut inside_new) = (Inside::new(old, dir), Inside::new(new, dir));
        let (mut added, mut changed, mut removed) = (0, 0, 0);
        for (id, before, after) in self.differences(old, new)? {
            if id == *dir {
                continue;
            }
            let was = before.as_deref().is_some_and(is_shown) && inside_old.has(&id)?;
            let is = after.as_deref().is_some_and(is_shown) && inside_new.has(&id)?;
            match (was, is) {
                (false, true) => added += 1,
                (true, true) => changed += 1,
                (true, false) => removed += 1,
                (false, false) => {}
            }
        }
        if added + changed + removed == 0 {
            return Ok(None);
        }
        let path = claimed_path(new, dir)?.or(claimed_path(old, dir)?).unwrap_or_default();
        Ok(Some(Event { path, what: Happened::Below(added, changed, removed), size: None }))
    }
}

/// Which nodes are below a directory, in one state.
struct Inside<'a> {
    nodes: &'a CommittedNodes,
    dir: NodeId,
    known: HashMap<NodeId, bool>,
}

impl<'a> Inside<'a> {
    fn new(nodes: &'a CommittedNodes, dir: &NodeId) -> Self {
        Inside { nodes, dir: *dir, known: HashMap::from([(*dir, true)]) }
    }

    fn has(&mut self, id: &NodeId) -> Result<bool> {
        let mut way = Vec::new();
        let mut at = *id;
        let inside = loop {
            if let Some(known) = self.known.get(&at) {
                break *known;
            }
            if at == NodeId::ROOT || way.contains(&at) || way.len() > MAX_DEPTH {
                break self.dir == NodeId::ROOT;
            }
            way.push(at);
            let node = self.nodes.node(&at)?;
            let claim =
                node.as_deref().and_then(|node| claims(node).into_iter().max_by_key(|claim| claim.stamp));
            match claim {
                Some(claim) => at = claim.parent,
                None => break false,
            }
        };
        self.known.extend(way.into_iter().map(|id| (id, inside)));
        Ok(inside)
    }
}

/// Whether a node shows anything, as far as it says itself.
fn is_shown(node: &Node) -> bool {
    if node.is_directory() { node.is_placed() } else { !claims(node).is_empty() }
}

/// Where a node claims to be, from the root: its greatest claim, and those of the directories above it. (Not
/// what the view makes of cycles.) `None` if it, or something above it, claims nothing.
fn claimed_path(nodes: &CommittedNodes, id: &NodeId) -> Result<Option<Vec<Name>>> {
    let mut names = Vec::new();
    let mut at = *id;
    while at != NodeId::ROOT {
        let Some(node) = nodes.node(&at)? else { return Ok(None) };
        let claim = claims(&node).into_iter().max_by_key(|claim| claim.stamp);
        let Some(claim) = claim.filter(|_| names.len() < MAX_DEPTH) else { return Ok(None) };
        names.push(claim.name);
        at = claim.parent;
    }
    names.reverse();
    Ok(Some(names))
}

/// The names that a node has.
fn names_of(node: Option<&Node>) -> BTreeSet<(NodeId, Name)> {
    let places = node.into_iter().flat_map(|node| node.places.iter());
    let names = places.filter_map(|(_, place)| match place {
        Place::At { parent, name } => Some((*parent, name.clone())),
        Place::Gone { .. } => None,
    });
    names.collect()
}

fn lost_names(before: Option<&Node>, after: Option<&Node>) -> BTreeSet<(NodeId, Name)> {
    let now = names_of(after);
    names_of(before).into_iter().filter(|name| !now.contains(name)).collect()
}

/// Who lost a name.
fn losers<'a>(
    differences: &'a [Difference],
    parent: &'a NodeId,
    name: &'a Name,
) -> impl Iterator<Item = NodeId> + 'a {
    let lost = move |(_, before, after): &&'a Difference| {
        lost_names(before.as_deref(), after.as_deref()).contains(&(*parent, name.clone()))
    };
    differences.iter().filter(lost).map(|(id, ..)| *id)
}

fn size_of(node: Option<&Node>) -> Option<u64> {
    match node.and_then(own_version) {
        Some((_, Data::Content(content))) => Some(Content::len(content)),
        _ => None,
    }
}

/// A node before and after a commit.
struct Changed<'a> {
    before: Option<&'a Node>,
    after: Option<&'a Node>,
}

impl Changed<'_> {
    /// The names it has that it had not.
    fn gained(&self) -> impl Iterator<Item = (NodeId, Name)> + use<> {
        lost_names(self.after, self.before).into_iter()
    }

    fn events(&self, id: &NodeId, old: &CommittedNodes, new: &CommittedNodes) -> Result<Vec<Event>> {
        let (was, is) = (self.before.is_some_and(is_shown), self.after.is_some_and(is_shown));
        let path = claimed_path(if is { new } else { old }, id)?.unwrap_or_default();
        let size = size_of(self.after).filter(|_| is);
        let event = |what| Event { path: path.clone(), what, size };
        Ok(match (was, is) {
            (false, false) => Vec::new(),
            (true, false) => vec![event(Happened::Removed)],
            (false, true) if self.before.is_none() => vec![event(Happened::Created)],
            (false, true) => vec![event(Happened::Returned)],
            (true, true) => {
                let from = claimed_path(old, id)?.unwrap_or_default();
                self.changes(from).into_iter().map(event).collect()
            }
        })
    }

    /// What happened to something that was and is there.
    fn changes(&self, from: Vec<Name>) -> Vec<Happened> {
        let mut changes = Vec::new();
        let (gained, lost) = (self.gained().count(), lost_names(self.before, self.after).len());
        let had = names_of(self.before).len();
        match (gained > 0, lost > 0) {
            (true, true) => changes.push(Happened::Moved(from)),
            (true, false) if had > 0 => changes.push(Happened::Linked),
            (true, false) => changes.push(Happened::Returned),
            (false, true) => changes.push(Happened::Unlinked),
            (false, false) => {}
        }
        let data = |node: Option<&Node>| node.and_then(own_version).map(|(_, data)| data.clone());
        let versions = |node: Option<&Node>| node.map_or(0, |node| shown(node).len());
        if data(self.before) != data(self.after) {
            changes.push(Happened::Written);
        }
        match (versions(self.before), versions(self.after)) {
            (before, after) if after > before && after > 1 => changes.push(Happened::Conflicted(after)),
            (before, 1) if before > 1 => changes.push(Happened::Decided),
            _ => {}
        }
        let attr =
            |node: Option<&Node>| node.and_then(|node| node.attr.winner()).map(|(_, attr)| attr.clone());
        if changes.is_empty() && attr(self.before) != attr(self.after) {
            changes.push(Happened::Attributes);
        }
        changes
    }
}

fn merged_events(id: &NodeId, after: Option<&Node>, new: &CommittedNodes) -> Result<Vec<Event>> {
    let Some(node) = after.filter(|node| is_shown(node)) else { return Ok(Vec::new()) };
    let path = claimed_path(new, id)?.unwrap_or_default();
    let versions = shown(node).len();
    let what = if versions > 1 { Happened::Conflicted(versions) } else { Happened::Merged };
    Ok(vec![Event { path, what, size: size_of(after) }])
}
