//! Replicas, what they do to each other, and the checks after every step.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::replica::{AllNodes, Copy, Replica};
use super::scratch::{self, Paths, Shown};
use super::{Act, History, Step};
use crate::trie::LeafCodec;
use crate::vault::view::Touched;
use crate::vault::{Context, NodeCodec, NodeId, ReplicaId};

pub(super) type Check = Result<(), String>;

/// How many states handed to peers may be delivered again.
const DELIVERIES: usize = 8;

/// Whose operations named a file that was there already, in which of its lives, and whether one of them was a link.
#[derive(Default)]
pub(super) struct Named {
    pub(super) authors: BTreeSet<(ReplicaId, u32)>,
    pub(super) linked: bool,
}

/// A state that some replica had, and what the rules show of it.
struct Known {
    context: Context,
    nodes: AllNodes,
    shows: Paths,
}

pub(super) struct World {
    pub(super) replicas: Vec<Replica>,
    pub(super) unique: bool,
    pub(super) next_token: u64,
    /// Every node that was made, so that no two operations make one.
    pub(super) made: BTreeSet<NodeId>,
    pub(super) named: BTreeMap<NodeId, Named>,
    /// How often a replica lost operations that others may have: what it does then is another's.
    pub(super) lost: BTreeMap<ReplicaId, u32>,
    /// States that were handed over, and by whom.
    delivered: Vec<(usize, Copy)>,
    /// On which side of a cut each replica is, a bit for each.
    sides: usize,
    known: Vec<Known>,
    /// What was done, for people.
    pub(super) log: Vec<String>,
    telling: bool,
}

impl World {
    pub(super) fn new(history: &History) -> World {
        let replicas = (0..history.replicas).map(Replica::new).collect();
        World { unique: history.unique, ..World::of(replicas, BTreeMap::new()) }
    }

    /// Of replicas as they are; contents are unique.
    pub(super) fn of(replicas: Vec<Replica>, named: BTreeMap<NodeId, Named>) -> World {
        World {
            replicas,
            unique: true,
            next_token: 1,
            made: BTreeSet::new(),
            named,
            lost: BTreeMap::new(),
            delivered: Vec::new(),
            sides: 0,
            known: Vec::new(),
            log: Vec::new(),
            telling: false,
        }
    }

