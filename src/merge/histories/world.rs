//! Replicas, what they do to each other, and the checks after every step.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::join_states;
use super::plain::Plain;
use super::scratch::{self, Paths, Shown};
use super::tokens::Knowledge;
use super::{Act, Dice, History, Step};
use crate::trie::LeafCodec;
use crate::vault::view::{NameHash, Touched, View};
use crate::vault::{
    Context, Delta, DeviceRecord, Entry, Kind, Name, NoNodes, Node, NodeCodec, NodeId, Outcome, ReplicaId,
    Stamp, Tree,
};

pub(super) type AllNodes = BTreeMap<NodeId, Arc<Node>>;
pub(super) type Check = Result<(), String>;

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

pub(super) struct Replica {
    pub(super) tree: Tree,
    pub(super) knowledge: Knowledge,
    pub(super) handles: Vec<Handle>,
    /// What was durable when a peer last pulled.
    offered: (AllNodes, Context, Knowledge),
    /// Operations since.
    journal: Vec<Delta>,
    /// What the others had seen in a state of theirs that was merged here.
    pub(super) merged: BTreeMap<usize, Context>,
    pub(super) dice: Dice,
}

pub(super) struct World {
    pub(super) replicas: Vec<Replica>,
    pub(super) unique: bool,
    pub(super) next_token: u64,
    /// What was done, for people.
    pub(super) log: Vec<String>,
    telling: bool,
}

fn empty_tree(replica: ReplicaId) -> Tree {
    Tree::new(Arc::new(NoNodes), View::in_memory(Arc::new(FewHashes)), Context::new(), replica)
}

impl Replica {
    pub(super) fn new(index: usize) -> Replica {
        let mut dice = Dice::new(0xD1CE + index as u64);
        let mut tree = empty_tree(ReplicaId([index as u8 + 1; 8]));
        let name = ["ann", "bob", "cy", "dee", "eve"][index].to_owned();
        let record =
            DeviceRecord { name, public: [index as u8; 32], replicas: vec![tree.replica()], revoked: false };
        let added = tree.add_device(&record, &mut || draw(&mut dice)).unwrap();
        let mut replica = Replica {
            tree,
            knowledge: Knowledge::default(),
            handles: Vec::new(),
            offered: Default::default(),
            journal: added.delta.into_iter().collect(),
            merged: BTreeMap::new(),
            dice,
        };
        replica.offer();
        replica
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

    fn offer(&mut self) {
        let context = self.tree.context().clone();
        self.tree.mark_offered(&context);
        self.offered = (self.nodes(), context, self.knowledge.clone());
        self.journal.clear();
    }

    /// Comes back with what was offered, and with the journal or without.
    fn crash(&mut self, journal_survives: bool) -> Check {
        let (nodes, context, knowledge) = self.offered.clone();
        let mut tree = empty_tree(self.tree.replica());
        tree.absorb(nodes.into_iter().map(|(id, node)| (id, Some(node))), &context)
            .map_err(|e| e.to_string())?;
        if journal_survives {
            for delta in self.journal.iter().flat_map(|delta| [delta, delta]) {
                tree.apply(delta).map_err(|e| e.to_string())?;
            }
            let same = tree.context() == self.tree.context();
            let before = self.nodes();
            self.tree = tree;
            if !same || before != self.nodes() {
                return Err("the journal does not lead to the state it was written for".into());
            }
        } else {
            self.tree = tree;
            self.knowledge = knowledge;
            self.journal.clear();
            self.merged.retain(|_, seen| context.contains(seen));
        }
        self.handles.clear();
        Ok(())
    }

    /// Takes over the state of `other`.
    fn pull(&mut self, other: &mut Replica, index: usize) -> Result<Touched, String> {
        other.offer();
        let (own, theirs) = (self.nodes(), other.nodes());
        let ids: std::collections::BTreeSet<NodeId> = own.keys().chain(theirs.keys()).copied().collect();
        let different = ids.iter().filter(|id| own.get(*id) != theirs.get(*id));
        let different = different.map(|id| Ok((*id, own.get(id).cloned(), theirs.get(id).cloned())));
        let joined =
            join_states(self.tree.context(), other.tree.context(), different).map_err(|e| e.to_string())?;
        let touched = self.tree.absorb(joined.changes, &joined.context).map_err(|e| e.to_string())?;
        self.knowledge.join(&other.knowledge);
        self.merged.insert(index, other.tree.context().clone());
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
        let outcome = act(&mut self.tree, &mut || draw(dice))?;
        self.journal.extend(outcome.delta.clone());
        Ok(outcome)
    }
}

pub(super) fn draw(dice: &mut Dice) -> [u8; 12] {
    let mut bytes = [0; 12];
    bytes[..8].copy_from_slice(&dice.roll().to_le_bytes());
    bytes[8..].copy_from_slice(&dice.roll().to_le_bytes()[..4]);
    bytes
}

impl World {
    pub(super) fn new(history: &History) -> World {
        let replicas = (0..history.replicas).map(Replica::new).collect();
        World { replicas, unique: history.unique, next_token: 1, log: Vec::new(), telling: false }
    }

    /// Runs a history and checks every promise on the way and at the end.
    pub(super) fn run(&mut self, history: &History) -> Check {
        for (index, step) in history.steps.iter().enumerate() {
            let step = if index < history.base { Step { who: 0, ..*step } } else { *step };
            if index < history.base && matches!(step.act, Act::Pull | Act::Crash | Act::Prune) {
                continue;
            }
            self.step(&step).map_err(|why| format!("step {index} {step:?}: {why}"))?;
            if index + 1 == history.base {
                (1..self.replicas.len()).try_for_each(|to| self.pull(to, 0))?;
            }
        }
        self.converge()
    }

