//! One replica of a history: its tree, what is durable of it, the copies that may be restored, its lives.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::super::join_states;
use super::Dice;
use super::plain::Plain;
use super::scratch::{Paths, Shown};
use super::tokens::Knowledge;
use super::world::Check;
use crate::vault::operations::may_reclaim;
use crate::vault::view::{NameHash, Touched, View};
use crate::vault::{
    Context, Delta, DeviceRecord, Entry, Kind, LifeMove, Name, NoNodes, Node, NodeId, Outcome, ReplicaId,
    Stamp, Tree,
};

pub(super) type AllNodes = BTreeMap<NodeId, Arc<Node>>;

/// Few values, so that hashes collide, also above the rank bits of cookies.
#[derive(Debug)]
struct FewHashes;

impl NameHash for FewHashes {
    fn hash(&self, name: &[u8]) -> u64 {
        name.iter().fold(7u64, |hash, byte| hash.wrapping_mul(31).wrapping_add(u64::from(*byte))) % 5 * 9
    }
}

/// A handle: the file, and the versions it showed.
#[derive(Clone, Debug)]
pub(super) struct Handle {
    pub(super) node: NodeId,
    pub(super) base: Vec<Stamp>,
}

/// What a replica shows and holds at one moment.
pub(super) struct Shot {
    pub(super) nodes: AllNodes,
    pub(super) paths: Paths,
    pub(super) plain: Plain,
}

/// A state as it is durable, and as it is handed to peers.
#[derive(Clone, Default)]
pub(super) struct Copy {
    pub(super) nodes: Arc<AllNodes>,
    pub(super) context: Context,
    pub(super) knowledge: Knowledge,
    /// What the others had seen in a state of theirs that was merged.
    merged: BTreeMap<usize, Context>,
    replica: ReplicaId,
    mark: u64,
}

/// How many older states of a replica may come back.
const COPIES: usize = 6;

pub(super) struct Replica {
    pub(super) tree: Tree,
    pub(super) knowledge: Knowledge,
    pub(super) handles: Vec<Handle>,
    /// What was durable when a peer last pulled.
    pub(super) offered: Copy,
    /// The same of earlier times: backups.
    copies: Vec<Copy>,
    /// Operations since.
    journal: Vec<Delta>,
    /// What the others had seen in a state of theirs that was merged here.
    pub(super) merged: BTreeMap<usize, Context>,
    /// The highest own lamport that was ever offered, as this store remembers it.
    pub(super) mark: u64,
    lives: u8,
    device: (NodeId, DeviceRecord),
    pub(super) dice: Dice,
    shot: RefCell<Option<Arc<Shot>>>,
}

fn empty_tree(replica: ReplicaId) -> Tree {
    Tree::new(Arc::new(NoNodes), View::in_memory(Arc::new(FewHashes)), Context::new(), replica)
}

impl Replica {
    pub(super) fn new(index: usize) -> Replica {
        let mut dice = Dice::new(0xD1CE + index as u64);
        let mut tree = empty_tree(life(index as u8, 0));
        let name = ["ann", "bob", "cy", "dee", "eve"][index].to_owned();
        let record =
            DeviceRecord { name, public: [index as u8; 32], replicas: vec![tree.replica()], revoked: false };
        let added = tree.add_device(&record, &mut || draw(&mut dice)).unwrap();
        let mut replica = Replica {
            tree,
            knowledge: Knowledge::default(),
            handles: Vec::new(),
            offered: Copy::default(),
            copies: Vec::new(),
            journal: added.delta.into_iter().collect(),
            merged: BTreeMap::new(),
            mark: 0,
            lives: 0,
            device: (added.value, record),
            dice,
            shot: RefCell::default(),
        };
        replica.offer();
        replica
    }

    /// The replica with this index, with the state of a copy.
    pub(super) fn at(index: usize, copy: &Copy) -> Replica {
        let mut replica = Replica::new(index);
        replica.copies = vec![copy.clone()];
        replica.restore(0).unwrap();
        replica
    }

    /// What it shows and holds now.
    pub(super) fn shot(&self) -> Arc<Shot> {
        let known = self.shot.borrow().clone();
        known.unwrap_or_else(|| {
            let (nodes, paths) = (self.nodes(), self.paths());
            let plain = Plain::of(&nodes, &paths);
            let shot = Arc::new(Shot { nodes, paths, plain });
            *self.shot.borrow_mut() = Some(Arc::clone(&shot));
            shot
        })
    }

    fn changed(&mut self) {
        self.shot.take();
    }

    pub(super) fn nodes(&self) -> AllNodes {
        self.tree.changed().filter_map(|(id, node)| Some((id, node?))).collect()
    }

