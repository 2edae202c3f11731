//! Rules 1 and 2 for one node: which data it shows, and which places it claims.

use super::super::device::in_devices;
use super::super::{Data, Name, Node, NodeId, Place, Stamp};

/// A place that a node claims.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The directory it names.
    pub parent: NodeId,
    /// The name in it.
    pub name: Name,
    /// Stamp of the place.
    pub stamp: Stamp,
    /// Whether the place is a past one.
    pub gone: bool,
}

impl Claim {
    fn new(stamp: Stamp, place: &Place) -> Self {
        let (parent, name) = place.slot();
        Claim { parent, name: name.clone(), stamp, gone: !place.is_at() }
    }
}

/// Rule 1: the versions of its data that a node shows, in ascending order of stamps.
pub fn shown(node: &Node) -> Vec<(Stamp, &Data)> {
    if node.is_placed() {
        return node.data.iter().collect();
    }
    let covered = |stamp: &Stamp| {
        node.places
            .iter()
            .any(|(_, place)| matches!(place, Place::Gone { covers, .. } if covers.contains(stamp)))
    };
    node.data.iter().filter(|(stamp, _)| !covered(stamp)).collect()
}

/// Which of two shown versions a file shows as its own: an empty one loses, then the greater stamp wins.
pub fn rank(stamp: Stamp, data: &Data) -> (bool, Stamp) {
    (!data.is_empty(), stamp)
}

/// The version that a node shows as its own.
pub fn own_version(node: &Node) -> Option<(Stamp, &Data)> {
    if node.is_placed() {
        // Nothing is covered: the usual case, asked for at every look at a file.
        return node.data.iter().max_by_key(|(stamp, data)| rank(*stamp, data));
    }
    shown(node).into_iter().max_by_key(|(stamp, data)| rank(*stamp, data))
}

/// Rule 2: the places a node claims. Whether a directory without a name is live depends on what claims to be
/// in it; its claim is given here and holds if it is.
pub fn claims(node: &Node) -> Vec<Claim> {
    let mut at = node.places.iter().filter(|(_, place)| place.is_at());
    let claims = if node.is_directory() {
        let gone = || node.places.iter().rev().find(|(_, place)| !place.is_at());
        at.next_back().or_else(gone).map(|(stamp, place)| Claim::new(stamp, place)).into_iter().collect()
    } else {
        file_claims(node)
    };
    claims.into_iter().filter(|claim: &Claim| claim.parent != NodeId::DEVICES).collect()
}

/// The claim of a directory.
pub fn directory_claim(node: &Node) -> Option<Claim> {
    claims(node).pop().filter(|_| node.is_directory())
}

fn file_claims(node: &Node) -> Vec<Claim> {
    if shown(node).is_empty() || node.places.iter().any(|(_, place)| in_devices(place)) {
        return Vec::new();
    }
    let mut claims: Vec<Claim> = Vec::new();
    for (stamp, place) in node.places.iter().filter(|(_, place)| place.is_at()) {
        let same = |claim: &&mut Claim| (claim.parent, &claim.name) == place.slot();
        match claims.iter_mut().find(same) {
            Some(claim) => claim.stamp = claim.stamp.max(stamp),
            None => claims.push(Claim::new(stamp, place)),
        }
    }
    if claims.is_empty() {
        claims.extend(node.places.winner().map(|(stamp, place)| Claim::new(stamp, place)));
    }
    claims
}