    /// The same, and tells what was done and what everybody then saw.
    pub(super) fn told(&mut self, history: &History) -> String {
        self.telling = true;
        let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| self.run(history)));
        self.log.join("\n")
    }

    fn step(&mut self, step: &Step) -> Check {
        match step.act {
            Act::Pull => {
                let from = (step.who + 1 + step.picks[0] % (self.replicas.len() - 1)) % self.replicas.len();
                self.pull(step.who, from)?;
            }
            Act::Crash => {
                let survives = step.picks[0].is_multiple_of(2);
                self.tell(format!("{}: crash, journal survives: {survives}", step.who));
                self.replicas[step.who].crash(survives)?;
            }
            Act::Prune => self.prune(step.who)?,
            _ => self.local(step)?,
        }
        self.check(step.who)?;
        self.tell_tree(step.who);
        Ok(())
    }

    pub(super) fn tell(&mut self, line: String) {
        if self.telling {
            self.log.push(line);
        }
    }

    pub(super) fn tell_tree(&mut self, who: usize) {
        if self.telling {
            let plain = Plain::of(&self.replicas[who]);
            self.log.push(format!("    {who} sees {plain}"));
        }
    }

    pub(super) fn pull(&mut self, to: usize, from: usize) -> Check {
        self.tell(format!("{to}: pull from {from}"));
        let before = self.replicas[to].paths();
        let [low, high] = [to.min(from), to.max(from)];
        let (head, tail) = self.replicas.split_at_mut(high);
        let (one, other) = (&mut head[low], &mut tail[0]);
        let (target, source) = if to < from { (one, other) } else { (other, one) };
        let contained = source.tree.context().contains(target.tree.context());
        let touched = target.pull(source, from)?;
        if contained && (target.nodes() != source.nodes() || target.paths() != source.paths()) {
            return Err("fast-forward is not the join".into());
        }
        check_touched(&before, target, &touched)
    }

    fn prune(&mut self, who: usize) -> Check {
        let others = self.replicas.len() - 1;
        let replica = &mut self.replicas[who];
        if replica.merged.len() < others {
            return Ok(());
        }
        let candidates: Vec<NodeId> = replica.nodes().into_keys().collect();
        let known: Vec<Context> = replica.merged.values().cloned().collect();
        let pinned: Vec<NodeId> = replica.handles.iter().map(|handle| handle.node).collect();
        let before = replica.paths();
        let pruned =
            replica.operate(|tree, draw| tree.prune(&candidates, &|id| pinned.contains(id), &known, draw));
        let pruned = pruned.map_err(|e| e.to_string())?.value;
        if before != replica.paths() {
            return Err("pruning changed the tree".into());
        }
        self.tell(format!("{who}: prune {pruned}"));
        Ok(())
    }

    /// After every step: the index is the view, and nothing is lost or back.
    pub(super) fn check(&mut self, who: usize) -> Check {
        let replica = &self.replicas[who];
        let nodes = replica.nodes();
        let leaf: Vec<_> = nodes.iter().map(|(id, node)| (id.0, Arc::clone(node))).collect();
        if NodeCodec::decode(&NodeCodec::encode(&leaf)).ok().as_ref() != Some(&leaf) {
            return Err("the nodes cannot be stored".into());
        }
        let (index, scratch) = (replica.paths(), scratch::view(&nodes));
        if index != scratch {
            return Err(format!("the index shows\n{index:?}\nthe rules show\n{scratch:?}"));
        }
        if self.unique {
            replica.knowledge.check(&Plain::of(replica))?;
        }
        Ok(())
    }

    /// Everybody meets everybody: all are the same then.
    fn converge(&mut self) -> Check {
        let count = self.replicas.len();
        for to in (0..count).chain(0..count) {
            for from in (0..count).filter(|from| *from != to) {
                self.pull(to, from)?;
            }
            self.check(to)?;
            self.tell_tree(to);
        }
        let first =
            (self.replicas[0].nodes(), self.replicas[0].paths(), self.replicas[0].tree.context().clone());
        for replica in &self.replicas[1..] {
            if first != (replica.nodes(), replica.paths(), replica.tree.context().clone()) {
                return Err("replicas that met are not the same".into());
            }
        }
        Ok(())
    }
}

/// Whatever a path showed before and no longer does, or shows only now, was said to be touched.
pub(super) fn check_touched(before: &Paths, replica: &Replica, touched: &Touched) -> Check {
    if touched.everything {
        return Ok(());
    }
    let after = replica.paths();
    for path in before.keys().chain(after.keys()) {
        let Some((name, above)) = path.split_last() else { continue };
        let (old, new) = (before.get(path), after.get(path));
        // Who looks at a name knows its directory as it was; where that changed, the directory was touched.
        let dir = |paths: &Paths| match above {
            [] => Some(NodeId::ROOT),
            _ => match paths.get(above) {
                Some(Shown::Directory(id)) => Some(*id),
                _ => None,
            },
        };
        let (was, is) = (dir(before), dir(&after));
        if old == new || was != is {
            continue;
        }
        let told = was.is_some_and(|dir| touched.names.contains(&(dir, name.clone())));
        let content = matches!((old, new), (Some(Shown::File { node, .. }), Some(Shown::File { node: other, .. })) if node == other && touched.nodes.contains(node));
        if !told && !content {
            return Err(format!("{path:?} changed from {old:?} to {new:?} untold"));
        }
    }
    Ok(())
}