    /// The tree as it is listed, a few entries at a time.
    pub(super) fn paths(&self) -> Paths {
        let mut paths = Paths::new();
        self.list(NodeId::ROOT, &mut Vec::new(), &mut paths);
        paths
    }

    fn list(&self, dir: NodeId, path: &mut Vec<Name>, paths: &mut Paths) {
        let scene = self.tree.scene();
        let mut cookie = 0;
        loop {
            let listed = scene.list(&dir, cookie, 2).unwrap();
            let Some(last) = listed.last() else { return };
            assert!(last.cookie > cookie, "cookies ascend");
            cookie = last.cookie;
            for entry in listed {
                assert_eq!(
                    scene.lookup(&dir, &entry.name).unwrap().as_ref(),
                    Some(&entry.entry),
                    "{:?}",
                    entry.name
                );
                path.push(entry.name.clone());
                let old = match entry.entry.clone() {
                    Entry::Node(node) if entry.kind == Kind::Directory => {
                        assert_eq!(scene.path(&node).unwrap().as_ref(), Some(&*path));
                        assert_eq!(scene.parent(&node).unwrap(), Some(scene.group(&dir).unwrap().front()));
                        paths.insert(path.clone(), Shown::Directory(node))
                    }
                    Entry::Node(node) => {
                        let stamp =
                            crate::vault::view::claims::own_version(&self.tree.node(&node).unwrap().unwrap())
                                .unwrap()
                                .0;
                        paths.insert(path.clone(), Shown::File { node, stamp })
                    }
                    Entry::Tombstone(it) => {
                        paths.insert(path.clone(), Shown::Tombstone { node: it.node, stamp: it.stamp })
                    }
                };
                assert_eq!(old, None, "{path:?} is listed twice");
                if let (Entry::Node(node), Kind::Directory) = (entry.entry, entry.kind) {
                    self.list(node, path, paths);
                }
                path.pop();
            }
        }
    }

    /// Makes all that it has durable, to hand it to a peer.
    pub(super) fn offer(&mut self) {
        let context = self.tree.context().clone();
        self.tree.mark_offered(&context);
        self.journal.clear();
        if context == self.offered.context && self.offered.replica == self.tree.replica() {
            (self.offered.knowledge, self.offered.merged) = (self.knowledge.clone(), self.merged.clone());
            return;
        }
        self.mark = self.mark.max(context.lamport(&self.tree.replica()));
        self.offered = Copy {
            nodes: Arc::new(self.shot().nodes.clone()),
            context,
            knowledge: self.knowledge.clone(),
            merged: self.merged.clone(),
            replica: self.tree.replica(),
            mark: self.mark,
        };
        if self.copies.len() == COPIES {
            self.copies.remove(0);
        }
        self.copies.push(self.offered.clone());
    }

    /// Comes back with what was offered, and with the journal or without.
    pub(super) fn crash(&mut self, journal_survives: bool) -> Check {
        let mut tree = empty_tree(self.tree.replica());
        load(&mut tree, &self.offered.nodes, &self.offered.context)?;
        if journal_survives {
            for delta in self.journal.iter().flat_map(|delta| [delta, delta]) {
                tree.apply(delta).map_err(|e| e.to_string())?;
            }
            let before = self.shot();
            let same = tree.context() == self.tree.context();
            self.tree = tree;
            self.changed();
            if !same || before.nodes != self.nodes() {
                return Err("the journal does not lead to the state it was written for".into());
            }
        } else {
            self.tree = tree;
            self.changed();
            self.knowledge = self.offered.knowledge.clone();
            self.journal.clear();
            let context = self.tree.context();
            self.merged.retain(|_, seen| context.contains(seen));
        }
        self.handles.clear();
        Ok(())
    }

    /// An older copy of the store takes this one's place; the newer ones are lost with it.
    pub(super) fn restore(&mut self, pick: usize) -> Check {
        self.copies.truncate(1 + pick % self.copies.len());
        let Some(copy) = self.copies.last().cloned() else { return Ok(()) };
        let mut tree = empty_tree(copy.replica);
        load(&mut tree, &copy.nodes, &copy.context)?;
        self.tree = tree;
        self.changed();
        (self.knowledge, self.merged, self.mark) = (copy.knowledge.clone(), copy.merged.clone(), copy.mark);
        self.offered = copy;
        self.journal.clear();
        self.handles.clear();
        Ok(())
    }

