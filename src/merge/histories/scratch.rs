//! The view from scratch: rules 1 to 6 read off the page over all nodes at once, with no index and no care
//! for cost. The oracle of the incremental view.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::vault::view::naming::tombstone_name;
use crate::vault::{Data, DeviceRecord, Name, Node, NodeId, Place, Stamp};

/// What a name shows.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Shown {
    Directory(NodeId),
    File { node: NodeId, stamp: Stamp },
    Tombstone { node: NodeId, stamp: Stamp },
}

/// A tree: paths from the root, and what they show.
pub(super) type Paths = BTreeMap<Vec<Name>, Shown>;

#[derive(Clone, Debug)]
struct Claim {
    node: NodeId,
    parent: NodeId,
    name: Name,
    stamp: Stamp,
    directory: bool,
}

struct Scratch<'a> {
    nodes: &'a BTreeMap<NodeId, Arc<Node>>,
    claims: Vec<Claim>,
}

/// The tree that `nodes` show.
pub(super) fn view(nodes: &BTreeMap<NodeId, Arc<Node>>) -> Paths {
    let mut scratch = Scratch { nodes, claims: claims(nodes) };
    scratch.break_cycles();
    let mut paths = Paths::new();
    scratch.show(&BTreeSet::from([NodeId::ROOT]), &mut Vec::new(), &mut paths);
    paths
}

fn placed(node: &Node) -> bool {
    node.places.iter().any(|(_, place)| matches!(place, Place::At { .. }))
}

/// Rule 1.
fn shown(node: &Node) -> Vec<(Stamp, Data)> {
    let mut covered = BTreeSet::new();
    for (_, place) in node.places.iter() {
        if let (Place::Gone { covers, .. }, false) = (place, placed(node)) {
            covered.extend(covers.iter().copied());
        }
    }
    node.data.iter().filter(|(stamp, _)| !covered.contains(stamp)).map(|(s, d)| (s, d.clone())).collect()
}

/// Rules 1 and 2: the claims of what is live, by growing the set of live nodes until it grows no more.
fn claims(nodes: &BTreeMap<NodeId, Arc<Node>>) -> Vec<Claim> {
    let mut live: BTreeMap<NodeId, Vec<Claim>> = BTreeMap::new();
    loop {
        let before = live.len();
        for (id, node) in nodes {
            let inside = live.values().flatten().any(|claim| claim.parent == *id);
            let alive = match node.is_directory() {
                true => placed(node) || inside,
                false => !shown(node).is_empty(),
            };
            let claims = claims_of(*id, node);
            if alive && !claims.is_empty() {
                live.insert(*id, claims);
            }
        }
        if live.len() == before {
            return live.into_values().flatten().collect();
        }
    }
}

fn claims_of(id: NodeId, node: &Node) -> Vec<Claim> {
    let all = node.places.iter().map(|(stamp, place)| {
        let (parent, name) = place.slot();
        let claim = Claim { node: id, parent, name: name.clone(), stamp, directory: node.is_directory() };
        (place.is_at(), claim)
    });
    let (at, gone): (Vec<_>, Vec<_>) = all.partition(|(at, _)| *at);
    let last = |claims: &[(bool, Claim)]| claims.last().map(|(_, claim)| claim.clone()).into_iter().collect();
    let claims: Vec<Claim> = match (at.is_empty(), node.is_directory()) {
        (true, _) => last(&gone),
        (false, true) => last(&at),
        (false, false) => at.into_iter().map(|(_, claim)| claim).collect(),
    };
    claims.into_iter().filter(|claim| claim.parent != NodeId::DEVICES).collect()
}

