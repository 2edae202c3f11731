//! Why a merge came out as it did: for each thing about which the two sides said something, what each did,
//! the rule of `docs/specs/merge.md` that decided, and where what lost is now.
//!
//! A pure function of the two states and the merged one. Beside the decisions, which are for people, an
//! explanation says of each node in which the states differed which versions were kept from which side: with
//! these [`replay`] makes the merged nodes again, without knowing the join.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::join::{Side, join_node};
use crate::vault::error::Result;
use crate::vault::operations::Difference;
use crate::vault::view::{Conflict, Group, Holder, Marks, Scene};
use crate::vault::{Context, Data, Kind, Name, Node, NodeId, Place, Stamp, Versions};

/// A path from the root.
pub type Path = Vec<Name>;

/// One state of a vault, to be explained.
#[derive(Clone, Copy)]
pub struct State<'a> {
    /// The tree it shows.
    pub scene: Scene<'a>,
    /// What is out of the ordinary in it.
    pub marks: &'a Marks,
    /// What it has seen.
    pub context: &'a Context,
}

/// What a merge did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Explanation {
    /// What both sides had a part in, by path.
    pub decisions: Vec<Decision>,
    /// Which versions were kept, of each node in which the two states differed; ascending.
    pub nodes: Vec<Kept>,
}

/// Something that was decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Where it is after the merge; of what is gone, where it was.
    pub path: Path,
    /// The rule by number; `None` where nothing stood against anything else.
    pub rule: Option<u8>,
    /// Why it is so.
    pub why: Why,
    /// Who did what; those that prevail first.
    pub acts: Vec<Act>,
    /// The losing version, if there is one to be seen.
    pub conflict: Option<Conflict>,
    /// How a person would have it otherwise.
    pub otherwise: Otherwise,
}

/// What somebody did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Act {
    /// On which side of the merge: 0 or 1; `None` if both know of it, or there is no merge.
    pub side: Option<usize>,
    /// What.
    pub did: Did,
    /// The operation; `None` if what it removed is all that is known of it.
    pub stamp: Option<Stamp>,
    /// Bytes of what was written.
    pub size: Option<u64>,
    /// To which path it moved, or where it was made.
    pub path: Option<Path>,
    /// Whether it has the name.
    pub prevails: bool,
}

/// What can be done to a thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs, reason = "the words say it")]
pub enum Did {
    Wrote,
    Placed,
    Removed,
    Attributes,
    Dropped,
}

/// Why something is as it is after a merge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Why {
    /// Rule 1: a removal means the versions it knew of.
    EditOutlivesRemoval,
    /// Rule 1: what has a name is not removed.
    NameOutlivesRemoval,
    /// Rule 2: a file has every name it was given.
    BothNames,
    /// Rule 2: a directory is where it was put last.
    LaterMove,
    /// Rule 3: two directories were moved into each other.
    Cycle,
    /// Rule 4: directories of one name are one.
    United,
    /// Rule 5: of two versions of a file the later one shows (an empty one gives way).
    LaterVersion,
    /// Rule 5: of two files of one name the one that took it later has it.
    LaterName,
    /// Rule 5: a directory has a name before a file.
    DirectoryFirst,
    /// Rule 5: both wrote the same.
    SameContent,
    /// Of attributes the later ones count, whole.
    LaterAttributes,
    /// One side changed the content, the other the name: both hold.
    EditFollowsMove,
}

impl Why {
    /// The rule of `docs/specs/merge.md`.
    pub fn rule(&self) -> Option<u8> {
        match self {
            Why::EditOutlivesRemoval | Why::NameOutlivesRemoval => Some(1),
            Why::BothNames | Why::LaterMove => Some(2),
            Why::Cycle => Some(3),
            Why::United => Some(4),
            Why::LaterVersion | Why::LaterName | Why::DirectoryFirst | Why::SameContent => Some(5),
            Why::LaterAttributes | Why::EditFollowsMove => None,
        }
    }