    /// Begins another life under a new id: what this one did alone, above the mark, moves to it.
    pub(super) fn begin_life(&mut self) -> Check {
        self.lives += 1;
        let from = self.tree.replica();
        let to = life(self.device.1.public[0], self.lives);
        let moved = LifeMove { from, to, mark: self.mark };
        let nodes: AllNodes =
            self.nodes().iter().map(|(id, node)| (*id, Arc::new(moved.node(node)))).collect();
        let mut tree = empty_tree(to);
        load(&mut tree, &nodes, &moved.context(self.tree.context()))?;
        self.tree = tree;
        self.changed();
        self.journal.clear();
        self.handles.clear();
        self.mark = 0;
        let id = self.device.0;
        self.device.1.replicas.push(to);
        let listed = self.tree.devices().find(|(own, _)| **own == id).map(|(_, record)| record.clone());
        let mut record = listed.unwrap_or_else(|| self.device.1.clone());
        record.replicas.push(to);
        self.operate(|tree, draw| tree.change_device(&id, &record, draw)).map_err(|e| e.to_string())?;
        self.offer();
        Ok(())
    }

    /// Takes over a state of another.
    pub(super) fn absorb(&mut self, theirs: &Copy, index: usize) -> Result<Touched, String> {
        let own = self.shot();
        let ids: BTreeSet<NodeId> = own.nodes.keys().chain(theirs.nodes.keys()).copied().collect();
        let different = |a: &AllNodes, b: &AllNodes| -> Vec<_> {
            let differ = ids.iter().filter(|id| a.get(*id) != b.get(*id));
            differ.map(|id| Ok((*id, a.get(id).cloned(), b.get(id).cloned()))).collect()
        };
        let seen = &theirs.context;
        let before: Vec<_> =
            different(&own.nodes, &theirs.nodes).into_iter().collect::<crate::vault::Result<_>>().unwrap();
        let mut touched = Touched::default();
        if may_reclaim(&before, self.tree.context(), seen) {
            let reclaimed = self.operate(|tree, draw| tree.reclaim(&before, seen, draw));
            touched = reclaimed.map_err(|e| e.to_string())?.touched;
        }
        let (own, ours) = (self.shot(), self.tree.context().clone());
        let joined = join_states(&ours, seen, different(&own.nodes, &theirs.nodes));
        let joined = joined.map_err(|e| e.to_string())?;
        let mirrored = join_states(seen, &ours, different(&theirs.nodes, &own.nodes));
        let mirrored = mirrored.map_err(|e| e.to_string())?;
        if joined.differs_from_theirs == mirrored.changes.is_empty() || joined.context != mirrored.context {
            return Err("the join is not commutative".into());
        }
        let changes = joined.changes.clone();
        let absorbed = self.tree.absorb(joined.changes, &joined.context);
        touched.merge(absorbed.map_err(|e| e.to_string())?);
        if !changes.is_empty() {
            self.changed();
        }
        let now = self.shot();
        if mirrored.changes.iter().any(|(id, node)| now.nodes.get(id) != node.as_ref()) {
            return Err("the join is not commutative".into());
        }
        self.knowledge.join(&theirs.knowledge);
        let known = self.merged.entry(index).or_default();
        *known = known.join(seen);
        // A merge is durable before it is published.
        self.offer();
        Ok(touched)
    }

    /// Runs an operation and notes it in the journal.
    pub(super) fn operate<T>(
        &mut self,
        act: impl FnOnce(&mut Tree, &mut dyn FnMut() -> [u8; 12]) -> crate::vault::Result<Outcome<T>>,
    ) -> crate::vault::Result<Outcome<T>> {
        let dice = &mut self.dice;
        let outcome = act(&mut self.tree, &mut || draw(dice));
        if !matches!(&outcome, Ok(Outcome { delta: None, .. })) {
            self.changed();
        }
        let outcome = outcome?;
        self.journal.extend(outcome.delta.clone());
        Ok(outcome)
    }
}

/// The id of a life: they come in the order of devices, then lives.
fn life(device: u8, life: u8) -> ReplicaId {
    ReplicaId([device + 1, life, device + 1, device + 1, 0, 0, 0, 0])
}

fn load(tree: &mut Tree, nodes: &AllNodes, context: &Context) -> Check {
    let nodes = nodes.iter().map(|(id, node)| (*id, Some(Arc::clone(node))));
    tree.absorb(nodes, context).map(drop).map_err(|e| e.to_string())
}

pub(super) fn draw(dice: &mut Dice) -> [u8; 12] {
    let mut bytes = [0; 12];
    bytes[..8].copy_from_slice(&dice.roll().to_le_bytes());
    bytes[8..].copy_from_slice(&dice.roll().to_le_bytes()[..4]);
    bytes
}
