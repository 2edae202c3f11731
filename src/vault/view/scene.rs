//! Reading the tree: which directories are one (rules 3 and 4), what a name shows, paths.

use std::ops::ControlFlow;

use super::super::error::{Result, VaultError};
use super::super::{Kind, Name, Node, NodeId, NodeSource, Stamp};
use super::beside::Beside;
use super::claims::{self, Claim};
use super::naming::may_be_tombstone;
use super::rows::{NameHash, RowKey, Rows};
use super::{Entry, Marks};
use std::sync::Arc;

/// Directories in a directory up to which they are counted.
const MOST_COUNTED: u32 = 2000;

/// The tree as it stands: the view's index with the nodes it is of.
#[derive(Clone, Copy)]
pub struct Scene<'a> {
    pub(super) rows: &'a Rows,
    pub(super) marks: &'a Marks,
    pub(super) names: &'a dyn NameHash,
    pub(super) beside: &'a Beside,
    pub(super) nodes: &'a dyn NodeSource,
}

/// Directories that show as one (rule 4), usually one alone. Of the root, also what is shown as the root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group(Vec<NodeId>);

impl Group {
    /// `members` must not be empty.
    pub(super) fn new(mut members: Vec<NodeId>) -> Self {
        members.sort_unstable();
        members.dedup();
        Group(members)
    }

    /// One directory by itself.
    pub(in crate::vault) fn alone(id: NodeId) -> Self {
        Group(vec![id])
    }

    /// The one that stands for all: the smallest id.
    pub fn front(&self) -> NodeId {
        self.0.first().copied().unwrap_or(NodeId::ROOT)
    }

    /// All of them, ascending.
    pub fn members(&self) -> &[NodeId] {
        &self.0
    }

    /// Whether `id` is one of them.
    pub fn has(&self, id: &NodeId) -> bool {
        self.0.binary_search(id).is_ok()
    }
}

/// A live claim of a name, with who makes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claimed {
    /// Who claims.
    pub node: NodeId,
    /// Stamp of the claim.
    pub stamp: Stamp,
    /// What it is.
    pub kind: Kind,
}

