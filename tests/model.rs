//! Random lives of a vault beside a small model of POSIX: the answers, and after each step all that can be
//! seen, must be the same. Once asked directly, without a kernel, and once through a real mount.
//!
//! A life that fails is shrunk by proptest and belongs here as a named test.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "model/kernel.rs"]
mod kernel;
#[path = "model/posix.rs"]
mod posix;
#[path = "model/replica.rs"]
mod replica;
#[path = "model/requests.rs"]
mod requests;
#[path = "model/step.rs"]
mod step;
mod support;

use std::collections::BTreeMap;

use kernel::Kernel;
use nix::errno::Errno;
use posix::{Answer, Model, Seen};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use replica::Replica;
use requests::Requests;
use step::{Elsewhere, Step, life};

/// A vault that steps can be made on.
trait World: Sized {
    /// A new one.
    fn new() -> Self;
    /// Makes a step.
    fn step(&mut self, step: &Step) -> Result<Answer, Errno>;
    /// Every name, by path.
    fn seen(&mut self) -> BTreeMap<String, Seen>;
    /// The bytes of the file at a path.
    fn content(&mut self, path: &str) -> Vec<u8>;
    /// The bytes of an open file.
    fn opened_content(&mut self, slot: usize) -> Vec<u8>;
    /// Gives what a peer did time to show, until `same` says that it does.
    fn settle(&mut self, _same: &mut dyn FnMut(&mut Self) -> bool) {}
}

/// Whether what is seen is what the model has. Times count where the model knows them.
fn differs(expected: &BTreeMap<String, Seen>, found: &BTreeMap<String, Seen>) -> Option<String> {
    if expected.keys().ne(found.keys()) {
        let (expected, found): (Vec<_>, Vec<_>) = (expected.keys().collect(), found.keys().collect());
        return Some(format!("names {found:?}, not {expected:?}"));
    }
    expected.iter().find_map(|(path, expected)| {
        let found = &found[path];
        let modified = expected.modified.and(found.modified);
        let same = Seen { modified, ..found.clone() } == *expected;
        (!same).then(|| format!("{path}: {found:?}, not {expected:?}"))
    })
}

/// Compares all contents, those of files that lost their names while open too.
fn compare_contents<W: World>(world: &mut W, model: &Model) {
    for (path, expected) in model.contents() {
        assert!(world.content(&path) == expected, "the content of {path}");
    }
    for (slot, expected) in model.opened() {
        assert!(world.opened_content(slot) == expected, "the content of what is open as {slot}");
    }
}

/// Lives `steps` in a new world.
fn live<W: World>(steps: &[Step]) {
    let (mut world, mut model) = (W::new(), Model::new());
    for (number, step) in steps.iter().enumerate() {
        let before = model.clone();
        let Some(expected) = model.step(step) else { continue };
        let found = world.step(step);
        let told = format!("step {number}, {step:?}");
        match (step, &expected, &found) {
            (Step::Seek { slot, at, hole }, Ok(_), Ok(Answer::Found(at_found))) => {
                assert!(before.finds(*slot, *at, *hole, *at_found), "{told}: found {at_found}");
            }
            (Step::Seek { slot, at, hole: false }, Ok(_), Err(Errno::ENXIO)) => {
                assert!(!before.has_data(*slot, *at), "{told}: found none");
            }
            _ => assert!(found == expected, "{told}: {}, not {}", brief(&found), brief(&expected)),
        }
        let expected = model.seen();
        if matches!(step, Step::Peer(_)) {
            world.settle(&mut |world| differs(&expected, &world.seen()).is_none());
        }
        let difference = differs(&expected, &world.seen());
        assert!(difference.is_none(), "{told}: {}", difference.unwrap_or_default());
        if matches!(step, Step::Peer(_) | Step::Remount | Step::Commit) {
            compare_contents(&mut world, &model);
        }
    }
    compare_contents(&mut world, &model);
}

fn brief(answer: &Result<Answer, Errno>) -> String {
    match answer {
        Ok(Answer::Bytes(bytes)) => format!("{} bytes", bytes.len()),
        other => format!("{other:?}"),
    }
}

/// Lives random lives: `count` of them, the same each time. `BOSR_LIVES` asks for another number, `BOSR_SEED` for
/// others.
fn live_many<W: World>(count: u32, most_steps: usize) {
    let variable = |name| std::env::var(name).ok().and_then(|value| value.parse::<u32>().ok());
    let config = Config {
        cases: variable("BOSR_LIVES").unwrap_or(count),
        failure_persistence: None,
        max_shrink_time: 120_000,
        ..Config::default()
    };
    let mut seed = [0; 32];
    seed[..4].copy_from_slice(&variable("BOSR_SEED").unwrap_or(1).to_le_bytes());
    TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &seed))
        .run(&life(most_steps), |steps| {
            live::<W>(&steps);
            Ok(())
        })
        .unwrap_or_else(|failed| panic!("{failed}"));
}

#[test]
fn requests_do_what_posix_says() {
    live_many::<Requests>(60, 60);
}

#[test]
fn programs_see_what_posix_says() {
    live_many::<Kernel>(12, 50);
}

/// Renaming one name of a file over another does nothing, also while the file is dirty.
#[test]
fn two_names_of_one_open_file_are_renamed_over_each_other() {
    let (a, b) = (vec!["a"], vec!["b"]);
    live::<Requests>(&[
        Step::Create { slot: 0, path: a.clone(), exclusive: true },
        Step::Link { from: a.clone(), to: b.clone() },
        Step::Write { slot: 0, at: 0, length: 10, seed: 1 },
        Step::Rename { from: a, to: b, how: step::How::Replace },
    ]);
}

/// A peer changes a file between the lookup and the open of it, more than once: it opens as it was looked up.
#[test]
fn what_is_opened_is_what_was_looked_up() {
    let requests = Requests::new();
    let path = vec!["file"];
    let put = |seed: u8| Elsewhere::Put { path: path.clone(), length: 1000 * usize::from(seed), seed };
    let put_twice = |replica: &Replica| {
        replica.elsewhere(&put(2));
        replica.elsewhere(&put(3));
    };
    requests.look_up_and_open_later(&vec![], |replica| replica.elsewhere(&put(1))).unwrap_err();
    let late = requests.look_up_and_open_later(&path, put_twice).unwrap();
    assert!(late == (1000, step::bytes(1, 0, 1000)));
    let now = requests.look_up_and_open_later(&path, |_| {}).unwrap();
    assert!(now == (3000, step::bytes(3, 0, 3000)));
}
