//! A small world, all of it: two replicas that make two operations each of [`OPERATIONS`], and three that
//! make one each after a common one, from each of [`BASES`]. Every meeting is checked as in the random
//! histories.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::History;
use super::plain::Path;
use super::replica::{Copy, Replica};
use super::world::{Check, Named, World};
use crate::vault::{Data, Name, NodeId, Replace};

/// One operation, on fixed paths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    Create(&'static str),
    Mkdir(&'static str),
    Symlink(&'static str),
    Write(&'static str),
    Unlink(&'static str),
    Rmdir(&'static str),
    Rename(&'static str, &'static str),
    Exchange(&'static str, &'static str),
    Link(&'static str, &'static str),
    Save(&'static str),
}

use Operation::{Create, Exchange, Link, Mkdir, Rename, Rmdir, Save, Symlink, Unlink, Write};

impl Operation {
    fn paths(self) -> Vec<Path> {
        match self {
            Create(at) | Mkdir(at) | Symlink(at) | Write(at) | Unlink(at) | Rmdir(at) | Save(at) => {
                vec![path(at)]
            }
            Rename(one, other) | Exchange(one, other) | Link(one, other) => vec![path(one), path(other)],
        }
    }
}

/// What may be done.
pub(super) const OPERATIONS: [Operation; 22] = [
    Create("a"),
    Create("b"),
    Create("d/a"),
    Mkdir("b"),
    Mkdir("d"),
    Symlink("a"),
    Write("a"),
    Write("d/a"),
    Unlink("a"),
    Unlink("b"),
    Unlink("d/a"),
    Rmdir("d"),
    Rename("a", "b"),
    Rename("b", "a"),
    Rename("a", "d/a"),
    Rename("d/a", "a"),
    Rename("d", "b"),
    Rename("b", "d/b"),
    Rename("d", "b/d"),
    Exchange("a", "b"),
    Link("a", "b"),
    Save("a"),
];

/// What everybody begins with.
pub(super) struct Base {
    pub(super) name: &'static str,
    made: &'static [Operation],
}

/// The trees to begin with.
pub(super) const BASES: [Base; 5] = [
    Base { name: "nothing", made: &[] },
    Base { name: "a file", made: &[Create("a")] },
    Base { name: "a directory with a file", made: &[Mkdir("d"), Create("d/a")] },
    Base { name: "two files", made: &[Create("a"), Create("b")] },
    Base { name: "two directories", made: &[Mkdir("b"), Mkdir("d")] },
];

/// One part of several.
#[derive(Clone, Copy)]
pub(super) struct Share {
    pub(super) of: usize,
    pub(super) at: usize,
}

/// What was run.
pub(super) struct Covered {
    /// Combinations of operations, those that come to the same by refusals counted too.
    pub(super) histories: usize,
    /// Meetings of different states among them.
    pub(super) meetings: usize,
}

impl fmt::Display for Covered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} histories, {} different, no violation", self.histories, self.meetings)
    }
}

/// Where some operations lead one replica.
struct End {
    did: Vec<Operation>,
    copy: Copy,
    named: BTreeMap<NodeId, Named>,
    replica: usize,
}

fn path(text: &str) -> Path {
    text.split('/').map(|name| Name::new(name).unwrap()).collect()
}

impl World {
    /// Makes one operation; whether it changed anything.
    fn operate(&mut self, who: usize, operation: Operation) -> Result<bool, String> {
        let before = self.replicas[who].shot();
        let plain = &before.plain;
        let paths = operation.paths();
        if paths.iter().any(|path| !plain.in_directory(path)) {
            return Ok(false);
        }
        self.next_token += 1;
        // Contents are unique in the whole world, not only on one replica.
        let token = self.next_token * 10 + 1 + who as u64;
        let content = Data::inline(token.to_string());
        match operation {
            Create(at) => self.make(who, plain, &path(at), Some(content), token)?,
            Symlink(at) => {
                let target = Data::Target(token.to_string().into_bytes());
                self.make(who, plain, &path(at), Some(target), token)?;
            }
            Mkdir(at) => self.make(who, plain, &path(at), None, token)?,
            Write(at) => self.overwrite(who, plain, &path(at), (content, token))?,
            Unlink(at) => self.unlink(who, plain, &path(at))?,
            Rmdir(at) => self.rmdir(who, plain, &path(at))?,
            Rename(from, to) => {
                self.rename(who, plain, Some(path(from)), Some(path(to)), Replace::Allowed)?;
            }
            Exchange(one, other) => {
                self.rename(who, plain, Some(path(one)), Some(path(other)), Replace::Exchange)?;
            }
            Link(from, to) => self.link(who, plain, &path(from), &path(to))?,
            Save(at) => self.save_path(who, plain, &path(at), token)?,
        }
        self.check(who)?;
        Ok(before.nodes != self.replicas[who].shot().nodes)
    }

    fn based(base: &Base, replicas: usize) -> World {
        let history = History { replicas, base: 0, unique: true, steps: Vec::new() };
        let mut world = World::new(&history);
        for made in base.made {
            world.operate(0, *made).unwrap();
        }
        world.share(0);
        world
    }

    fn share(&mut self, from: usize) {
        for to in (0..self.replicas.len()).filter(|to| *to != from) {
            self.pull(to, from).unwrap();
        }
    }
}

/// Where each sequence of `length` operations leads `who`; those that come to the same are one.
fn ends(begin: &dyn Fn() -> World, who: usize, length: u32) -> Vec<End> {
    let mut ends: Vec<End> = Vec::new();
    for index in 0..OPERATIONS.len().pow(length) {
        let mut world = begin();
        let mut did = Vec::new();
        for place in 0..length {
            let operation = OPERATIONS[index / OPERATIONS.len().pow(place) % OPERATIONS.len()];
            if world.operate(who, operation).unwrap_or_else(|why| panic!("{did:?} {operation:?}: {why}")) {
                did.push(operation);
            }
        }
        if ends.iter().all(|end| end.did != did) {
            world.replicas[who].offer();
            let copy = world.replicas[who].offered.clone();
            ends.push(End { did, copy, named: world.named, replica: who });
        }
    }
    ends
}

/// A world of replicas where these ends led them.
fn meeting(ends: &[&End]) -> World {
    let mut named: BTreeMap<NodeId, Named> = BTreeMap::new();
    for (node, by) in ends.iter().flat_map(|end| &end.named) {
        let all = named.entry(*node).or_default();
        all.authors.extend(&by.authors);
        all.linked |= by.linked;
    }
    let replicas = ends.iter().map(|end| Replica::at(end.replica, &end.copy));
    World::of(replicas.collect(), named)
}

fn meet_two(ends: &[&End]) -> Check {
    let mut world = meeting(ends);
    world.pull(0, 1)?;
    world.check(0)?;
    world.pull(1, 0)?;
    world.check(1)
}

/// All three meet in two orders.
fn meet_three(ends: &[&End]) -> Check {
    let mut world = meeting(ends);
    let third = world.replicas[0].offered.clone();
    world.pull(0, 1)?;
    world.check(0)?;
    world.pull(0, 2)?;
    world.check(0)?;
    world.pull(1, 2)?;
    world.check(1)?;
    world.deliver(1, 0, &third)?;
    world.check(1)?;
    world.pull(2, 1)?;
    world.check(2)
}

/// Runs `meet` on a share of all combinations of ends, on all cores.
fn combine(sets: &[Vec<End>], share: Share, meet: fn(&[&End]) -> Check) -> usize {
    let all: usize = sets.iter().map(Vec::len).product();
    let next = AtomicUsize::new(share.at);
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(share.of, Ordering::Relaxed);
                    if index >= all {
                        return;
                    }
                    let mut rest = index;
                    let mut ends = Vec::new();
                    for set in sets {
                        ends.push(&set[rest % set.len()]);
                        rest /= set.len();
                    }
                    if let Err(why) = meet(&ends) {
                        let did: Vec<_> = ends.iter().map(|end| &end.did).collect();
                        panic!("{did:?}: {why}");
                    }
                }
            });
        }
    });
    all.saturating_sub(share.at).div_ceil(share.of)
}

