//! What a directory lists, in an order that stays put under change, and what a vault has in conflict.
//!
//! Entries come in the order of their names' hashes. The cookie is the hash with its low four bits taken by
//! the rank among names whose hashes differ in no higher bit, so an entry that is there throughout is listed
//! exactly once however the directory changes meanwhile.

use std::collections::btree_map::Entry as Slot;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use super::super::error::Result;
use super::super::{Kind, Name, NodeId, Stamp};
use super::scene::{Group, Scene};

/// Cookies below this are for the caller (start, `.`, `..`).
pub const FIRST_COOKIE: u64 = 16;

const RANK: u64 = 0xF;

/// A version of a file shown beside it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tombstone {
    /// The node whose version it is.
    pub node: NodeId,
    /// The version.
    pub stamp: Stamp,
    /// The name it is shown under.
    pub name: Name,
    /// The name it stands beside.
    pub beside: Name,
}

/// What a name shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// A node: a file's own version, or the front of a directory.
    Node(NodeId),
    /// A tombstone file: read-only.
    Tombstone(Tombstone),
}

/// An entry of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Where a listing goes on after this entry.
    pub cookie: u64,
    /// Its name.
    pub name: Name,
    /// What it is.
    pub kind: Kind,
    /// What it shows.
    pub entry: Entry,
}

/// A version that lost and stands beside its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// The directory, from the root.
    pub directory: Vec<Name>,
    /// The directory's node: of a united one, its front.
    pub front: NodeId,
    /// The tombstone in it.
    pub tombstone: Tombstone,
    /// Who wrote the version.
    pub device: String,
    /// The rule that put it beside the name.
    pub rule: u8,
}

impl Conflict {
    /// The path of what has the name, from the root.
    pub fn path(&self) -> Vec<Name> {
        self.beside(&self.tombstone.beside)
    }

    /// The path of the tombstone file, from the root.
    pub fn tombstone_path(&self) -> Vec<Name> {
        self.beside(&self.tombstone.name)
    }

    fn beside(&self, name: &Name) -> Vec<Name> {
        self.directory.iter().chain([name]).cloned().collect()
    }
}

/// What a name of a listing is.
enum Shows<'t> {
    /// The only claim of it.
    Claim(NodeId, Kind),
    /// Of several claims the one that the rules choose.
    Chosen,
    Tombstone(&'t Tombstone),
}