impl Scene<'_> {
    /// The node, if there is one.
    ///
    /// # Errors
    /// Of the source of nodes.
    pub fn node(&self, id: &NodeId) -> Result<Option<Arc<Node>>> {
        self.nodes.node(id)
    }

    pub(super) fn hash(&self, name: &[u8]) -> u64 {
        self.names.hash(name) & (u64::MAX >> 1)
    }

    /// Whether `id` shows anywhere, be it hidden as a twin.
    ///
    /// # Errors
    /// Of index and nodes.
    pub fn is_live(&self, id: &NodeId) -> Result<bool> {
        if *id == NodeId::ROOT {
            return Ok(true);
        }
        let Some(node) = self.node(id)? else { return Ok(false) };
        let claims = claims::claims(&node);
        if !node.is_directory() || node.is_placed() {
            return Ok(!claims.is_empty());
        }
        claims.first().map_or(Ok(false), |claim| self.has_row(id, claim))
    }

    pub(super) fn has_row(&self, id: &NodeId, claim: &Claim) -> Result<bool> {
        let mut found = false;
        let hash = self.hash(&claim.name);
        self.rows.scan_hash(&claim.parent, hash, &mut |seen| {
            found = seen.node == *id && *seen.name == *claim.name;
            Ok(if found { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })?;
        Ok(found)
    }

    /// Whether the directory itself (not the group it is in) holds no live claim.
    ///
    /// # Errors
    /// Of the index.
    pub fn has_no_rows(&self, parent: &NodeId) -> Result<bool> {
        let mut empty = true;
        self.rows.scan(parent, 0, &mut |_| {
            empty = false;
            Ok(ControlFlow::Break(()))
        })?;
        Ok(empty)
    }

    /// Where a live directory is shown: its claim after rule 3.
    ///
    /// # Errors
    /// Of the source of nodes.
    pub fn directory_claim(&self, id: &NodeId) -> Result<Option<Claim>> {
        let claim = self.node(id)?.and_then(|node| claims::directory_claim(&node));
        Ok(claim.map(|claim| match self.marks.displaced.contains(id) {
            true => Claim { parent: NodeId::ROOT, ..claim },
            false => claim,
        }))
    }

    /// The directories that show as one with `dir` (any of them). A directory that is not shown is alone.
    ///
    /// # Errors
    /// Of index and nodes.
    pub fn group(&self, dir: &NodeId) -> Result<Group> {
        let alone = Group(vec![*dir]);
        if self.marks.is_plain() {
            return Ok(alone);
        }
        let mut steps = Vec::new();
        let mut at = *dir;
        while at != NodeId::ROOT && !self.marks.absent.contains(&at) {
            let Some(claim) = self.directory_claim(&at)? else { return Ok(alone) };
            steps.push(claim.name);
            at = claim.parent;
        }
        let mut group = self.root_group();
        for name in steps.iter().rev() {
            match self.child(&group, name)? {
                Some(child) => group = child,
                None => return Ok(alone),
            }
        }
        Ok(if group.has(dir) { group } else { alone })
    }

    /// The root, and what is shown as the root.
    pub fn root_group(&self) -> Group {
        Group::new(std::iter::once(NodeId::ROOT).chain(self.marks.absent.iter().copied()).collect())
    }

    /// The directories shown as `name` in `group`, if any.
    ///
    /// # Errors
    /// Of index and nodes.
    pub fn child(&self, group: &Group, name: &Name) -> Result<Option<Group>> {
        let claims = self.claims_at(group, name)?;
        let members: Vec<NodeId> =
            claims.iter().filter(|claim| claim.kind == Kind::Directory).map(|claim| claim.node).collect();
        Ok((!members.is_empty()).then(|| Group::new(members)))
    }

    /// The live claims of `name` in `group`, each node once with its greatest stamp, ascending by node.
    ///
    /// # Errors
    /// Of index and nodes.
    pub fn claims_at(&self, group: &Group, name: &Name) -> Result<Vec<Claimed>> {
        let hash = self.hash(name);
        let mut found: Vec<Claimed> = Vec::new();
        for member in group.members() {
            self.rows.scan_hash(member, hash, &mut |seen| {
                if *seen.name == **name && !self.marks.displaced.contains(&seen.node) {
                    found.push(Claimed { node: seen.node, stamp: seen.row.stamp, kind: seen.row.kind });
                }
                Ok(ControlFlow::Continue(()))
            })?;
        }
        if group.has(&NodeId::ROOT) {
            for node in &self.marks.displaced {
                let claim = self.directory_claim(node)?.filter(|claim| claim.name == *name);
                found.extend(claim.map(|claim| Claimed {
                    node: *node,
                    stamp: claim.stamp,
                    kind: Kind::Directory,
                }));
            }
        }
        found.sort_by_key(|claim| (claim.node, std::cmp::Reverse(claim.stamp)));
        found.dedup_by_key(|claim| claim.node);
        Ok(found)
    }

    /// What `name` in `dir` shows. `dir` may be any directory of a united one.
    ///
    /// # Errors
    /// Of index and nodes.
    pub fn lookup(&self, dir: &NodeId, name: &Name) -> Result<Option<Entry>> {
        self.lookup_in(&self.group(dir)?, name)
    }

    /// As [`Scene::lookup`], in a group known already.
    ///
    /// # Errors
    /// Of index and nodes.
    pub fn lookup_in(&self, group: &Group, name: &Name) -> Result<Option<Entry>> {
        if let Some(resolved) = self.resolve(group, name)? {
            return Ok(Some(Entry::Node(resolved.holder.id())));
        }
        if !may_be_tombstone(name) {
            return Ok(None);
        }
        let tombstones = self.tombstones(group)?;
        Ok(tombstones.iter().find(|tombstone| tombstone.name == *name).cloned().map(Entry::Tombstone))
    }

    /// How many directories `dir` shows, or `None` if they are more than [`MOST_COUNTED`]. A directory whose own
    /// directories are moved or united by rule is listed to count them; any other costs their rows.
    ///
    /// # Errors
    /// Of index and nodes.
    pub fn subdirectories(&self, dir: &NodeId) -> Result<Option<u32>> {
        let group = self.group(dir)?;
        let plain = self.marks.is_plain()
            || matches!(group.members(), [only] if *only != NodeId::ROOT)
                && self.marks.displaced.is_empty()
                && !self.marks.collided.contains_key(dir);
        let mut count = 0;
        if plain {
            self.rows.scan(&RowKey::directories_of(&group.front()), 0, &mut |_| {
                count += 1;
                Ok(if count > MOST_COUNTED { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
            })?;
            return Ok((count <= MOST_COUNTED).then_some(count));
        }
        let mut cookie = 0;
        while count <= MOST_COUNTED {
            let listed = self.list(dir, cookie, 1024)?;
            let Some(last) = listed.last() else { return Ok(Some(count)) };
            cookie = last.cookie;
            count += listed.iter().filter(|entry| entry.kind == Kind::Directory).count() as u32;
        }
        Ok(None)
    }

    /// The directory above `dir` (`..`): a front. The root's is the root; of what is not shown, none.
    ///
    /// # Errors
    /// Of index and nodes.
    pub fn parent(&self, dir: &NodeId) -> Result<Option<NodeId>> {
        if *dir == NodeId::ROOT {
            return Ok(Some(NodeId::ROOT));
        }
        let Some(claim) = self.directory_claim(dir)? else { return Ok(None) };
        Ok(Some(self.group(&claim.parent)?.front()))
    }

    /// The names under which a node is claimed: front of the directory, and name. Several for hard links,
    /// none for a node that is not live.
    ///
    /// # Errors
    /// Of index and nodes.
    pub fn slots(&self, id: &NodeId) -> Result<Vec<(Group, Name)>> {
        if !self.is_live(id)? {
            return Ok(Vec::new());
        }
        let Some(node) = self.node(id)? else { return Ok(Vec::new()) };
        let claims = match node.is_directory() {
            true => self.directory_claim(id)?.into_iter().collect(),
            false => claims::claims(&node),
        };
        let mut slots: Vec<(Group, Name)> = Vec::new();
        for claim in claims {
            let slot = (self.group(&claim.parent)?, claim.name);
            if !slots.contains(&slot) {
                slots.push(slot);
            }
        }
        Ok(slots)
    }

    /// The names from the root to a live node: of a file with several, the one it got last. The root's is
    /// empty.
    ///
    /// # Errors
    /// Of index and nodes.
    pub fn path(&self, id: &NodeId) -> Result<Option<Vec<Name>>> {
        let mut names = Vec::new();
        let mut at = *id;
        if !self.is_live(id)? {
            return Ok(None);
        }
        if let Some(node) = self.node(id)?.filter(|node| !node.is_directory()) {
            let claim = claims::claims(&node).into_iter().max_by_key(|claim| claim.stamp);
            let Some(claim) = claim else { return Ok(None) };
            names.push(claim.name);
            at = claim.parent;
        }
        while at != NodeId::ROOT && !self.marks.absent.contains(&at) {
            let Some(claim) = self.directory_claim(&at)? else {
                return Err(VaultError::Inconsistent("a directory that holds something claims no place"));
            };
            names.push(claim.name);
            at = claim.parent;
        }
        names.reverse();
        Ok(Some(names))
    }
}