/// Two replicas, two operations each.
pub(super) fn pairs(base: &Base, share: Share) -> Covered {
    let begin = || World::based(base, 2);
    let sets = [ends(&begin, 0, 2), ends(&begin, 1, 2)];
    let meetings = combine(&sets, share, meet_two);
    Covered { histories: OPERATIONS.len().pow(4) / share.of, meetings }
}

/// Three replicas, one operation each after one that the first made and all have.
pub(super) fn triples(base: &Base, share: Share) -> Covered {
    let mut meetings = 0;
    for common in OPERATIONS {
        let begin = || {
            let mut world = World::based(base, 3);
            world.operate(0, common).unwrap();
            world.share(0);
            world
        };
        let sets = [ends(&begin, 0, 1), ends(&begin, 1, 1), ends(&begin, 2, 1)];
        meetings += combine(&sets, share, meet_three);
    }
    Covered { histories: OPERATIONS.len().pow(4) / share.of, meetings }
}

/// A part of the small world, the same each time. `scripts/soak merge-exhaustive` runs all of it.
macro_rules! share_bases {
    ($($name:ident $base:expr),+) => {
        $(
            #[test]
            fn $name() {
                pairs(&BASES[$base], Share { of: 31, at: $base });
                triples(&BASES[$base], Share { of: 31, at: $base });
            }
        )+
    };
}

share_bases!(from_nothing 0, from_a_file 1, from_a_directory_with_a_file 2, from_two_files 3,
    from_two_directories 4);
