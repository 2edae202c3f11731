//! Two sessions against each other.

use super::*;
use crate::crypto::ObjectKind;
use crate::miror::limits;
use crate::miror::message::Urgency;

fn equal(a: &Side, b: &Side) -> bool {
    a.replica.contents() == b.replica.contents() && a.replica.contents().values().all(Option::is_some)
}

#[test]
fn both_directions_at_once_then_both_end() {
    let (mut a, mut b) = introduced(filled(1, 0..30, 500), filled(2, 100..120, 70_000), &Config::once("x"));
    carry(&mut a, &mut b, usize::MAX);
    assert!(equal(&a, &b));
    let done = |side: &Side| matches!(&side.end, Some(Ok(summary)) if summary.done);
    assert!(done(&a) && done(&b), "{:?} {:?}", a.end, b.end);
}

#[test]
fn with_a_common_commit_only_what_is_new_travels_and_in_one_go() {
    let (mut a, mut b) = introduced(filled(1, 0..200, 50), MemoryReplica::new(2), &Config::follow("x"));
    carry(&mut a, &mut b, usize::MAX);
    let sent = a.session.progress().sent_objects;
    a.replica.write(7, &[vec![1; 500]]);
    let announcement = a.replica.announce().unwrap();
    a.feed(Input::Tip(Box::new(announcement)));
    // The offer and all of its objects leave without an answer of the peer.
    let flight = a.take();
    assert!(matches!(flight.first(), Some(Message::Offer(offer)) if offer.base.is_some()));
    let chunks = flight.iter().filter(|message| matches!(message, Message::Data(_))).count();
    assert_eq!(chunks as u64, a.session.progress().sent_objects - sent);
    assert!((3..10).contains(&chunks), "a commit, a path of the trie, a chunk: {chunks}");
    for message in &flight {
        b.hear(message);
    }
    assert!(equal(&a, &b));
    carry(&mut a, &mut b, usize::MAX);
    assert!(a.session.is_settled() && b.session.is_settled() && a.session.is_in_sync());
}

/// See `docs/decisions/0005-have-is-not-sent.md`.
#[test]
fn what_both_imported_does_not_travel() {
    let (a, b) = (MemoryReplica::new(1), MemoryReplica::new(2));
    for key in 0..40_u32 {
        let chunks = [vec![key as u8; 30_000], vec![key as u8 ^ 0x55; 20_000]];
        a.write(key.wrapping_mul(0x9E37_79B1), &chunks);
        b.write(key.wrapping_mul(0x85EB_CA6B), &chunks);
    }
    let (mut a, mut b) = introduced(a, b, &Config::once("x"));
    let mut chunks = 0;
    loop {
        let (from_a, from_b) = (a.take(), b.take());
        if from_a.is_empty() && from_b.is_empty() {
            break;
        }
        let is_chunk = |message: &&Message| matches!(message, Message::Data(data) if data.start.as_ref().is_some_and(|(it, _)| it.kind == ObjectKind::Chunk));
        chunks += from_a.iter().chain(&from_b).filter(is_chunk).count();
        from_a.iter().for_each(|message| b.hear(message));
        from_b.iter().for_each(|message| a.hear(message));
    }
    assert!(equal(&a, &b));
    assert_eq!(chunks, 0);
}

#[test]
fn structure_goes_before_content_and_small_before_large() {
    let a = filled(1, 0..20, 100);
    let (mut a, mut b) = introduced(a, MemoryReplica::new(2), &Config::follow("x"));
    carry(&mut a, &mut b, usize::MAX);
    for key in 0..6 {
        let len = if key % 2 == 0 { 200_000 } else { 400 };
        a.replica.write(key, &[vec![key as u8; len]]);
    }
    a.feed(Input::Tip(Box::new(a.replica.announce().unwrap())));
    let mut order = Vec::new();
    while let [_, ..] = a.said.as_slice() {
        for message in a.take() {
            if let Message::Data(data) = &message
                && let Some((header, total)) = &data.start
            {
                order.push((header.kind == ObjectKind::Chunk, *total > 1000));
            }
            b.hear(&message);
        }
        b.take().iter().for_each(|message| a.hear(message));
    }
    assert!(order.len() > 8 && order.is_sorted(), "{order:?}");
}

#[test]
fn a_cut_anywhere_resends_nothing_that_was_durable() {
    let config = Config { early: 0, ..Config::follow("x") };
    for cut in (1..200).step_by(3) {
        let (mut a, mut b) = introduced(filled(1, 0..40, 300), filled(2, 50..60, 90_000), &config);
        if carry(&mut a, &mut b, cut) < cut {
            break;
        }
        let (mut a, mut b) = introduced(a.replica, b.replica, &config);
        carry(&mut a, &mut b, usize::MAX);
        assert!(equal(&a, &b), "cut {cut}");
        assert_eq!((a.replica.resent(), b.replica.resent()), (0, 0), "cut {cut}");
    }
}

