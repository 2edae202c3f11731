//! Keeping the index up with changed nodes.
//!
//! A changed node touches its old and new claims; directories without a name come and go with what claims to
//! be in them, so a change walks up, but only through such. What is out of the ordinary ([`super::Marks`])
//! is worked out anew for the names touched, and cycles for the directories that moved.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::ControlFlow;
use std::sync::Arc;

use super::super::error::Result;
use super::super::{DeviceRecord, Kind, Name, Node, NodeId, NodeSource};
use super::claims::{Claim, claims, directory_claim, shown};
use super::naming::may_be_tombstone;
use super::rows::{Row, RowKey};
use super::{Marks, Tombstone, View};

/// A node that changed.
#[derive(Clone, Debug)]
pub struct NodeUpdate {
    /// Which.
    pub id: NodeId,
    /// What it was; `None` if there was none.
    pub old: Option<Arc<Node>>,
    /// What it is; `None` if there is none any more.
    pub new: Option<Arc<Node>>,
}

/// What an update may have changed for who looks at the tree.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Touched {
    /// Names that may show something else now, or nothing: directory (as it is named now, and its front) and
    /// name.
    pub names: BTreeSet<(NodeId, Name)>,
    /// Nodes whose attributes or data changed.
    pub nodes: BTreeSet<NodeId>,
    /// Directories were united, parted or moved by rules 3 and 4: any name may show something else. Rare.
    pub everything: bool,
}

impl Touched {
    /// Adds what another update touched.
    pub fn merge(&mut self, other: Touched) {
        self.names.extend(other.names);
        self.nodes.extend(other.nodes);
        self.everything |= other.everything;
    }
}

impl View {
    /// Follows the change of some nodes (each named once). `nodes` has the new state already.
    ///
    /// # Errors
    /// Of index and nodes. The view is then of no use any more.
    pub fn update(&mut self, nodes: &dyn NodeSource, updates: &[NodeUpdate]) -> Result<Touched> {
        let mut touched = Touched::default();
        let before = Before { nodes, updates: updates.iter().map(|update| (update.id, update)).collect() };
        let mut parents = affected_parents(&before, nodes, updates)?;
        let old = Shape::of(self, &before, &parents)?;
        let old_marks = self.marks.clone_structure();
        let mut work = Work {
            view: self,
            nodes,
            slots: BTreeSet::new(),
            dirs: BTreeSet::new(),
            dir_slots: BTreeSet::new(),
            parents: BTreeSet::new(),
            gained: Vec::new(),
            lost: Vec::new(),
        };
        for update in updates {
            work.replace_rows(update)?;
        }
        work.settle_liveness()?;
        work.refresh_absent()?;
        work.refresh_displaced()?;
        work.refresh_marks()?;
        let (slots, dirs, dir_slots) = (work.slots, work.dirs, work.dir_slots);
        let devices_changed = self.refresh_devices(updates);
        self.refresh_nameless(updates);
        parents.extend(slots.iter().map(|(parent, _)| *parent));
        let restructured = self.restructured(&old_marks, nodes, &dirs, &dir_slots, old.united)?;
        if restructured {
            self.beside.clear();
        } else {
            self.refresh_beside(nodes, &slots)?;
        }
        if devices_changed {
            self.beside.forget_names();
        }
        touched.everything = devices_changed || restructured;
        let new = Shape::of(self, nodes, &parents)?;
        self.touch_names(nodes, &slots, &mut touched)?;
        for (front, tombstone) in old.tombstones.symmetric_difference(&new.tombstones) {
            touched.names.insert((*front, tombstone.name.clone()));
        }
        touched
            .nodes
            .extend(updates.iter().filter(|update| update.shows_otherwise()).map(|update| update.id));
        Ok(touched)
    }

    fn touch_names(
        &self,
        nodes: &dyn NodeSource,
        slots: &BTreeSet<(NodeId, Name)>,
        touched: &mut Touched,
    ) -> Result<()> {
        for (parent, name) in slots {
            touched.names.insert((*parent, name.clone()));
            if !self.marks.is_plain() {
                touched.names.insert((self.scene(nodes).group(parent)?.front(), name.clone()));
            }
        }
        Ok(())
    }

