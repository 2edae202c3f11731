//! Explanations tell what a merge did, and replayed they give the same tree.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::merge::join_states;
use crate::store::disk::fault::Dice;
use crate::vault::view::NameHash;
use crate::vault::{
    Attr, AttrPatch, Entry, NewNode, NoNodes, Outcome, Replace, ReplicaId, Tree, View, Write,
};

#[derive(Debug)]
struct Hash;

impl NameHash for Hash {
    fn hash(&self, name: &[u8]) -> u64 {
        name.iter().fold(7, |hash: u64, byte| hash.wrapping_mul(31).wrapping_add(u64::from(*byte))) << 4
    }
}

/// A replica in memory.
struct Peer {
    tree: Tree,
    dice: Dice,
}

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

impl Peer {
    fn new(replica: u8, seed: u64) -> Peer {
        let view = View::in_memory(Arc::new(Hash));
        let tree = Tree::new(Arc::new(NoNodes), view, Context::new(), ReplicaId([replica; 8]));
        Peer { tree, dice: Dice(seed + u64::from(replica) * 7919) }
    }

    fn act<T>(
        &mut self,
        act: impl FnOnce(&mut Tree, &mut dyn FnMut() -> [u8; 12]) -> Result<Outcome<T>>,
    ) -> Option<T> {
        let Peer { tree, dice } = self;
        let mut draw = || std::array::from_fn(|_| dice.roll(256) as u8);
        act(tree, &mut draw).ok().map(|outcome| outcome.value)
    }

    fn put(&mut self, dir: &NodeId, at: &str, text: &str) -> NodeId {
        let attr = Attr { mode: 0o644, uid: 0, gid: 0, mtime: 0, birth: 0, xattrs: BTreeMap::new() };
        let new = NewNode { attr, data: Some(Data::inline(text)) };
        self.act(|tree, draw| tree.create(dir, &name(at), new, draw)).unwrap()
    }

    fn mkdir(&mut self, dir: &NodeId, at: &str) -> Option<NodeId> {
        let attr = Attr { mode: 0o755, uid: 0, gid: 0, mtime: 0, birth: 0, xattrs: BTreeMap::new() };
        self.act(|tree, draw| tree.create(dir, &name(at), NewNode { attr, data: None }, draw))
    }

    fn write(&mut self, id: &NodeId, text: &str) {
        let base = self.tree.base(id).unwrap();
        let write = Write { base, data: Data::inline(text), attr: AttrPatch::default() };
        self.act(|tree, draw| tree.write(id, write, draw));
    }

    fn rename(&mut self, from: (&NodeId, &Name), to: (&NodeId, &Name)) {
        self.act(|tree, draw| tree.rename(from, to, Replace::Allowed, None, draw));
    }

    /// Anything, anywhere.
    fn step(&mut self) {
        let all = entries(&self.tree);
        let mut dirs = vec![NodeId::ROOT];
        dirs.extend(all.iter().filter_map(|(_, _, entry, kind)| match entry {
            Entry::Node(id) if *kind == Kind::Directory => Some(*id),
            _ => None,
        }));
        let dir = dirs[self.dice.roll(dirs.len() as u64) as usize];
        let new = name(["a", "b", "c"][self.dice.roll(3) as usize]);
        let text = ["one", "two", "three", ""][self.dice.roll(4) as usize];
        let chosen = (!all.is_empty()).then(|| all[self.dice.roll(all.len() as u64) as usize].clone());
        match (self.dice.roll(8), chosen) {
            (0 | 1, _) => {
                let free = self.tree.scene().lookup(&dir, &new).unwrap().is_none();
                if free {
                    self.put(&dir, &new.to_string(), text);
                }
            }
            (2, _) => drop(self.mkdir(&dir, &new.to_string())),
            (3 | 4, Some((_, _, Entry::Node(id), Kind::File))) => self.write(&id, text),
            (5, Some((parent, old, ..))) => self.rename((&parent, &old), (&dir, &new)),
            (6, Some((parent, old, _, Kind::Directory))) => {
                self.act(|tree, draw| tree.rmdir(&parent, &old, draw));
            }
            (6, Some((parent, old, ..))) => drop(self.act(|tree, draw| tree.unlink(&parent, &old, draw))),
            (7, Some((_, _, Entry::Node(id), _))) => {
                let patch =
                    AttrPatch { mode: Some(0o600 + self.dice.roll(8) as u32), ..AttrPatch::default() };
                self.act(|tree, draw| tree.set_attr(&id, &patch, draw));
            }
            _ => {}
        }
    }

