//! Rules 5 and 6: what a name shows when several files claim it, what stands beside it, and what is hidden.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::Arc;

use super::super::error::Result;
use super::super::{Data, Kind, Name, NodeId, Stamp};
use super::beside::Losing;
use super::claims::{own_version, rank, shown};
use super::naming::tombstone_name;
use super::scene::{Claimed, Group, Scene};
use super::{Entry, Tombstone};

/// Who holds a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holder {
    /// Directories, of which this is the front.
    Directory(NodeId),
    /// A file (or link, pipe, socket, device).
    File(NodeId),
}

impl Holder {
    /// The node that the name shows.
    pub fn id(&self) -> NodeId {
        match self {
            Holder::Directory(id) | Holder::File(id) => *id,
        }
    }
}

/// A version shown beside its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loser {
    /// Whose version it is: if several are equal, of the smallest stamp.
    pub stamp: Stamp,
    /// The node that has it.
    pub node: NodeId,
    /// What it is.
    pub data: Data,
}

/// What one name of a directory comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// Who holds it.
    pub holder: Holder,
    /// What the holder shows, of a file.
    pub shown: Option<(Stamp, Data)>,
    /// The distinct contents beside it, by stamp, then node.
    pub losers: Vec<Loser>,
    /// Everyone who claims it.
    pub claims: Vec<Claimed>,
}

impl Resolved {
    /// Whether the content `data` is shown under this name or beside it (or is empty: never missed).
    pub fn shows(&self, data: &Data) -> bool {
        let own = self.shown.as_ref().is_some_and(|(_, own)| own == data);
        own || data.is_empty() || self.losers.iter().any(|loser| loser.data == *data)
    }

    /// The files that claim the name and show nothing of their own: neither holder nor tombstone.
    pub fn twins(&self) -> Vec<NodeId> {
        let hidden = |claim: &&Claimed| {
            let node = claim.node;
            claim.kind != Kind::Directory
                && self.holder != Holder::File(node)
                && self.losers.iter().all(|loser| loser.node != node)
        };
        self.claims.iter().filter(hidden).map(|claim| claim.node).collect()
    }

    /// The files that claim the name and show something beside it only.
    pub fn beside(&self) -> BTreeSet<NodeId> {
        self.losers.iter().map(|loser| loser.node).filter(|node| self.holder != Holder::File(*node)).collect()
    }
}