#[test]
fn a_read_overtakes_the_bulk() {
    let (mut a, mut b) = introduced(filled(1, 0..30, 100_000), MemoryReplica::new(2), &Config::follow("x"));
    a.feed(Input::Room(0));
    // Structure first, slice by slice, until the other side knows what it lacks.
    while b.replica.contents().is_empty() {
        a.feed(Input::Room(1));
        carry(&mut a, &mut b, usize::MAX);
    }
    let missing = b.replica.missing(None, 1000).unwrap();
    assert!(missing.len() > 50);
    let wanted = missing[missing.len() / 2].id;
    b.feed(Input::Fetch(vec![wanted]));
    let asked = b.take();
    assert!(asked.iter().any(|m| matches!(m, Message::Want(want) if want.urgency == Urgency::Read)));
    asked.iter().for_each(|message| a.hear(message));
    for _ in 0..2 {
        a.feed(Input::Room(1));
        carry(&mut a, &mut b, usize::MAX);
    }
    assert!(b.events.contains(&Event::Fetched { id: wanted, found: true }), "{:?}", b.events);
    assert!(b.replica.missing(None, 1000).unwrap().len() >= missing.len() - 2);
}

#[test]
fn a_disk_that_stands_still_holds_the_sender_back_but_not_the_talk() {
    let config = Config { window: 0, ..Config::follow("x") };
    let base = filled(1, 0..4, 10);
    let (mut a, mut b) = introduced(base, MemoryReplica::new(2), &config);
    carry(&mut a, &mut b, usize::MAX);
    b.stuck = true;
    for key in 0..40 {
        a.replica.write(key, &[vec![key as u8; 1 << 20]]);
    }
    a.feed(Input::Tip(Box::new(a.replica.announce().unwrap())));
    carry(&mut a, &mut b, usize::MAX);
    let sent = a.session.progress().sent_bytes;
    assert!(sent <= limits::WINDOW_MIN, "{sent}");
    (a.now, b.now) = (limits::PING_AFTER, limits::PING_AFTER);
    a.feed(Input::Tick);
    let ping = a.take();
    assert!(ping.iter().any(|message| matches!(message, Message::Ping(_))));
    ping.iter().for_each(|message| b.hear(message));
    assert!(b.take().iter().any(|message| matches!(message, Message::Pong(_))));
}

#[test]
fn pages_may_be_answered_in_any_order() {
    let replica = MemoryReplica::new(1);
    let chunks: Vec<_> = (0..5 * limits::PAGE as u32).map(|n| n.to_le_bytes().to_vec()).collect();
    replica.write(1, &chunks);
    let (mut a, mut b) = introduced(replica, MemoryReplica::new(2), &Config::once("x"));
    b.held = Some(Vec::new());
    a.take().iter().for_each(|message| b.hear(message));
    let held = b.held.take().unwrap_or_default();
    assert!(held.len() >= limits::PAGES_AHEAD as usize);
    held.into_iter().rev().for_each(|answer| b.feed(answer));
    carry(&mut a, &mut b, usize::MAX);
    assert!(equal(&a, &b));
    assert!(matches!(&a.end, Some(Ok(summary)) if summary.done));
}

#[test]
fn far_more_than_a_window_passes() {
    let config = Config { window: 0, ..Config::once("x") };
    let (mut a, mut b) = introduced(filled(1, 0..10, (1 << 20) - 4), MemoryReplica::new(2), &config);
    carry(&mut a, &mut b, usize::MAX);
    assert!(a.session.progress().sent_bytes > 3 * limits::WINDOW_MIN && equal(&a, &b));
    assert!(matches!(&b.end, Some(Ok(summary)) if summary.done));
}

#[test]
fn a_read_of_what_nobody_has_is_answered_too() {
    let (mut a, mut b) = introduced(filled(1, 0..3, 10), MemoryReplica::new(2), &Config::follow("x"));
    carry(&mut a, &mut b, usize::MAX);
    let id = crate::crypto::ObjectId([77; 32]);
    b.feed(Input::Fetch(vec![id]));
    carry(&mut a, &mut b, usize::MAX);
    assert!(b.events.contains(&Event::Fetched { id, found: false }));
    b.feed(Input::Fetch(vec![crate::crypto::ObjectId([78; 32])]));
    b.feed(Input::Lost);
    assert!(matches!(b.events.last(), Some(Event::Fetched { found: false, .. })), "answered at the end");
}

#[test]
fn silence_and_stalling_end_the_session() {
    let end = |side: &Side| side.end.clone().and_then(Result::err);
    let mut alone = Side::new(MemoryReplica::new(1), Config::follow("x"));
    alone.now = limits::HELLO_WITHIN;
    alone.feed(Input::Tick);
    assert_eq!(end(&alone), Some(SessionError::NoHello));
    let config = Config { early: 0, ..Config::follow("x") };
    let (mut a, mut b) = introduced(filled(1, 0..9, 10), MemoryReplica::new(2), &config);
    for message in a.take() {
        b.hear(&message);
    }
    assert!(b.session.wake_at() < Duration::MAX);
    let ping = Message::Ping(super::super::super::message::Beat { nonce: 0, tip: a.hello.tip });
    for _ in 0..7 {
        b.now += Duration::from_secs(10);
        b.hear(&ping);
        b.feed(Input::Tick);
    }
    assert_eq!(end(&b), Some(SessionError::Stalled));
    a.now = limits::SILENT;
    a.feed(Input::Tick);
    assert_eq!(end(&a), Some(SessionError::Silent));
}