impl Scene<'_> {
    /// The entries of `dir` after `cookie` (0 for the start), `limit` at most.
    ///
    /// # Errors
    /// Of index and nodes.
    pub fn list(&self, dir: &NodeId, cookie: u64, limit: usize) -> Result<Vec<Listed>> {
        let group = self.group(dir)?;
        // Entries of one cookie prefix are collected whole, for their ranks.
        let from = cookie & !RANK;
        let tombstones = self.tombstones(&group)?;
        let names = self.names_from(&group, from, limit.saturating_add(1 + RANK as usize), &tombstones)?;
        let mut listed = Vec::new();
        let (mut prefix, mut rank) = (None, 0);
        for ((hash, name), shows) in names {
            let slot = (hash & !RANK).max(FIRST_COOKIE);
            rank = if prefix == Some(slot) { (rank + 1).min(RANK) } else { 0 };
            prefix = Some(slot);
            if slot + rank <= cookie {
                continue;
            }
            if listed.len() >= limit {
                break;
            }
            if let Some((kind, entry)) = self.listed_entry(&group, &name, shows)? {
                listed.push(Listed { cookie: slot + rank, name, kind, entry });
            }
        }
        Ok(listed)
    }

    /// At least `enough` names from the hash `from` on if there are so many, in listing order.
    fn names_from<'t>(
        &self,
        group: &Group,
        from: u64,
        enough: usize,
        tombstones: &'t [Tombstone],
    ) -> Result<BTreeMap<(u64, Name), Shows<'t>>> {
        let from = if from == FIRST_COOKIE { 0 } else { from };
        let mut names = BTreeMap::new();
        // Every member gives its first names; beyond the smallest last of them others may be missing.
        let mut complete_to = u64::MAX;
        for member in group.members() {
            let mut count = 0;
            self.rows.scan(member, from, &mut |seen| {
                if seen.hash > complete_to {
                    return Ok(ControlFlow::Break(()));
                }
                if self.marks.displaced.contains(&seen.node) {
                    return Ok(ControlFlow::Continue(()));
                }
                match names.entry((seen.hash, seen.to_name()?)) {
                    Slot::Occupied(mut other) => drop(other.insert(Shows::Chosen)),
                    Slot::Vacant(free) => {
                        free.insert(Shows::Claim(seen.node, seen.row.kind));
                        count += 1;
                    }
                }
                if count == enough {
                    complete_to = complete_to.min(seen.hash & !RANK | RANK);
                }
                Ok(ControlFlow::Continue(()))
            })?;
        }
        if group.has(&NodeId::ROOT) {
            for node in &self.marks.displaced {
                let name = self.directory_claim(node)?.map(|claim| claim.name);
                names.extend(name.map(|name| ((self.hash(&name), name), Shows::Chosen)));
            }
        }
        let more = tombstones.iter().map(|it| ((self.hash(&it.name), it.name.clone()), Shows::Tombstone(it)));
        names.extend(more);
        names.retain(|(hash, _), _| (from..=complete_to).contains(hash));
        Ok(names)
    }

    fn listed_entry(&self, group: &Group, name: &Name, shows: Shows<'_>) -> Result<Option<(Kind, Entry)>> {
        match shows {
            Shows::Claim(node, kind) => return Ok(Some((kind, Entry::Node(node)))),
            Shows::Chosen => {}
            Shows::Tombstone(tombstone) => {
                let kind = self.node(&tombstone.node)?.map_or(Kind::File, |node| node.kind);
                return Ok(Some((kind, Entry::Tombstone(tombstone.clone()))));
            }
        }
        let claims = self.claims_at(group, name)?;
        if let [only] = claims.as_slice() {
            return Ok(Some((only.kind, Entry::Node(only.node))));
        }
        let holder = self.resolve(group, name)?.map(|resolved| resolved.holder.id());
        let kind = holder.and_then(|id| claims.iter().find(|claim| claim.node == id));
        Ok(kind.map(|claim| (claim.kind, Entry::Node(claim.node))))
    }

    /// Everything that stands beside its name, by directory path.
    ///
    /// # Errors
    /// Of index and nodes.
    pub fn conflicts(&self) -> Result<Vec<Conflict>> {
        let mut groups: BTreeMap<NodeId, Group> = BTreeMap::new();
        for dir in self.marks.conflicted.keys() {
            let group = self.group(dir)?;
            groups.insert(group.front(), group);
        }
        groups.extend(self.united()?.into_iter().map(|group| (group.front(), group)));
        let mut conflicts = Vec::new();
        for (front, group) in groups {
            let Some(directory) = self.path(&front)? else { continue };
            for tombstone in self.tombstones(&group)?.iter() {
                conflicts.push(self.conflict_in(directory.clone(), front, tombstone));
            }
        }
        conflicts.sort_by(|a, b| (&a.directory, &a.tombstone.name).cmp(&(&b.directory, &b.tombstone.name)));
        Ok(conflicts)
    }

    /// What a tombstone of a directory is the losing side of; `None` in a directory that shows nowhere.
    ///
    /// # Errors
    /// Of index and nodes.
    pub fn conflict(&self, group: &Group, tombstone: &Tombstone) -> Result<Option<Conflict>> {
        let front = group.front();
        Ok(self.path(&front)?.map(|directory| self.conflict_in(directory, front, tombstone)))
    }

    fn conflict_in(&self, directory: Vec<Name>, front: NodeId, tombstone: &Tombstone) -> Conflict {
        let device = self.device_name(&tombstone.stamp);
        Conflict { directory, front, tombstone: tombstone.clone(), device, rule: 5 }
    }

    /// Every group of more than one directory, and the root's if anything is shown as or moved to the root.
    ///
    /// # Errors
    /// Of index and nodes.
    pub fn united(&self) -> Result<Vec<Group>> {
        let mut todo = Vec::new();
        if !self.marks.absent.is_empty() || !self.marks.displaced.is_empty() {
            todo.push(self.root_group());
        }
        for (parent, names) in &self.marks.collided {
            let group = self.group(parent)?;
            for name in names {
                todo.extend(self.child(&group, name)?);
            }
        }
        let mut seen = BTreeSet::new();
        let mut united = Vec::new();
        while let Some(group) = todo.pop() {
            if !seen.insert(group.front()) {
                continue;
            }
            for name in self.shared_names(&group)? {
                todo.extend(self.child(&group, &name)?.filter(|child| child.members().len() > 1));
            }
            united.push(group);
        }
        Ok(united)
    }
}