    fn nodes(&self) -> BTreeMap<NodeId, Arc<Node>> {
        self.tree.changed().filter_map(|(id, node)| Some((id, node?))).collect()
    }

    fn pull(&mut self, other: &Peer) {
        let differences = differences(self, other).into_iter().map(Ok);
        let joined = join_states(self.tree.context(), other.tree.context(), differences).unwrap();
        self.tree.absorb(joined.changes, &joined.context).unwrap();
    }

    /// Others know all that it has.
    fn is_known(&mut self) {
        let context = self.tree.context().clone();
        self.tree.mark_offered(&context);
    }

    fn state(&self) -> State<'_> {
        State { scene: self.tree.scene(), marks: self.tree.view().marks(), context: self.tree.context() }
    }
}

/// Directory, name, entry and kind of everything.
fn entries(tree: &Tree) -> Vec<(NodeId, Name, Entry, Kind)> {
    let mut all = Vec::new();
    let mut todo = vec![NodeId::ROOT];
    while let Some(dir) = todo.pop() {
        for listed in tree.scene().list(&dir, 0, usize::MAX >> 8).unwrap() {
            if let (Entry::Node(id), Kind::Directory) = (&listed.entry, listed.kind) {
                todo.push(*id);
            }
            all.push((dir, listed.name, listed.entry, listed.kind));
        }
    }
    all
}

fn differences(a: &Peer, b: &Peer) -> Vec<Difference> {
    let (ours, theirs) = (a.nodes(), b.nodes());
    let ids: BTreeSet<&NodeId> = ours.keys().chain(theirs.keys()).collect();
    let both = ids.into_iter().map(|id| (*id, ours.get(id).cloned(), theirs.get(id).cloned()));
    both.filter(|(_, ours, theirs)| ours != theirs).collect()
}

/// What two replicas come to, and why.
fn merged(a: &Peer, b: &Peer) -> (Peer, Explanation) {
    let mut both = Peer { tree: a.tree.fork(), dice: Dice(0) };
    both.pull(b);
    let explanation = explain([a.state(), b.state()], both.state(), &differences(a, b)).unwrap();
    (both, explanation)
}

/// Two replicas of one base.
fn apart(base: impl FnOnce(&mut Peer)) -> (Peer, Peer) {
    let (mut a, mut b) = (Peer::new(1, 0), Peer::new(2, 0));
    base(&mut a);
    b.pull(&a);
    a.is_known();
    (a, b)
}

fn whys(explanation: &Explanation) -> Vec<(String, Option<u8>, Why)> {
    let told = |decision: &Decision| {
        let path = decision.path.iter().map(|name| format!("/{name}")).collect::<String>();
        (path, decision.rule, decision.why)
    };
    explanation.decisions.iter().map(told).collect()
}

#[test]
fn replaying_an_explanation_gives_the_same_tree() {
    for seed in 0..400 {
        let (mut a, mut b) = (Peer::new(1, seed), Peer::new(2, seed));
        for _ in 0..if seed % 3 == 0 { 0 } else { 12 } {
            a.step();
        }
        b.pull(&a);
        if seed % 2 == 0 {
            a.is_known();
        }
        for _ in 0..10 {
            a.step();
            b.step();
        }
        let (both, explanation) = merged(&a, &b);
        let replayed = replay(&explanation, &differences(&a, &b));
        let mut again = Peer { tree: a.tree.fork(), dice: Dice(0) };
        let context = a.tree.context().join(b.tree.context());
        again.tree.absorb(replayed, &context).unwrap();
        assert_eq!(again.nodes(), both.nodes(), "seed {seed}");
        assert_eq!(entries(&again.tree), entries(&both.tree), "seed {seed}");
        // Every conflict that the merge made is explained, with both of its versions.
        let told: BTreeSet<_> = explanation
            .decisions
            .iter()
            .filter_map(|it| it.conflict.clone())
            .map(|it| it.tombstone_path())
            .collect();
        let known: BTreeSet<_> = [&a, &b]
            .iter()
            .flat_map(|side| side.tree.scene().conflicts().unwrap())
            .map(|it| (it.tombstone.node, it.tombstone.stamp, it.tombstone.beside))
            .collect();
        for conflict in both.tree.scene().conflicts().unwrap() {
            let of = &conflict.tombstone;
            let old = known.contains(&(of.node, of.stamp, of.beside.clone()));
            assert!(old || told.contains(&conflict.tombstone_path()), "seed {seed}: {conflict:?}");
        }
        assert!(
            explanation
                .decisions
                .iter()
                .all(|it| it.acts.len() > 1 || it.why == Why::Cycle || it.why == Why::United),
            "seed {seed}: {explanation:?}"
        );
    }
}

