//! Content that several peers could bring.

use std::collections::BTreeMap;

use super::*;
use crate::crypto::{ObjectId, ObjectKind};
use crate::miror::limits;
use crate::vault::Rank;

/// What one side learns from two who have the same.
struct Three {
    /// Sessions of the learner, and who is at the other end of each.
    pairs: [(Side, Side); 2],
    /// Which chunks came from which.
    came: BTreeMap<ObjectId, Vec<usize>>,
}

impl Three {
    /// Both sources have `keys`; the learner has nothing.
    fn new(keys: std::ops::Range<u32>, len: usize) -> Three {
        let learner = Arc::new(MemoryReplica::new(9));
        // So that it asks for contents one by one, and does not accept whole pages of them.
        learner.set_rank(0, Rank::Last);
        let config = Config { early: 0, ..Config::follow("x") };
        let pair = |number: u8| {
            let source = Arc::new(filled(1, keys.clone(), len));
            let mut to_it = Side::with(learner.clone(), config.clone(), number);
            let mut from_it = Side::with(source, config.clone(), 9);
            to_it.feed(Input::Room(usize::MAX));
            from_it.feed(Input::Room(usize::MAX));
            to_it.hear(&Message::Hello(Box::new(from_it.hello.clone())));
            from_it.hear(&Message::Hello(Box::new(to_it.hello.clone())));
            (to_it, from_it)
        };
        Three { pairs: [pair(1), pair(2)], came: BTreeMap::new() }
    }

    /// Lets a pair exchange what they have to say, in turns with its sending `slices` of data at most. False if
    /// there was nothing.
    fn turn(&mut self, which: usize, slices: usize) -> bool {
        let (learner, source) = &mut self.pairs[which];
        source.feed(Input::Room(slices));
        let (asked, said) = (learner.take(), source.take());
        let any = !asked.is_empty() || !said.is_empty();
        asked.iter().for_each(|message| source.hear(message));
        for message in said {
            if let Message::Data(data) = &message
                && let Some((header, _)) = &data.start
                && header.kind == ObjectKind::Chunk
            {
                self.came.entry(header.id).or_default().push(which);
            }
            learner.hear(&message);
        }
        any
    }

    /// Time passes for all.
    fn pass(&mut self, time: Duration) {
        for side in self.pairs.iter_mut().flat_map(|(learner, source)| [learner, source]) {
            side.now += time;
            side.feed(Input::Tick);
        }
    }

    fn from(&self, which: usize) -> usize {
        self.came.values().filter(|from| from.contains(&which)).count()
    }

    fn is_whole(&self) -> bool {
        self.pairs[0].0.replica.contents() == self.pairs[0].1.replica.contents()
    }
}

#[test]
fn two_sources_share_the_work_and_what_they_bring_comes_once() {
    let mut three = Three::new(0..600, 1_000);
    while three.turn(0, 1) | three.turn(1, 1) {}
    // The one that is done first looks whether the other was.
    three.pass(limits::REST);
    while three.turn(0, usize::MAX) | three.turn(1, usize::MAX) {}
    assert!(three.is_whole());
    assert_eq!(three.came.len(), 1_200);
    // What may be on its way before the answer to an offer is taken from both.
    let early = limits::EARLY as usize / 1_000;
    let twice = three.came.values().filter(|from| from.len() != 1).count();
    assert!(twice <= early, "{twice}");
    assert!(three.from(0) > 150 && three.from(1) > 150, "{} {}", three.from(0), three.from(1));
    assert!(
        three
            .pairs
            .iter()
            .all(|(learner, source)| learner.session.is_settled() && source.session.is_settled())
    );
}

#[test]
fn what_a_lost_source_was_to_bring_comes_from_the_other_at_once() {
    let mut three = Three::new(0..300, 100_000);
    while three.from(0) < 50 {
        three.turn(0, 1);
        three.turn(1, 1);
    }
    three.pairs[0].0.feed(Input::Lost);
    three.pairs[0].0.replica.claims().release(&DevicePublic([1; 32]));
    while three.turn(1, usize::MAX) {}
    three.pass(limits::REST);
    while three.turn(1, usize::MAX) {}
    assert!(three.is_whole());
}

#[test]
fn what_a_slow_source_was_to_bring_comes_from_the_other_in_a_while() {
    let mut three = Three::new(0..300, 100_000);
    while three.from(0) < 50 {
        three.turn(0, 1);
        three.turn(1, 1);
    }
    let mut waited = Duration::ZERO;
    while !three.is_whole() {
        while three.turn(1, usize::MAX) {}
        three.pass(limits::REST);
        waited += limits::REST;
        assert!(waited < limits::STALLED, "nothing comes");
    }
    assert!(waited > limits::REST * 5, "a source is left its work for a while");
}

#[test]
fn what_one_source_has_not_got_comes_from_the_other() {
    let mut three = Three::new(0..40, 50_000);
    let (_, poor) = &mut three.pairs[0];
    poor.replica.lose_chunks();
    while three.turn(0, usize::MAX) | three.turn(1, usize::MAX) {}
    three.pass(limits::REST);
    while three.turn(0, usize::MAX) | three.turn(1, usize::MAX) {}
    assert!(three.pairs[1].0.replica.contents() == three.pairs[1].1.replica.contents());
    assert_eq!(three.from(0), 0);
}