impl Scene<'_> {
    /// What `name` in `group` comes to; `None` if nobody claims it.
    ///
    /// # Errors
    /// Of index and nodes.
    pub fn resolve(&self, group: &Group, name: &Name) -> Result<Option<Resolved>> {
        let claims = self.claims_at(group, name)?;
        let directories = claims.iter().filter(|claim| claim.kind == Kind::Directory);
        let front = directories.map(|claim| claim.node).min().map(Holder::Directory);
        let mut best: Option<((bool, Stamp, NodeId), Stamp, Data)> = None;
        let mut versions: Vec<Loser> = Vec::new();
        for claim in claims.iter().filter(|claim| claim.kind != Kind::Directory) {
            let Some(node) = self.node(&claim.node)? else { continue };
            let Some((stamp, data)) = own_version(&node) else { continue };
            let order = (rank(stamp, data).0, claim.stamp, claim.node);
            if best.as_ref().is_none_or(|(other, ..)| *other < order) {
                best = Some((order, stamp, data.clone()));
            }
            versions.extend(shown(&node).into_iter().map(|(stamp, data)| Loser {
                stamp,
                node: claim.node,
                data: data.clone(),
            }));
        }
        let (holder, own) = match (front, best) {
            (Some(front), _) => (front, None),
            (None, Some(((.., node), stamp, data))) => (Holder::File(node), Some((stamp, data))),
            (None, None) => return Ok(None),
        };
        let mut resolved = Resolved { holder, shown: own, losers: Vec::new(), claims };
        versions.sort_by_key(|version| (version.stamp, version.node));
        for version in versions {
            if !resolved.shows(&version.data) {
                resolved.losers.push(version);
            }
        }
        Ok(Some(resolved))
    }

    /// Every tombstone file of a directory, in the order names are given out: by stamp, node, name.
    ///
    /// # Errors
    /// Of index and nodes.
    pub fn tombstones(&self, group: &Group) -> Result<Arc<Vec<Tombstone>>> {
        let front = group.front();
        if !self.may_be_contested(group) {
            return Ok(Arc::default());
        }
        if let Some(known) = self.beside.tombstones(&front) {
            return Ok(known);
        }
        let losers = match self.beside.losers(&front) {
            Some(losers) => losers,
            None => Arc::new(self.losers(group)?),
        };
        let mut taken: BTreeSet<Name> = BTreeSet::new();
        let mut tombstones = Vec::with_capacity(losers.len());
        for (stamp, node, beside) in losers.iter() {
            let name = self.free_name(group, beside, stamp, &taken)?;
            taken.insert(name.clone());
            tombstones.push(Tombstone { node: *node, stamp: *stamp, name, beside: beside.clone() });
        }
        let tombstones = Arc::new(tombstones);
        self.beside.keep(front, losers, Arc::clone(&tombstones));
        Ok(tombstones)
    }

    /// Whether anything can stand beside a name of the directory.
    fn may_be_contested(&self, group: &Group) -> bool {
        let displaced = group.has(&NodeId::ROOT) && !self.marks.displaced.is_empty();
        displaced || group.members().len() > 1 || self.marks.conflicted.contains_key(&group.front())
    }

    fn losers(&self, group: &Group) -> Result<BTreeSet<Losing>> {
        let mut losers = BTreeSet::new();
        for name in self.contested_names(group)? {
            losers.extend(self.losers_beside(group, &name)?);
        }
        Ok(losers)
    }

    /// What stands beside one name.
    pub(super) fn losers_beside(&self, group: &Group, name: &Name) -> Result<Vec<Losing>> {
        let losers = self.resolve(group, name)?.map(|resolved| resolved.losers).unwrap_or_default();
        Ok(losers.into_iter().map(|loser| (loser.stamp, loser.node, name.clone())).collect())
    }

    /// The first tombstone name for the version under `stamp` that nothing claims and no other has taken.
    fn free_name(&self, group: &Group, beside: &Name, stamp: &Stamp, taken: &BTreeSet<Name>) -> Result<Name> {
        let device = self.device_name(stamp);
        let mut count = 1;
        loop {
            let name = tombstone_name(beside, &device, stamp.lamport, count);
            if !taken.contains(&name) && self.claims_at(group, &name)?.is_empty() {
                return Ok(name);
            }
            count += 1;
        }
    }

    /// The name of the device that made an operation; its replica id in hex if no record has it.
    pub fn device_name(&self, stamp: &Stamp) -> String {
        let mut records = self.marks.devices.values();
        let record = records.find(|record| record.replicas.contains(&stamp.replica));
        record.map_or_else(|| stamp.replica.to_string(), |record| record.name.clone())
    }

    /// The names of a directory that may have something beside them.
    pub(super) fn contested_names(&self, group: &Group) -> Result<BTreeSet<Name>> {
        let marked = group.members().iter().filter_map(|member| self.marks.conflicted.get(member));
        let mut names: BTreeSet<Name> = marked.flatten().cloned().collect();
        let displaced = group.has(&NodeId::ROOT) && !self.marks.displaced.is_empty();
        if group.members().len() > 1 || displaced {
            names.extend(self.shared_names(group)?);
        }
        Ok(names)
    }

    /// The names that more than one member of a united directory has, or that a displaced one adds.
    pub(super) fn shared_names(&self, group: &Group) -> Result<BTreeSet<Name>> {
        let mut seen: BTreeMap<Name, NodeId> = BTreeMap::new();
        let mut shared = BTreeSet::new();
        for member in group.members() {
            self.rows.scan(member, 0, &mut |row| {
                let name = row.to_name()?;
                if *seen.entry(name.clone()).or_insert(*member) != *member {
                    shared.insert(name);
                }
                Ok(ControlFlow::Continue(()))
            })?;
        }
        if group.has(&NodeId::ROOT) {
            for node in &self.marks.displaced {
                shared.extend(self.directory_claim(node)?.map(|claim| claim.name));
            }
        }
        Ok(shared)
    }

    /// The entry that a tombstone's node and stamp are shown as beside `name`, if they are.
    ///
    /// # Errors
    /// Of index and nodes.
    pub fn tombstone_of(&self, group: &Group, node: &NodeId, stamp: &Stamp) -> Result<Option<Entry>> {
        let all = self.tombstones(group)?;
        let found = all.iter().find(|it| it.node == *node && it.stamp == *stamp);
        Ok(found.cloned().map(Entry::Tombstone))
    }
}