    /// Runs a history and checks every promise on the way and at the end.
    pub(super) fn run(&mut self, history: &History) -> Check {
        for (index, step) in history.steps.iter().enumerate() {
            let step = if index < history.base { Step { who: 0, ..*step } } else { *step };
            if index < history.base && step.act.is_of_several() {
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
        let who = step.who;
        let other = (who + 1 + step.picks[0] % (self.replicas.len() - 1)) % self.replicas.len();
        match step.act {
            Act::Pull => self.pull(who, other)?,
            Act::Meet => {
                self.pull(who, other)?;
                self.pull(other, who)?;
                self.check(other)?;
            }
            Act::Deliver => self.deliver_again(who, step.picks[0])?,
            Act::Cut => {
                self.sides = step.picks[0] % (1 << self.replicas.len());
                self.tell(format!("cut {:b}", self.sides));
            }
            Act::Crash => {
                let survives = step.picks[0].is_multiple_of(2);
                self.tell(format!("{who}: crash, journal survives: {survives}"));
                self.replicas[who].crash(survives)?;
                self.forget_states(who);
            }
            Act::Restore => self.restore(who, step.picks[0], step.picks[1] % 2 == 1)?,
            Act::Prune => self.prune(who)?,
            _ => self.local(step)?,
        }
        self.check(who)?;
        self.tell_tree(who);
        Ok(())
    }

    pub(super) fn tell(&mut self, line: String) {
        if self.telling {
            self.log.push(line);
        }
    }

    pub(super) fn tell_tree(&mut self, who: usize) {
        if self.telling {
            let line = format!("    {who} sees {}", self.replicas[who].shot().plain);
            self.log.push(line);
        }
    }

    /// Whether two replicas can talk, having told each other what they have seen: one of which another life
    /// is known takes a new id then. (One that nobody has told yet would be believed by whoever knows less:
    /// it is kept from them. See "Limits" in `docs/specs/merge.md`.)
    fn introduce(&mut self, one: usize, other: usize) -> Result<bool, String> {
        if (self.sides >> one ^ self.sides >> other) & 1 == 1 {
            return Ok(false);
        }
        for (own, peer) in [(one, other), (other, one)] {
            let theirs = self.replicas[peer].tree.context().clone();
            self.meet_life(own, &theirs)?;
        }
        Ok(!self.is_blind(one) && !self.is_blind(other))
    }

    /// Whether a replica was restored from a backup and has not been told: its stamps were used before.
    fn is_blind(&self, who: usize) -> bool {
        let replica = &self.replicas[who];
        let own = replica.tree.replica();
        let others = self.replicas.iter().enumerate().filter(|(index, _)| *index != who);
        let mut heard = others.map(|(_, other)| other.tree.context().lamport(&own));
        heard.any(|lamport| lamport > replica.mark)
    }

    /// As [`crate::vault::publish::Publishing::meet_other_life`].
    fn meet_life(&mut self, who: usize, theirs: &Context) -> Check {
        let replica = &mut self.replicas[who];
        if theirs.lamport(&replica.tree.replica()) > replica.mark {
            replica.begin_life()?;
            self.forget_states(who);
            self.tell(format!("{who}: begins another life"));
            self.tell_tree(who);
        }
        Ok(())
    }

    pub(super) fn pull(&mut self, to: usize, from: usize) -> Check {
        if !self.introduce(to, from)? {
            return Ok(());
        }
        self.tell(format!("{to}: pull from {from}"));
        self.replicas[from].offer();
        let theirs = self.replicas[from].offered.clone();
        let contained = theirs.context.contains(self.replicas[to].tree.context());
        self.deliver(to, from, &theirs)?;
        let (target, source) = (self.replicas[to].shot(), self.replicas[from].shot());
        if contained && (target.nodes != source.nodes || target.paths != source.paths) {
            return Err("fast-forward is not the join".into());
        }
        if self.delivered.len() == DELIVERIES {
            self.delivered.remove(0);
        }
        self.delivered.push((from, theirs));
        Ok(())
    }

    pub(super) fn deliver(&mut self, to: usize, from: usize, theirs: &Copy) -> Check {
        let before = self.replicas[to].shot();
        let contained = self.replicas[to].tree.context().contains(&theirs.context);
        let touched = self.replicas[to].absorb(theirs, from)?;
        if contained && !Arc::ptr_eq(&before, &self.replicas[to].shot()) {
            return Err("a state that is contained changes something".into());
        }
        check_touched(&before.paths, &self.replicas[to], &touched)
    }

    /// A state that was handed over once arrives again, here or elsewhere.
    fn deliver_again(&mut self, to: usize, pick: usize) -> Check {
        if self.delivered.is_empty() {
            return Ok(());
        }
        let (from, state) = self.delivered[pick % self.delivered.len()].clone();
        self.meet_life(to, &state.context)?;
        if from == to || self.is_blind(to) {
            return Ok(());
        }
        self.tell(format!("{to}: a state of {from} arrives again"));
        self.deliver(to, from, &state)
    }

    /// An older copy of a replica comes back; it may be told so at once.
    fn restore(&mut self, who: usize, pick: usize, told: bool) -> Check {
        self.tell(format!("{who}: an older copy is restored, told: {told}"));
        self.replicas[who].restore(pick)?;
        // What only the lost life had handed over is no longer on its way.
        self.delivered.clear();
        if told {
            self.replicas[who].begin_life()?;
        }
        self.forget_states(who);
        Ok(())
    }

    /// After a replica lost operations: it will use their stamps again.
    fn forget_states(&mut self, who: usize) {
        let replica = &self.replicas[who].tree;
        let (own, now) = (replica.replica(), replica.context().lamport(&replica.replica()));
        self.known.retain(|known| known.context.lamport(&own) <= now);
        *self.lost.entry(own).or_default() += 1;
        // What another's lost life did is remembered as long as somebody is left who heard of it. After that
        // its stamps are used again, and nobody can tell.
        let heard = |life: &ReplicaId| {
            let others = self.replicas.iter().filter(|replica| replica.tree.replica() != *life);
            others.map(|replica| replica.tree.context().lamport(life)).max().unwrap_or_default()
        };
        let still: Vec<(ReplicaId, u64)> = self.lost.keys().map(|life| (*life, heard(life))).collect();
        self.known.retain(|known| still.iter().all(|(life, heard)| known.context.lamport(life) <= *heard));
    }

    pub(super) fn prune(&mut self, who: usize) -> Check {
        let others = self.replicas.len() - 1;
        let replica = &mut self.replicas[who];
        if replica.merged.len() < others {
            return Ok(());
        }
        let before = replica.shot();
        let candidates: Vec<NodeId> = before.nodes.keys().copied().collect();
        let known: Vec<Context> = replica.merged.values().cloned().collect();
        let pinned: Vec<NodeId> = replica.handles.iter().map(|handle| handle.node).collect();
        let pruned =
            replica.operate(|tree, draw| tree.prune(&candidates, &|id| pinned.contains(id), &known, draw));
        let pruned = pruned.map_err(|e| e.to_string())?.value;
        if before.paths != replica.shot().paths {
            return Err("pruning changed the tree".into());
        }
        self.tell(format!("{who}: prune {pruned}"));
        Ok(())
    }

    /// After every step: the index is the view, equal contexts are equal states, a file has several names only
    /// if somebody gave it some, and nothing is lost or back.
    pub(super) fn check(&mut self, who: usize) -> Check {
        let shot = self.replicas[who].shot();
        let nameless = shot.nodes.iter().filter(|(_, node)| !node.is_placed()).map(|(id, _)| *id).collect();
        if self.replicas[who].tree.view().marks().nameless != nameless {
            return Err("what has no name is not marked so".into());
        }
        let context = self.replicas[who].tree.context().clone();
        let blind = self.is_blind(who);
        let known = self.known.iter().find(|known| !blind && known.context == context);
        match known {
            Some(known) if known.nodes != shot.nodes => return Err("equal contexts, different states".into()),
            Some(known) => same_view(&shot.paths, &known.shows)?,
            None => {
                let leaf: Vec<_> = shot.nodes.iter().map(|(id, node)| (id.0, Arc::clone(node))).collect();
                if NodeCodec::decode(&NodeCodec::encode(&leaf)).ok().as_ref() != Some(&leaf) {
                    return Err("the nodes cannot be stored".into());
                }
                let shows = scratch::view(&shot.nodes);
                same_view(&shot.paths, &shows)?;
                self.check_names(&shot.paths)?;
                if !blind {
                    self.known.push(Known { context, nodes: shot.nodes.clone(), shows });
                }
            }
        }
        if self.unique {
            self.replicas[who].knowledge.check(&shot.plain)?;
        }
        Ok(())
    }

    /// Two creates never share a node: one that shows under two names was linked, or renamed by two who had
    /// not met.
    fn check_names(&self, paths: &Paths) -> Check {
        let mut names: BTreeMap<NodeId, usize> = BTreeMap::new();
        for shown in paths.values() {
            if let Shown::File { node, .. } = shown {
                *names.entry(*node).or_default() += 1;
            }
        }
        for (node, _) in names.into_iter().filter(|(_, count)| *count > 1) {
            let named = self.named.get(&node);
            if !named.is_some_and(|named| named.linked || named.authors.len() > 1) {
                return Err(format!("{node:?} has two names that nobody gave it"));
            }
        }
        Ok(())
    }

    /// Everybody meets everybody: all are the same then.
    pub(super) fn converge(&mut self) -> Check {
        let count = self.replicas.len();
        self.sides = 0;
        // A restored copy that nobody has told yet is told by someone in the first round.
        for round in 0..3 {
            for to in 0..count {
                for from in (0..count).filter(|from| *from != to) {
                    self.pull(to, from)?;
                }
                self.check(to)?;
                if round == 2 {
                    self.tell_tree(to);
                }
            }
        }
        let first = self.replicas[0].shot();
        for replica in &self.replicas[1..] {
            let (shot, context) = (replica.shot(), replica.tree.context());
            if first.nodes != shot.nodes
                || first.paths != shot.paths
                || self.replicas[0].tree.context() != context
            {
                return Err("replicas that met are not the same".into());
            }
        }
        Ok(())
    }
}

fn same_view(index: &Paths, scratch: &Paths) -> Check {
    if index != scratch {
        return Err(format!("the index shows\n{index:?}\nthe rules show\n{scratch:?}"));
    }
    Ok(())
}

/// Whatever a path showed before and no longer does, or shows only now, was said to be touched.
pub(super) fn check_touched(before: &Paths, replica: &Replica, touched: &Touched) -> Check {
    if touched.everything {
        return Ok(());
    }
    let after = &replica.shot().paths;
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
        let (was, is) = (dir(before), dir(after));
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