    /// In words.
    pub fn text(&self) -> &'static str {
        match self {
            Why::EditOutlivesRemoval => "the removal did not know of the edit, so the edit stays",
            Why::NameOutlivesRemoval => "moving or linking a file keeps it from being removed",
            Why::BothNames => "renamed differently: the file has both names",
            Why::LaterMove => "moved differently: the later move counts",
            Why::Cycle => "moved into each other: the later move shows in the root",
            Why::United => "directories of one name are one",
            Why::LaterVersion => "written on both sides: the later version has the name",
            Why::LaterName => "two files of one name: the later one has it",
            Why::DirectoryFirst => "a directory has a name before a file",
            Why::SameContent => "both wrote the same: no conflict",
            Why::LaterAttributes => "attributes are one value: the later one counts",
            Why::EditFollowsMove => "the edit follows the move",
        }
    }
}

/// What a person does who wants the other outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Otherwise {
    /// Nothing: nothing was given up.
    Nothing,
    /// Decide the conflict.
    Resolve,
    /// Remove this path.
    Remove(Path),
    /// Move this path to where the other side had put it.
    Move(Path, Path),
}

/// Which versions of a node were kept, by field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// The node.
    pub node: NodeId,
    /// What it is.
    pub kind: Kind,
    /// Of its names.
    pub places: Picked,
    /// Of its attributes.
    pub attr: Picked,
    /// Of its data.
    pub data: Picked,
}

/// Versions picked from two sides, by their stamps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Picked {
    /// From the first side, those that both have among them.
    pub ours: Vec<Stamp>,
    /// From the second side only.
    pub theirs: Vec<Stamp>,
}

impl Picked {
    fn of<T>(merged: &Versions<T>, ours: &Versions<T>) -> Self {
        let (ours, theirs) = merged.stamps().partition(|stamp| ours.at(stamp).is_some());
        Picked { ours, theirs }
    }

    fn take<T: Clone>(&self, ours: &Versions<T>, theirs: &Versions<T>) -> Versions<T> {
        let from = |stamps: &[Stamp], side: &Versions<T>| {
            let values = stamps.iter().filter_map(|stamp| Some((*stamp, side.at(stamp)?.clone())));
            values.collect::<Vec<_>>()
        };
        from(&self.ours, ours).into_iter().chain(from(&self.theirs, theirs)).collect()
    }
}

