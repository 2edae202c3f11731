//! Content that is asked for in an order of the receiver's.

use std::collections::BTreeMap;

use super::*;
use crate::crypto::{ObjectId, ObjectKind};
use crate::miror::limits;
use crate::miror::message::Urgency;
use crate::miror::testing::object_id as name;
use crate::vault::Rank;

/// The content of a file of two chunks.
fn chunks(key: u32, len: usize) -> Vec<Vec<u8>> {
    [0x00, 0x80]
        .map(|salt| key.to_le_bytes().into_iter().cycle().map(|b| b ^ salt).take(len).collect())
        .into()
}

/// Which file each chunk is of.
fn owners(keys: std::ops::Range<u32>, len: usize) -> BTreeMap<ObjectId, u32> {
    let named = |key| chunks(key, len).into_iter().map(move |bytes| (name(ObjectKind::Chunk, &bytes), key));
    keys.flat_map(named).collect()
}

/// A replica that wants the content of key 5 first and that of key 0 last.
fn choosy(number: u8) -> MemoryReplica {
    let replica = MemoryReplica::new(number);
    replica.set_rank(5, Rank::First);
    replica.set_rank(0, Rank::Last);
    replica
}

/// Lets both talk to the end; gives the files whose chunks came, in order, and whether structure came between.
fn arrivals(a: &mut Side, b: &mut Side, owners: &BTreeMap<ObjectId, u32>) -> Vec<u32> {
    let mut order = Vec::new();
    loop {
        let (from_a, from_b) = (a.take(), b.take());
        if from_a.is_empty() && from_b.is_empty() {
            return order;
        }
        for message in from_a {
            if let Message::Data(data) = &message
                && let Some((header, _)) = &data.start
                && header.kind == ObjectKind::Chunk
            {
                order.push(owners[&header.id]);
            }
            b.hear(&message);
        }
        from_b.iter().for_each(|message| a.hear(message));
    }
}

#[test]
fn what_an_offer_brings_comes_in_its_turn() {
    const LEN: usize = 300_000;
    let config = Config { early: 0, ..Config::follow("x") };
    let (mut a, mut b) = introduced(filled(1, 70..75, 100), choosy(2), &config);
    carry(&mut a, &mut b, usize::MAX);
    for key in 0..8 {
        a.replica.write(key, &chunks(key, LEN));
    }
    a.feed(Input::Tip(Box::new(a.replica.announce().unwrap())));
    let order = arrivals(&mut a, &mut b, &owners(0..8, LEN));
    assert_eq!(order.len(), 16);
    assert_eq!((&order[..2], &order[14..]), (&[5, 5][..], &[0, 0][..]), "{order:?}");
    assert_eq!(a.replica.contents(), b.replica.contents());
    assert!(a.session.is_settled() && b.session.is_settled());
}

/// What may be sent before the answer is taken, and not asked for again.
#[test]
fn what_comes_early_comes_once() {
    const LEN: usize = 90_000;
    let (mut a, mut b) = introduced(filled(1, 70..75, 100), choosy(2), &Config::follow("x"));
    carry(&mut a, &mut b, usize::MAX);
    for key in 0..8 {
        a.replica.write(key, &chunks(key, LEN));
    }
    a.feed(Input::Tip(Box::new(a.replica.announce().unwrap())));
    let order = arrivals(&mut a, &mut b, &owners(0..8, LEN));
    assert_eq!(order.len(), 16, "{order:?}");
    assert_eq!(a.replica.contents(), b.replica.contents());
}

#[test]
fn a_small_change_still_comes_in_one_go() {
    let (mut a, mut b) = introduced(filled(1, 70..75, 100), choosy(2), &Config::follow("x"));
    carry(&mut a, &mut b, usize::MAX);
    a.replica.write(0, &chunks(0, 10_000));
    a.feed(Input::Tip(Box::new(a.replica.announce().unwrap())));
    a.take().iter().for_each(|message| b.hear(message));
    assert_eq!(a.replica.contents(), b.replica.contents());
    assert!(!b.take().iter().any(|message| matches!(message, Message::Want(_))));
}

/// Lets the one side send a slice, and the other answer; gives the contents that it asks for.
fn step(a: &mut Side, b: &mut Side) -> Vec<ObjectId> {
    a.feed(Input::Room(1));
    a.take().iter().for_each(|message| b.hear(message));
    let mut asked = Vec::new();
    for message in b.take() {
        if let Message::Want(want) = &message
            && want.urgency == Urgency::Content
        {
            asked.extend(want.ids.clone());
        }
        a.hear(&message);
    }
    asked
}

/// Room without end, as a link gives it again and again, until there is no more to say.
fn finish(a: &mut Side, b: &mut Side) {
    a.feed(Input::Room(usize::MAX));
    while carry(a, b, usize::MAX) > 0 {
        a.feed(Input::Room(usize::MAX));
    }
}

/// What becomes known as first is asked for before all that was not asked for yet.
#[test]
fn what_is_first_overtakes_what_waits_to_be_asked_for() {
    let many: Vec<_> = (0..9_000_u32).map(|n| [n.to_le_bytes(); 10].concat()).collect();
    let (mut a, mut b) = introduced(filled(1, 70..75, 100), choosy(2), &Config::follow("x"));
    carry(&mut a, &mut b, usize::MAX);
    a.feed(Input::Room(0));
    a.replica.write(1, &many);
    a.feed(Input::Tip(Box::new(a.replica.announce().unwrap())));
    let mut asked = Vec::new();
    while b.replica.contents().len() < 6 {
        asked = step(&mut a, &mut b);
    }
    assert!((2_000..=limits::WANTS_OPEN).contains(&asked.len()), "{} asked for", asked.len());
    let first: Vec<_> = chunks(5, 150_000).iter().map(|bytes| name(ObjectKind::Chunk, bytes)).collect();
    a.replica.write(5, &chunks(5, 150_000));
    a.feed(Input::Tip(Box::new(a.replica.announce().unwrap())));
    let steps = (0..6_000).map(|_| step(&mut a, &mut b)).find(|asked| !asked.is_empty());
    let next = steps.unwrap_or_default();
    // One of them came ahead of the answer.
    assert!(next.first().is_some_and(|id| first.contains(id)), "{} others first", next.len());
    finish(&mut a, &mut b);
    assert_eq!(a.replica.contents(), b.replica.contents());
}

/// A file that the user moves to the front while pages of the rest are asked for is not missed.
#[test]
fn what_is_ranked_anew_is_not_missed() {
    let a = MemoryReplica::new(1);
    let many: Vec<_> = (0..10_000_u32).map(|n| [n.to_le_bytes(); 10].concat()).collect();
    a.write(1, &many);
    a.write(2, &chunks(2, 100));
    let b = MemoryReplica::new(2);
    b.set_rank(2, Rank::Last);
    let (mut a, mut b) = introduced(a, b, &Config::once("x"));
    a.feed(Input::Room(0));
    while b.replica.contents().is_empty() {
        a.feed(Input::Room(1));
        carry(&mut a, &mut b, usize::MAX);
    }
    b.replica.set_rank(2, Rank::First);
    finish(&mut a, &mut b);
    assert!(matches!(&b.end, Some(Ok(summary)) if summary.done), "{:?} {:?}", b.end, a.end);
    assert_eq!(a.replica.contents(), b.replica.contents());
}