    /// Whether other directories are one than before, given the directories whose claims changed and the
    /// names they claimed or claim.
    fn restructured(
        &self,
        old: &Structure,
        nodes: &dyn NodeSource,
        dirs: &BTreeSet<NodeId>,
        dir_slots: &BTreeSet<(NodeId, Name)>,
        inside_united: bool,
    ) -> Result<bool> {
        if *old != self.marks.clone_structure() {
            return Ok(true);
        }
        if self.marks.is_plain() {
            return Ok(false);
        }
        // What a cycle displaced is not where it claims to be: its names are others than the claims say.
        if dirs.iter().any(|dir| self.marks.displaced.contains(dir)) {
            return Ok(true);
        }
        let scene = self.scene(nodes);
        for (parent, name) in dir_slots {
            // Who is there now, beside or instead of one that came, went or changed?
            let others = match scene.child(&scene.group(parent)?, name)? {
                None => false,
                Some(group) if group.members().len() > 1 => true,
                Some(group) => !dirs.contains(&group.front()) || inside_united && dirs.len() > 1,
            };
            if others {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Lets what is kept of directories follow the names touched.
    fn refresh_beside(&self, nodes: &dyn NodeSource, slots: &BTreeSet<(NodeId, Name)>) -> Result<()> {
        if self.marks.is_plain() && self.marks.conflicted.is_empty() {
            self.beside.clear();
            return Ok(());
        }
        let scene = self.scene(nodes);
        for (parent, name) in slots {
            let group = scene.group(parent)?;
            if self.beside.losers(&group.front()).is_some() {
                let losers = scene.losers_beside(&group, name)?;
                self.beside.replace(&group.front(), name, losers, may_be_tombstone(name));
            }
        }
        Ok(())
    }

    fn refresh_nameless(&mut self, updates: &[NodeUpdate]) {
        for update in updates {
            let nameless = update.new.as_deref().is_some_and(|node| !node.is_placed());
            match nameless && update.id != NodeId::ROOT {
                true => self.marks.nameless.insert(update.id),
                false => self.marks.nameless.remove(&update.id),
            };
        }
    }

    fn refresh_devices(&mut self, updates: &[NodeUpdate]) -> bool {
        let mut changed = false;
        for update in updates {
            let record = update.new.as_deref().and_then(DeviceRecord::of_node);
            let known = match record.clone() {
                Some(record) => self.marks.devices.insert(update.id, record),
                None => self.marks.devices.remove(&update.id),
            };
            changed |= known != record;
        }
        changed && !self.marks.conflicted.is_empty()
    }
}

/// The marks by which directories are united.
type Structure = Marks;

impl Marks {
    fn clone_structure(&self) -> Structure {
        Marks {
            collided: self.collided.clone(),
            displaced: self.displaced.clone(),
            absent: self.absent.clone(),
            ..Marks::default()
        }
    }
}

impl NodeUpdate {
    fn shows_otherwise(&self) -> bool {
        match (&self.old, &self.new) {
            (Some(old), Some(new)) => old.attr != new.attr || old.data != new.data,
            _ => true,
        }
    }
}

/// The nodes as they were before an update.
struct Before<'a> {
    nodes: &'a dyn NodeSource,
    updates: HashMap<NodeId, &'a NodeUpdate>,
}

impl NodeSource for Before<'_> {
    fn node(&self, id: &NodeId) -> Result<Option<Arc<Node>>> {
        match self.updates.get(id) {
            Some(update) => Ok(update.old.clone()),
            None => self.nodes.node(id),
        }
    }
}

/// The directories whose entries an update may touch: those of old and new claims, and above directories
/// without a name those that they claim to be in.
fn affected_parents(
    before: &dyn NodeSource,
    after: &dyn NodeSource,
    updates: &[NodeUpdate],
) -> Result<BTreeSet<NodeId>> {
    let sides = updates.iter().flat_map(|update| [&update.old, &update.new]).flatten();
    let mut todo: Vec<NodeId> = sides.flat_map(|node| claims(node)).map(|claim| claim.parent).collect();
    let mut parents = BTreeSet::new();
    while let Some(parent) = todo.pop() {
        if parent == NodeId::ROOT || !parents.insert(parent) {
            continue;
        }
        for side in [before, after] {
            if let Some(node) = side.node(&parent)?.filter(|node| node.is_directory() && !node.is_placed()) {
                todo.extend(directory_claim(&node).map(|claim| claim.parent));
            }
        }
    }
    parents.insert(NodeId::ROOT);
    Ok(parents)
}

/// What some directories show by rules 4 to 6.
struct Shape {
    tombstones: BTreeSet<(NodeId, Tombstone)>,
    united: bool,
}

impl Shape {
    fn of(view: &View, nodes: &dyn NodeSource, dirs: &BTreeSet<NodeId>) -> Result<Shape> {
        let mut shape = Shape { tombstones: BTreeSet::new(), united: false };
        if view.marks.is_plain() && view.marks.conflicted.is_empty() {
            return Ok(shape);
        }
        let scene = view.scene(nodes);
        let mut fronts = BTreeSet::new();
        for dir in dirs {
            let group = scene.group(dir)?;
            if !fronts.insert(group.front()) {
                continue;
            }
            shape.united |= group.members().len() > 1;
            let tombstones = scene.tombstones(&group)?;
            shape.tombstones.extend(tombstones.iter().map(|it| (group.front(), it.clone())));
        }
        Ok(shape)
    }
}

struct Work<'a> {
    view: &'a mut View,
    nodes: &'a dyn NodeSource,
    /// Names whose claims, or whose claimants' data, changed.
    slots: BTreeSet<(NodeId, Name)>,
    /// Directories whose claims changed.
    dirs: BTreeSet<NodeId>,
    /// The names that they claimed or claim.
    dir_slots: BTreeSet<(NodeId, Name)>,
    /// Directories that got or lost a claim, or that came or went themselves.
    parents: BTreeSet<NodeId>,
    gained: Vec<NodeId>,
    lost: Vec<NodeId>,
}