#[test]
fn two_versions_of_a_file_are_rule_five() {
    let mut f = NodeId::ROOT;
    let (mut a, mut b) = apart(|a| f = a.put(&NodeId::ROOT, "f", "base"));
    a.write(&f, "longer");
    b.write(&f, "two");
    let (_, explanation) = merged(&a, &b);
    assert_eq!(whys(&explanation), [("/f".to_owned(), Some(5), Why::LaterVersion)]);
    let decision = &explanation.decisions[0];
    assert_eq!(decision.otherwise, Otherwise::Resolve);
    let told: Vec<_> = decision.acts.iter().map(|act| (act.side, act.did, act.size, act.prevails)).collect();
    assert_eq!(told, [(Some(1), Did::Wrote, Some(3), true), (Some(0), Did::Wrote, Some(6), false)]);
    let conflicts = explain_conflicts(merged(&a, &b).0.state()).unwrap();
    assert_eq!(conflicts.len(), 1);
    assert_eq!(conflicts[0].conflict, decision.conflict);
}

#[test]
fn each_rule_is_named_where_it_decides() {
    let mut ids = Vec::new();
    let (mut a, mut b) = apart(|a| {
        ids =
            ["edited", "moved", "named", "same", "calm", "x"].map(|at| a.put(&NodeId::ROOT, at, at)).to_vec();
        ids.extend(["d", "p", "q"].map(|at| a.mkdir(&NodeId::ROOT, at).unwrap()));
    });
    let root = NodeId::ROOT;
    let at = |text: &str| name(text);
    let [edited, _, _, same, calm, x, d, p, q] = ids.as_slice() else { panic!() };
    a.act(|tree, draw| tree.unlink(&root, &at("edited"), draw));
    b.write(edited, "edit");
    a.act(|tree, draw| tree.unlink(&root, &at("moved"), draw));
    b.rename((&root, &at("moved")), (&root, &at("away")));
    a.rename((&root, &at("named")), (&root, &at("n1")));
    b.rename((&root, &at("named")), (&root, &at("n2")));
    a.rename((&root, &at("d")), (&root, &at("d1")));
    b.rename((&root, &at("d")), (&root, &at("d2")));
    a.rename((&root, &at("p")), (q, &at("p")));
    b.rename((&root, &at("q")), (p, &at("q")));
    a.mkdir(&root, "new");
    b.mkdir(&root, "new");
    a.write(same, "equal");
    b.write(same, "equal");
    a.write(calm, "only one did");
    a.rename((&root, &at("x")), (d, &at("x")));
    b.write(x, "follows");
    let (both, explanation) = merged(&a, &b);
    let told = whys(&explanation);
    let has = |path: &str, rule: Option<u8>, why: Why| {
        assert!(told.contains(&(path.to_owned(), rule, why)), "{path} {why:?} in {told:?}");
    };
    has("/edited", Some(1), Why::EditOutlivesRemoval);
    has("/away", Some(1), Why::NameOutlivesRemoval);
    has("/n2", Some(2), Why::BothNames);
    has("/d2", Some(2), Why::LaterMove);
    has("/q", Some(3), Why::Cycle);
    has("/new", Some(4), Why::United);
    has("/same", Some(5), Why::SameContent);
    has("/d2/x", None, Why::EditFollowsMove);
    assert!(!told.iter().any(|(path, ..)| path == "/calm"));
    let moved = explanation.decisions.iter().find(|it| it.why == Why::LaterMove).unwrap();
    assert_eq!(moved.otherwise, Otherwise::Move(vec![name("d2")], vec![name("d1")]));
    assert_eq!(both.tree.scene().conflicts().unwrap(), []);
}

#[test]
fn a_directory_has_its_name_before_a_file() {
    let (mut a, mut b) = apart(|_| {});
    a.mkdir(&NodeId::ROOT, "n");
    b.put(&NodeId::ROOT, "n", "file");
    let (_, explanation) = merged(&a, &b);
    assert_eq!(whys(&explanation), [("/n".to_owned(), Some(5), Why::DirectoryFirst)]);
    let mut c = Peer::new(3, 0);
    c.put(&NodeId::ROOT, "m", "one");
    a.put(&NodeId::ROOT, "m", "two");
    let (_, explanation) = merged(&a, &c);
    assert_eq!(whys(&explanation), [("/m".to_owned(), Some(5), Why::LaterName)]);
}