/// Explains the merge of two states, given the nodes in which they differ.
///
/// # Errors
/// As [`join_node`]; of the states.
pub fn explain(sides: [State<'_>; 2], merged: State<'_>, differences: &[Difference]) -> Result<Explanation> {
    let mut explanation = Explanation::default();
    for (id, ours, theirs) in differences {
        let of = |node, context| Side { node, context };
        let node = join_node(of(ours.as_deref(), sides[0].context), of(theirs.as_deref(), sides[1].context))?;
        explanation.nodes.push(kept(*id, node.as_ref(), ours.as_deref(), theirs.as_deref()));
        let both = Both {
            id: *id,
            sides,
            merged,
            node: node.as_ref(),
            versions: [ours.as_deref(), theirs.as_deref()],
        };
        explanation.decisions.extend(both.decisions()?);
    }
    explanation.decisions.extend(by_name(sides, merged)?);
    explanation.decisions.sort_by(|a, b| (&a.path, a.rule).cmp(&(&b.path, b.rule)));
    Ok(explanation)
}

/// Explains everything that stands beside its name in one state.
///
/// # Errors
/// Of the state.
pub fn explain_conflicts(state: State<'_>) -> Result<Vec<Decision>> {
    let conflicts = state.scene.conflicts()?;
    let decisions = conflicts.into_iter().map(|conflict| decided(state.scene, conflict, &|_| None));
    decisions.collect()
}

/// Makes the merged nodes again from those of the two sides, as an explanation says. `None`: there is none.
pub fn replay(explanation: &Explanation, differences: &[Difference]) -> Vec<(NodeId, Option<Arc<Node>>)> {
    let picked = explanation.nodes.iter().zip(differences).map(|(kept, (id, ours, theirs))| {
        let none = Node::empty(kept.kind);
        let (a, b) = (ours.as_deref().unwrap_or(&none), theirs.as_deref().unwrap_or(&none));
        let node = Node {
            kind: kept.kind,
            places: kept.places.take(&a.places, &b.places),
            attr: kept.attr.take(&a.attr, &b.attr),
            data: kept.data.take(&a.data, &b.data),
        };
        (*id, (!node.is_empty()).then(|| Arc::new(node)))
    });
    picked.collect()
}

fn kept(id: NodeId, merged: Option<&Node>, ours: Option<&Node>, theirs: Option<&Node>) -> Kept {
    let kind = merged.or(ours).or(theirs).map_or(Kind::File, |node| node.kind);
    let none = Node::empty(kind);
    let (merged, ours) = (merged.unwrap_or(&none), ours.unwrap_or(&none));
    Kept {
        node: id,
        kind,
        places: Picked::of(&merged.places, &ours.places),
        attr: Picked::of(&merged.attr, &ours.attr),
        data: Picked::of(&merged.data, &ours.data),
    }
}

/// A node that both sides may have had a part in.
struct Both<'a> {
    id: NodeId,
    sides: [State<'a>; 2],
    merged: State<'a>,
    node: Option<&'a Node>,
    versions: [Option<&'a Node>; 2],
}

impl Both<'_> {
    fn decisions(&self) -> Result<Vec<Decision>> {
        let acts = [self.acts(0)?, self.acts(1)?];
        let did = |side: usize, what: Did| acts[side].iter().any(|act| act.did == what);
        let either = |one: Did, other: Did| did(0, one) && did(1, other) || did(1, one) && did(0, other);
        if acts.iter().any(Vec::is_empty) {
            return Ok(Vec::new());
        }
        let directory = self.node.is_some_and(Node::is_directory);
        let path = self.path()?;
        let mut whys = Vec::new();
        if did(0, Did::Placed) && did(1, Did::Placed) {
            match directory {
                true => whys.push((Why::LaterMove, moved_otherwise(&path, &acts))),
                false => whys.push((Why::BothNames, Otherwise::Remove(path.clone()))),
            }
        }
        if either(Did::Removed, Did::Placed) {
            whys.push((Why::NameOutlivesRemoval, Otherwise::Remove(path.clone())));
        } else if either(Did::Removed, Did::Wrote) {
            whys.push((Why::EditOutlivesRemoval, Otherwise::Remove(path.clone())));
        }
        if either(Did::Wrote, Did::Placed) && whys.is_empty() {
            whys.push((Why::EditFollowsMove, Otherwise::Nothing));
        }
        if did(0, Did::Wrote) && did(1, Did::Wrote) && self.wrote_the_same() {
            whys.push((Why::SameContent, Otherwise::Nothing));
        }
        if either(Did::Attributes, Did::Attributes) || either(Did::Attributes, Did::Wrote) {
            whys.push((Why::LaterAttributes, Otherwise::Nothing));
        }
        let decision = |(why, otherwise): (Why, Otherwise)| {
            let mut acts: Vec<Act> = acts.iter().flatten().cloned().collect();
            acts.sort_by_key(|act| std::cmp::Reverse(act.stamp));
            Decision { path: path.clone(), rule: why.rule(), why, acts, conflict: None, otherwise }
        };
        Ok(whys.into_iter().map(decision).collect())
    }

    /// What one side did to the node that the other had not seen.
    fn acts(&self, side: usize) -> Result<Vec<Act>> {
        let own = self.versions[side];
        let (context, other) = (self.sides[side].context, self.sides[1 - side].context);
        let Some(node) = own else { return Ok(self.forgot(side)) };
        let new = |stamp: &Stamp| !other.has_seen(stamp);
        let act = |did, stamp| Act {
            side: Some(side),
            did,
            stamp,
            size: None,
            path: None,
            prevails: self.keeps(&stamp),
        };
        let mut acts = Vec::new();
        for (stamp, data) in node.data.iter().filter(|(stamp, _)| new(stamp)) {
            acts.push(Act { size: size_of(data), ..act(Did::Wrote, Some(stamp)) });
        }
        for (stamp, place) in node.places.iter().filter(|(stamp, _)| new(stamp)) {
            let (parent, name) = place.slot();
            let above = self.sides[side].scene.path(&parent).unwrap_or(None);
            let path = above.map(|above| [&above[..], std::slice::from_ref(name)].concat());
            match place {
                Place::At { .. } => acts.push(Act { path, ..act(Did::Placed, Some(stamp)) }),
                Place::Gone { .. } if !node.is_placed() => {
                    acts.push(Act { path, ..act(Did::Removed, Some(stamp)) });
                }
                Place::Gone { .. } => {}
            }
        }
        let wrote = acts.iter().any(|act| act.did == Did::Wrote);
        let made =
            acts.iter().any(|act| act.did == Did::Placed) && node.data.iter().all(|(stamp, _)| new(&stamp));
        if !wrote && !made {
            let attributes = node.attr.stamps().filter(new).max();
            acts.extend(attributes.map(|stamp| act(Did::Attributes, Some(stamp))));
        }
        if let Some(theirs) = self.versions[1 - side].filter(|_| !wrote) {
            let dropped =
                theirs.data.stamps().filter(|stamp| context.has_seen(stamp) && node.data.at(stamp).is_none());
            acts.extend(dropped.take(1).map(|_| act(Did::Dropped, None)));
        }
        Ok(acts)
    }

    /// A node that one side has not: removed there without a trace, if that side ever knew of it.
    fn forgot(&self, side: usize) -> Vec<Act> {
        let theirs = self.versions[1 - side].into_iter().flat_map(Node::stamps);
        let knew = theirs.into_iter().any(|stamp| self.sides[side].context.has_seen(&stamp));
        let removed =
            Act { side: Some(side), did: Did::Removed, stamp: None, size: None, path: None, prevails: false };
        if knew { vec![removed] } else { Vec::new() }
    }

    fn keeps(&self, stamp: &Option<Stamp>) -> bool {
        let Some((node, stamp)) = self.node.zip(stamp.as_ref()) else { return false };
        let wins = |winner: Option<Stamp>| winner == Some(*stamp);
        let last_name = node.places.iter().rev().find(|(_, place)| place.is_at()).map(|(stamp, _)| stamp);
        let placed = match node.places.at(stamp) {
            Some(place) if place.is_at() => !node.is_directory() || wins(last_name),
            Some(_) => !node.is_placed(),
            None => false,
        };
        placed || wins(node.data.stamps().next_back()) || wins(node.attr.stamps().next_back())
    }

    fn wrote_the_same(&self) -> bool {
        let own = |side: usize| {
            let other = self.sides[1 - side].context;
            let node = self.versions[side];
            let new = node.and_then(|node| node.data.iter().rev().find(|(stamp, _)| !other.has_seen(stamp)));
            new.map(|(_, data)| data.clone())
        };
        own(0).is_some() && own(0) == own(1)
    }

    /// Where it is after the merge, else where it was.
    fn path(&self) -> Result<Path> {
        for state in [&self.merged, &self.sides[0], &self.sides[1]] {
            if let Some(path) = state.scene.path(&self.id)? {
                return Ok(path);
            }
        }
        Ok(Path::new())
    }
}

/// What a merge decided about names: conflicts, united and displaced directories that neither side had.
fn by_name(sides: [State<'_>; 2], merged: State<'_>) -> Result<Vec<Decision>> {
    let side_of = |stamp: &Stamp| match sides.map(|side| side.context.has_seen(stamp)) {
        [true, false] => Some(0),
        [false, true] => Some(1),
        _ => None,
    };
    let mut known: BTreeSet<(NodeId, Stamp, Name)> = BTreeSet::new();
    for side in &sides {
        let conflicts = side.scene.conflicts()?.into_iter().map(|it| it.tombstone);
        known.extend(conflicts.map(|it| (it.node, it.stamp, it.beside)));
    }
    let mut decisions = Vec::new();
    for conflict in merged.scene.conflicts()? {
        let tombstone = &conflict.tombstone;
        if !known.contains(&(tombstone.node, tombstone.stamp, tombstone.beside.clone())) {
            decisions.push(decided(merged.scene, conflict, &side_of)?);
        }
    }
    let mut united: Vec<Group> = Vec::new();
    for side in &sides {
        united.extend(side.scene.united()?);
    }
    for group in merged.scene.united()? {
        if group.members().len() > 1 && !united.contains(&group) && !group.has(&NodeId::ROOT) {
            decisions.push(of_directories(merged.scene, group.members(), Why::United, &side_of)?);
        }
    }
    for id in &merged.marks.displaced {
        if sides.iter().all(|side| !side.marks.displaced.contains(id)) {
            decisions.push(of_directories(merged.scene, &[*id], Why::Cycle, &side_of)?);
        }
    }
    Ok(decisions)
}

fn of_directories(
    scene: Scene<'_>,
    ids: &[NodeId],
    why: Why,
    side_of: &dyn Fn(&Stamp) -> Option<usize>,
) -> Result<Decision> {
    let mut acts = Vec::new();
    let mut path = Path::new();
    for id in ids {
        path = scene.path(id)?.unwrap_or(path);
        let claim = scene.directory_claim(id)?;
        acts.extend(claim.map(|claim| Act {
            side: side_of(&claim.stamp),
            did: Did::Placed,
            stamp: Some(claim.stamp),
            size: None,
            path: Some(path.clone()),
            prevails: true,
        }));
    }
    acts.sort_by_key(|act| std::cmp::Reverse(act.stamp));
    let otherwise = Otherwise::Nothing;
    Ok(Decision { path, rule: why.rule(), why, acts, conflict: None, otherwise })
}

/// Where the move that did not count would have put a directory.
fn moved_otherwise(path: &Path, acts: &[Vec<Act>; 2]) -> Otherwise {
    let lost = acts.iter().flatten().find(|act| act.did == Did::Placed && !act.prevails);
    let to = lost.and_then(|act| act.path.clone());
    to.map_or(Otherwise::Nothing, |to| Otherwise::Move(path.clone(), to))
}

/// Rule 5: why a version stands beside its name.
fn decided(
    scene: Scene<'_>,
    conflict: Conflict,
    side_of: &dyn Fn(&Stamp) -> Option<usize>,
) -> Result<Decision> {
    let tombstone = &conflict.tombstone;
    let group = scene.group(&conflict.front)?;
    let resolved = scene.resolve(&group, &tombstone.beside)?;
    let mut acts = Vec::new();
    let mut why = Why::LaterVersion;
    if let Some(resolved) = &resolved {
        let claim = resolved.claims.iter().find(|claim| claim.node == resolved.holder.id());
        why = match resolved.holder {
            Holder::Directory(_) => Why::DirectoryFirst,
            Holder::File(node) if node == tombstone.node => Why::LaterVersion,
            Holder::File(_) => Why::LaterName,
        };
        let (did, stamp, size) = match &resolved.shown {
            Some((stamp, data)) => (Did::Wrote, Some(*stamp), size_of(data)),
            None => (Did::Placed, claim.map(|claim| claim.stamp), None),
        };
        let side = stamp.as_ref().and_then(side_of);
        acts.push(Act { side, did, stamp, size, path: None, prevails: true });
    }
    let node = scene.node(&tombstone.node)?;
    acts.push(Act {
        side: side_of(&tombstone.stamp),
        did: Did::Wrote,
        stamp: Some(tombstone.stamp),
        size: node.and_then(|node| node.data.at(&tombstone.stamp).and_then(size_of)),
        path: None,
        prevails: false,
    });
    let (path, rule) = (conflict.path(), why.rule());
    Ok(Decision { path, rule, why, acts, conflict: Some(conflict), otherwise: Otherwise::Resolve })
}

fn size_of(data: &Data) -> Option<u64> {
    match data {
        Data::Content(content) => Some(content.len()),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