impl Work<'_> {
    fn replace_rows(&mut self, update: &NodeUpdate) -> Result<()> {
        let old = self.live_claims(update.id, update.old.as_deref(), false)?;
        let new = self.live_claims(update.id, update.new.as_deref(), true)?;
        let kind = update.new.as_deref().or(update.old.as_deref()).map_or(Kind::File, |node| node.kind);
        for claim in &old {
            self.slots.insert((claim.parent, claim.name.clone()));
            if !new.iter().any(|other| (other.parent, &other.name) == (claim.parent, &claim.name)) {
                self.remove(update.id, kind, claim);
            }
        }
        for claim in &new {
            self.slots.insert((claim.parent, claim.name.clone()));
            if !old.contains(claim) {
                self.put(update.id, kind, claim);
            }
        }
        if kind == Kind::Directory {
            self.parents.insert(update.id);
            self.lost.push(update.id);
            self.gained.push(update.id);
            if old != new {
                self.dirs.insert(update.id);
                let claims = old.into_iter().chain(new);
                self.dir_slots.extend(claims.map(|claim| (claim.parent, claim.name)));
            }
        }
        Ok(())
    }

    /// The claims that a node has rows for (old), or is to have, as far as is known now (new).
    fn live_claims(&self, id: NodeId, node: Option<&Node>, new: bool) -> Result<Vec<Claim>> {
        let Some(node) = node else { return Ok(Vec::new()) };
        let mut claims = claims(node);
        if node.is_directory() && !node.is_placed() {
            let scene = self.view.scene(self.nodes);
            let live = match (new, claims.first()) {
                (_, None) => false,
                (true, _) => !scene.has_no_rows(&id)?,
                (false, Some(claim)) => scene.has_row(&id, claim)?,
            };
            claims.retain(|_| live);
        }
        Ok(claims)
    }

    fn key(&self, id: NodeId, claim: &Claim) -> RowKey {
        let hash = self.view.names.hash(&claim.name) & (u64::MAX >> 1);
        RowKey::new(&claim.parent, hash, &id, &claim.name)
    }

    fn put(&mut self, id: NodeId, kind: Kind, claim: &Claim) {
        let key = self.key(id, claim);
        let row = Row { stamp: claim.stamp, kind, gone: claim.gone };
        if kind == Kind::Directory {
            self.view.rows.put(key.among_directories(), row);
        }
        self.view.rows.put(key, row);
        self.parents.insert(claim.parent);
        self.gained.push(claim.parent);
        // A directory that loses its name may have lived by what lives only by it.
        self.lost.push(claim.parent);
    }

    fn remove(&mut self, id: NodeId, kind: Kind, claim: &Claim) {
        let key = self.key(id, claim);
        if kind == Kind::Directory {
            self.view.rows.remove(key.among_directories());
        }
        self.view.rows.remove(key);
        self.parents.insert(claim.parent);
        self.lost.push(claim.parent);
    }

    /// Brings directories without a name to life that something claims to be in, then buries those that
    /// nothing does but others such.
    fn settle_liveness(&mut self) -> Result<()> {
        while let Some(id) = self.gained.pop() {
            let Some(claim) = self.nameless(&id)? else { continue };
            let scene = self.view.scene(self.nodes);
            if !scene.has_no_rows(&id)? && !scene.has_row(&id, &claim)? {
                self.put(id, Kind::Directory, &claim);
                self.moved(id, claim);
            }
        }
        while let Some(id) = self.lost.pop() {
            let Some(claim) = self.nameless(&id)? else { continue };
            if !self.view.scene(self.nodes).has_row(&id, &claim)? {
                continue;
            }
            for dead in self.ungrounded(id)? {
                if let Some(claim) = self.nameless(&dead)? {
                    self.remove(dead, Kind::Directory, &claim);
                    self.moved(dead, claim);
                }
            }
        }
        Ok(())
    }

    fn moved(&mut self, id: NodeId, claim: Claim) {
        self.dirs.insert(id);
        self.dir_slots.insert((claim.parent, claim.name.clone()));
        self.slots.insert((claim.parent, claim.name));
    }

    /// The claim of a directory without a name.
    fn nameless(&self, id: &NodeId) -> Result<Option<Claim>> {
        let node = self.nodes.node(id)?.filter(|node| node.is_directory() && !node.is_placed());
        Ok(node.and_then(|node| directory_claim(&node)))
    }

    /// The directories without a name that live by nothing but each other, among them `id`; none if
    /// something keeps it alive.
    fn ungrounded(&self, id: NodeId) -> Result<BTreeSet<NodeId>> {
        let mut seen = BTreeSet::from([id]);
        let mut todo = vec![id];
        while let Some(dir) = todo.pop() {
            let mut grounded = false;
            self.view.rows.scan(&dir, 0, &mut |child| {
                grounded = child.row.kind != Kind::Directory || !child.row.gone;
                if grounded {
                    return Ok(ControlFlow::Break(()));
                }
                if seen.insert(child.node) {
                    todo.push(child.node);
                }
                Ok(ControlFlow::Continue(()))
            })?;
            if grounded {
                return Ok(BTreeSet::new());
            }
        }
        Ok(seen)
    }

    fn refresh_absent(&mut self) -> Result<()> {
        for parent in &self.parents {
            let there = *parent == NodeId::ROOT
                || self.nodes.node(parent)?.is_some_and(|node| directory_claim(&node).is_some());
            if !there && !self.view.scene(self.nodes).has_no_rows(parent)? {
                self.view.marks.absent.insert(*parent);
            } else {
                self.view.marks.absent.remove(parent);
            }
        }
        Ok(())
    }

    /// Rule 3: walks up from the directories that moved, and from those displaced before; a directory met
    /// twice on one walk is on a cycle.
    fn refresh_displaced(&mut self) -> Result<()> {
        let starts: BTreeSet<NodeId> = self.dirs.union(&self.view.marks.displaced).copied().collect();
        let mut walks: HashMap<NodeId, usize> = HashMap::new();
        let mut displaced = BTreeSet::new();
        for (walk, start) in starts.iter().enumerate() {
            let mut path: Vec<(NodeId, Claim)> = Vec::new();
            let mut at = *start;
            while at != NodeId::ROOT && !walks.contains_key(&at) {
                let Some(claim) = self.row_claim(&at)? else { break };
                walks.insert(at, walk);
                path.push((at, claim.clone()));
                at = claim.parent;
            }
            if walks.get(&at) == Some(&walk) {
                let cycle = path.iter().skip_while(|(id, _)| *id != at);
                displaced.extend(cycle.max_by_key(|(id, claim)| (claim.stamp, *id)).map(|(id, _)| *id));
            }
        }
        for id in displaced.symmetric_difference(&self.view.marks.displaced) {
            if let Some(claim) = self.nodes.node(id)?.and_then(|node| directory_claim(&node)) {
                self.slots.insert((NodeId::ROOT, claim.name.clone()));
                self.slots.insert((claim.parent, claim.name));
            }
        }
        self.view.marks.displaced = displaced;
        Ok(())
    }

    /// The claim of a live directory, before rule 3.
    fn row_claim(&self, id: &NodeId) -> Result<Option<Claim>> {
        let Some(node) = self.nodes.node(id)? else { return Ok(None) };
        let Some(claim) = directory_claim(&node) else { return Ok(None) };
        let live = node.is_placed() || self.view.scene(self.nodes).has_row(id, &claim)?;
        Ok(live.then_some(claim))
    }

    fn refresh_marks(&mut self) -> Result<()> {
        for (parent, name) in &self.slots {
            let (mut directories, mut files) = (0, Vec::new());
            let hash = self.view.names.hash(name) & (u64::MAX >> 1);
            self.view.rows.scan_hash(parent, hash, &mut |seen| {
                match seen.row.kind {
                    _ if *seen.name != **name => {}
                    Kind::Directory => directories += 1,
                    _ => files.push(seen.node),
                }
                Ok(ControlFlow::Continue(()))
            })?;
            let conflicted = match files.as_slice() {
                [] => false,
                [only] if directories == 0 => {
                    self.nodes.node(only)?.is_some_and(|node| shown(&node).len() > 1)
                }
                _ => true,
            };
            mark(&mut self.view.marks.collided, *parent, name, directories > 1);
            mark(&mut self.view.marks.conflicted, *parent, name, conflicted);
        }
        Ok(())
    }
}

fn mark(marks: &mut BTreeMap<NodeId, BTreeSet<Name>>, parent: NodeId, name: &Name, set: bool) {
    if set {
        marks.entry(parent).or_default().insert(name.clone());
    } else if let Some(names) = marks.get_mut(&parent) {
        names.remove(name);
        if names.is_empty() {
            marks.remove(&parent);
        }
    }
}
