//! Random histories of several replicas, held against oracles that know nothing of the rules' making.
//!
//! A history is a list of [`Step`]s, each a few small numbers taken modulo what there is to choose from, so
//! that it shrinks by leaving steps out and lowering numbers. `BOSR_HISTORIES=n` runs more of them,
//! `BOSR_SEED=n` replays one; a failure prints the seed and the shortest history found.

mod cases;
mod choose;
mod plain;
mod scratch;
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
    Crash,
    Pull,
}

/// How often each is drawn.
const WEIGHTS: [(Act, usize); 20] = [
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
    (Act::Pull, 28),
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
        let replicas = [2, 2, 3, 3, 4][dice.below(5)];
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

/// Runs `count` histories of up to `longest` steps from the seed of the day on.
fn run_histories(first: u64, count: u64, longest: usize) {
    let seeds = match variable("BOSR_SEED") {
        Some(seed) => seed..seed + 1,
        None => first..first + variable("BOSR_HISTORIES").unwrap_or(count),
    };
    for seed in seeds {
        let history = History::random(seed, longest);
        if history.run().is_err() {
            let short = history.shrink();
            let why = short.run().err().unwrap_or_default();
            panic!(
                "BOSR_SEED={seed} fails; shortest found: {short:?}\n{}\n{why}",
                World::new(&short).told(&short)
            );
        }
    }
}

#[test]
fn short_histories_keep_every_promise() {
    run_histories(1, 20_000, 16);
}

#[test]
fn long_histories_keep_every_promise() {
    run_histories(10_000_000, 300, 60);
}