impl Scratch<'_> {
    /// Rule 3.
    fn break_cycles(&mut self) {
        let directories: BTreeMap<NodeId, (NodeId, Stamp)> =
            (self.claims.iter().filter(|claim| claim.directory))
                .map(|claim| (claim.node, (claim.parent, claim.stamp)))
                .collect();
        let mut displaced = BTreeSet::new();
        for start in directories.keys() {
            let mut cycle = vec![*start];
            while let Some((parent, _)) = directories.get(cycle.last().unwrap()) {
                if parent == start {
                    displaced.extend(cycle.iter().max_by_key(|id| (directories[id].1, **id)).copied());
                    break;
                }
                if cycle.contains(parent) {
                    break;
                }
                cycle.push(*parent);
            }
        }
        for claim in &mut self.claims {
            let there = claim.parent == NodeId::ROOT || directories.contains_key(&claim.parent);
            if !there || displaced.contains(&claim.node) {
                claim.parent = NodeId::ROOT;
            }
        }
    }

    /// Rules 4 to 6, from `members` downwards.
    fn show(&self, members: &BTreeSet<NodeId>, path: &mut Vec<Name>, paths: &mut Paths) {
        let mut names: BTreeMap<&Name, Vec<&Claim>> = BTreeMap::new();
        for claim in self.claims.iter().filter(|claim| members.contains(&claim.parent)) {
            names.entry(&claim.name).or_default().push(claim);
        }
        let mut losers = Vec::new();
        for (name, claims) in &names {
            path.push((*name).clone());
            let directories: BTreeSet<NodeId> =
                claims.iter().filter(|claim| claim.directory).map(|claim| claim.node).collect();
            let mut contents = Vec::new();
            if let Some(front) = directories.first() {
                paths.insert(path.clone(), Shown::Directory(*front));
                self.show(&directories, path, paths);
            } else {
                let (node, stamp, data) = self.holder(claims);
                paths.insert(path.clone(), Shown::File { node, stamp });
                contents.push(data);
            }
            path.pop();
            losers.extend(self.losers(claims, contents).into_iter().map(|(s, id)| (s, id, (*name).clone())));
        }
        losers.sort();
        for (stamp, node, beside) in losers {
            let device = self.device(&stamp);
            let names_taken = |name: &Name| names.contains_key(name);
            let free =
                (1..).map(|count| tombstone_name(&beside, &device, stamp.lamport, count)).find(|name| {
                    path.push(name.clone());
                    let taken = names_taken(name) || paths.contains_key(path.as_slice());
                    path.pop();
                    !taken
                });
            path.extend(free);
            paths.insert(path.clone(), Shown::Tombstone { node, stamp });
            path.pop();
        }
    }

    /// Rule 5: who shows a name that no directory has.
    fn holder(&self, claims: &[&Claim]) -> (NodeId, Stamp, Data) {
        let own = |claim: &Claim| {
            let versions = shown(&self.nodes[&claim.node]);
            versions.into_iter().max_by_key(|(stamp, data)| (!data.is_empty(), *stamp)).unwrap()
        };
        let best =
            claims.iter().max_by_key(|claim| (!own(claim).1.is_empty(), claim.stamp, claim.node)).unwrap();
        let (stamp, data) = own(best);
        (best.node, stamp, data)
    }

    /// Rule 5: what stands beside a name.
    fn losers(&self, claims: &[&Claim], mut seen: Vec<Data>) -> Vec<(Stamp, NodeId)> {
        let files: BTreeSet<NodeId> = claims.iter().filter(|it| !it.directory).map(|it| it.node).collect();
        let mut versions: Vec<(Stamp, NodeId, Data)> = Vec::new();
        for id in files {
            versions.extend(shown(&self.nodes[&id]).into_iter().map(|(stamp, data)| (stamp, id, data)));
        }
        versions.sort_by_key(|(stamp, id, _)| (*stamp, *id));
        let mut losers = Vec::new();
        for (stamp, id, data) in versions {
            if !data.is_empty() && !seen.contains(&data) {
                losers.push((stamp, id));
                seen.push(data);
            }
        }
        losers
    }

    fn device(&self, stamp: &Stamp) -> String {
        let records = self.nodes.values().filter_map(|node| DeviceRecord::of_node(node));
        let named = records.into_iter().find(|record| record.replicas.contains(&stamp.replica));
        named.map_or_else(|| stamp.replica.to_string(), |record| record.name)
    }
}
