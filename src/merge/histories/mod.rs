//! Random histories of several replicas, held against oracles that know nothing of the rules' making.
//!
//! A history is a list of [`Step`]s, each a few small numbers taken modulo what there is to choose from, so
//! that it shrinks by leaving steps out and lowering numbers. A failure prints its seed and the shortest
//! history found; `BOSR_SEED=n` replays one. `scripts/soak merge` runs as many as there is time for.

mod cases;
mod choose;
mod exhaustive;
mod found;
mod plain;
mod replica;
mod scratch;
mod soak;
mod tokens;
mod world;

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use world::World;

/// A small random generator (splitmix64), so that seeds mean the same for ever.
#[derive(Clone, Debug)]
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Dice(seed)
    }

    pub(super) fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub(super) fn below(&mut self, bound: usize) -> usize {
        (self.roll() % bound.max(1) as u64) as usize
    }
}

/// What a step does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act {
    Create,
    Mkdir,
    Symlink,
    Write,
    Truncate,
    Unlink,
    Rmdir,
    Rename,
    Exchange,
    Link,
    Chmod,
    Save,
    Open,
    HandleWrite,
    TombstoneRemove,
    TombstoneRestore,
    TombstoneMove,
    Prune,
    /// Comes back with what was durable when a peer last pulled, and with the journal or without.
    Crash,
    /// Comes back as it was at an earlier pull: another life.
    Restore,
    /// Cuts the network in two, or mends it.
    Cut,
    /// One takes over the state of another.
    Pull,
    /// Both do.
    Meet,
    /// A state that was handed over before arrives once more.
    Deliver,
}

impl Act {
    /// Whether it is no operation on the tree.
    fn is_of_several(self) -> bool {
        use Act::{Crash, Cut, Deliver, Meet, Prune, Pull, Restore};
        matches!(self, Prune | Crash | Restore | Cut | Pull | Meet | Deliver)
    }
}

/// How often each is drawn.
const WEIGHTS: [(Act, usize); 24] = [
    (Act::Create, 10),
    (Act::Mkdir, 5),
    (Act::Symlink, 1),
    (Act::Write, 10),
    (Act::Truncate, 2),
    (Act::Unlink, 8),
    (Act::Rmdir, 4),
    (Act::Rename, 13),
    (Act::Exchange, 2),
    (Act::Link, 3),
    (Act::Chmod, 1),
    (Act::Save, 6),
    (Act::Open, 2),
    (Act::HandleWrite, 3),
    (Act::TombstoneRemove, 3),
    (Act::TombstoneRestore, 2),
    (Act::TombstoneMove, 2),
    (Act::Prune, 4),
    (Act::Crash, 2),
    (Act::Restore, 1),
    (Act::Cut, 2),
    (Act::Pull, 25),
    (Act::Meet, 4),
    (Act::Deliver, 2),
];

/// One step: who does what, and three choices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) who: usize,
    pub(super) act: Act,
    pub(super) picks: [usize; 3],
}

/// A whole history.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct History {
    pub(super) replicas: usize,
    /// Steps of the first replica that everybody then has.
    pub(super) base: usize,
    /// Whether every content is unique (else there are two in all).
    pub(super) unique: bool,
    pub(super) steps: Vec<Step>,
}

impl fmt::Debug for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} replicas, base {}, unique {}", self.replicas, self.base, self.unique)?;
        self.steps.iter().try_for_each(|step| writeln!(f, "  {step:?}"))
    }
}

impl History {
    fn random(seed: u64, longest: usize) -> History {
        let mut dice = Dice::new(seed);
        let replicas = [2, 2, 2, 3, 3, 3, 4, 5][dice.below(8)];
        let base = if dice.below(3) == 0 { 0 } else { 1 + dice.below(5) };
        let unique = dice.below(3) > 0;
        let count = base + 4 + dice.below(longest - 3);
        let total: usize = WEIGHTS.iter().map(|(_, weight)| weight).sum();
        let steps = (0..count).map(|_| {
            let mut at = dice.below(total);
            let act = WEIGHTS.iter().find(|(_, weight)| {
                let here = at < *weight;
                at = at.saturating_sub(*weight);
                here
            });
            Step {
                who: dice.below(replicas),
                act: act.map_or(Act::Pull, |(act, _)| *act),
                picks: [dice.below(64), dice.below(64), dice.below(64)],
            }
        });
        History { replicas, base, unique, steps: steps.collect() }
    }

    /// Runs it; what went wrong, if anything.
    fn run(&self) -> Result<(), String> {
        let outcome = catch_unwind(AssertUnwindSafe(|| World::new(self).run(self)));
        outcome.unwrap_or_else(|panic| {
            let text = panic.downcast_ref::<String>().cloned();
            Err(text.or_else(|| panic.downcast_ref::<&str>().map(|it| it.to_string())).unwrap_or_default())
        })
    }

    /// The shortest failing history found by leaving out and lowering.
    fn shrink(mut self) -> History {
        loop {
            let before = self.clone();
            for index in (0..self.steps.len()).rev() {
                let mut shorter = self.clone();
                shorter.steps.remove(index);
                shorter.base -= usize::from(index < shorter.base);
                if shorter.run().is_err() {
                    self = shorter;
                }
            }
            for index in 0..self.steps.len() {
                for pick in 0..3 {
                    let lower = |by: &dyn Fn(usize) -> usize| {
                        let mut lower = self.clone();
                        lower.steps[index].picks[pick] = by(lower.steps[index].picks[pick]);
                        (lower != self && lower.run().is_err()).then_some(lower)
                    };
                    let found = lower(&|_| 0)
                        .or_else(|| lower(&|it| it / 2))
                        .or_else(|| lower(&|it| it.saturating_sub(1)));
                    if let Some(found) = found {
                        self = found;
                    }
                }
            }
            if self == before {
                return self;
            }
        }
    }
}

fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// Seeds from here on make long histories.
const LONG: u64 = 1 << 40;

/// The history that a seed makes.
fn history(seed: u64) -> History {
    History::random(seed, if seed < LONG { 16 } else { 60 })
}

/// Runs one history; a failure says how to replay it, and the shortest one found.
fn run_seed(seed: u64) -> History {
    let history = history(seed);
    if history.run().is_err() {
        let short = history.shrink();
        let why = short.run().err().unwrap_or_default();
        panic!(
            "BOSR_SEED={seed} fails; shortest found: {short:?}\n{}\n{why}",
            World::new(&short).told(&short)
        );
    }
    history
}

/// Runs the histories of a range of seeds, or only the one that `BOSR_SEED` names: the first range of short ones does
/// that, or of long ones.
fn run_seeds(seeds: std::ops::Range<u64>) {
    match variable("BOSR_SEED") {
        Some(seed) if seeds.start == seed / LONG * LONG => drop(run_seed(seed)),
        Some(_) => {}
        None => seeds.for_each(|seed| drop(run_seed(seed))),
    }
}

/// Tests that each take a share of the seeds, to run beside each other.
macro_rules! share_seeds {
    ($from:expr, $each:expr, $($name:ident $index:expr),+) => {
        $(
            #[test]
            fn $name() {
                run_seeds($from + $index * $each..$from + ($index + 1) * $each);
            }
        )+
    };
}

mod short_histories_keep_every_promise {
    use super::run_seeds;
    share_seeds!(0, 6_500, part_1 0, part_2 1, part_3 2, part_4 3, part_5 4, part_6 5, part_7 6, part_8 7);
}

mod long_histories_keep_every_promise {
    use super::{LONG, run_seeds};
    share_seeds!(LONG, 250, part_1 0, part_2 1);
}
