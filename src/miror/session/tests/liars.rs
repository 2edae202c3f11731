//! Peers that break the rules: each ends with an error that names what it did, and leaves the vault alone.

use super::*;
use crate::crypto::{EpochId, ObjectHeader, ObjectId, ObjectKind};
use crate::miror::limits;
use crate::miror::message::*;

fn id(n: u8) -> ObjectId {
    ObjectId([n; 32])
}

fn tip() -> Tip {
    Tip { commit: id(0xc0), root: Some(id(0xc1)), count: 5 }
}

fn hello() -> Hello {
    let mut hello = Side::new(MemoryReplica::new(2), Config::follow("liar")).hello;
    hello.tip = tip();
    hello
}

fn header(id: ObjectId, kind: ObjectKind) -> ObjectHeader {
    ObjectHeader {
        kind,
        flags: 0,
        epoch: EpochId { counter: 1, id: [0; 8] },
        plain_len: 10,
        id,
        wrapped: [0; 40],
    }
}

fn offer(number: u32, page: Vec<Offered>) -> Message {
    let bytes = page.iter().map(|entry| u64::from(entry.len)).sum();
    let objects = page.len() as u32;
    Message::Offer(Offer { number, id: [0; 32], base: None, tip: tip(), objects, bytes, first: 0, page })
}

fn entry(n: u8, kind: ObjectKind, len: u32) -> Offered {
    Offered { id: id(n), kind, len }
}

fn data(slot: Slot, offset: u32, start: Option<(ObjectHeader, u32)>, slice: &[u8]) -> Message {
    Message::Data(Data { slot, offset, start, slice: slice.to_vec() })
}

fn at(index: u32) -> Slot {
    Slot::Offer { number: 0, index }
}

/// Says HELLO and the messages; gives how the session ended.
fn tell(messages: &[Message]) -> Result<Summary, SessionError> {
    let mut side = Side::new(filled(1, 0..5, 50), Config::follow("honest"));
    let (contents, before) = (side.replica.contents(), side.replica.announce().unwrap());
    side.hear(&Message::Hello(Box::new(hello())));
    for message in messages {
        side.hear(message);
    }
    assert_eq!(side.replica.contents(), contents);
    assert_eq!(side.replica.announce().unwrap().tip, before.tip);
    let end = side.end.clone().unwrap_or_else(|| panic!("still going on after {messages:?}"));
    if end.is_err() {
        assert!(matches!(side.said.last(), Some(Message::Error(_))), "the peer is told");
    }
    side.feed(Input::Tick);
    end
}

fn rule(messages: &[Message]) -> &'static str {
    match tell(messages) {
        Err(SessionError::Protocol(rule)) => rule,
        other => panic!("{other:?}"),
    }
}

fn bad_object(messages: &[Message]) -> String {
    match tell(messages) {
        Err(SessionError::BadObject { what, why }) => format!("{what}: {why}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn data_nobody_asked_for() {
    let chunk = Some((header(id(1), ObjectKind::Chunk), 10));
    assert_eq!(rule(&[data(at(0), 0, chunk.clone(), b"xx")]), "data of no offer");
    assert_eq!(rule(&[data(Slot::Want(500), 0, chunk.clone(), b"xx")]), "data that was not asked for");
    let offered = offer(0, vec![entry(1, ObjectKind::Chunk, 10)]);
    assert_eq!(rule(&[offered.clone(), data(at(1), 0, chunk, b"xx")]), "data that was not offered");
    assert_eq!(rule(&[offered, data(at(0), 2, None, b"xx")]), "object without a beginning");
}

#[test]
fn objects_that_are_not_what_they_claim() {
    let offered = offer(0, vec![entry(1, ObjectKind::Chunk, 10), entry(2, ObjectKind::Trie, 10)]);
    let send = |slot, header, total, bytes: &[u8]| {
        bad_object(&[offered.clone(), data(slot, 0, Some((header, total)), bytes)])
    };
    assert!(send(at(0), header(id(9), ObjectKind::Chunk), 10, b"x").contains("another object"));
    assert!(send(at(0), header(id(1), ObjectKind::Trie), 10, b"x").contains("another kind"));
    assert!(send(at(0), header(id(1), ObjectKind::Chunk), 11, b"x").contains("another length"));
    let wrong = send(at(0), header(id(1), ObjectKind::Chunk), 10, &[7; 10]);
    assert!(wrong.contains("do not match the id") && wrong.contains(&id(1).to_string()), "{wrong}");
}

#[test]
fn a_trie_that_is_not_canonical() {
    let bytes = postcard::to_stdvec(&(0_u8, vec![(9_u32, Vec::<u8>::new()), (3, Vec::new())])).unwrap();
    let name = crate::miror::testing::object_id(ObjectKind::Trie, &bytes);
    let len = bytes.len() as u32;
    let page = vec![Offered { id: name, kind: ObjectKind::Trie, len }];
    let sent = data(at(0), 0, Some((header(name, ObjectKind::Trie), len)), &bytes);
    assert!(bad_object(&[offer(0, page), sent]).contains("not canonical"));
}

#[test]
fn slices_that_do_not_fit() {
    let offered = offer(0, vec![entry(1, ObjectKind::Chunk, 10)]);
    let begun = data(at(0), 0, Some((header(id(1), ObjectKind::Chunk), 10)), &[1; 4]);
    let after = |message| rule(&[offered.clone(), begun.clone(), message]);
    assert_eq!(after(data(at(0), 5, None, b"x")), "gap in an object");
    assert_eq!(after(data(at(0), 4, None, &[1; 7])), "object longer than declared");
    assert_eq!(after(begun.clone()), "object begun twice");
}

#[test]
fn many_objects_begun_and_more_than_granted() {
    let page: Vec<_> = (0..20).map(|n| entry(n, ObjectKind::Chunk, limits::BODY)).collect();
    let begin = |n: u8| {
        let header = ObjectHeader { plain_len: limits::PLAIN, ..header(id(n), ObjectKind::Chunk) };
        data(at(n.into()), 0, Some((header, limits::BODY)), &[0; limits::SLICE])
    };
    let mut messages = vec![offer(0, page.clone())];
    messages.extend((0..20).map(begin));
    assert_eq!(rule(&messages), "too many objects at once");
    let mut messages = vec![offer(0, page.clone())];
    for n in 0..8 {
        messages.push(begin(n));
        for slice in 1..17 {
            messages.push(data(at(n.into()), slice * limits::SLICE as u32, None, &[0; limits::SLICE]));
        }
    }
    let mut side =
        Side::new(filled(1, 0..5, 50), Config { window: 0, window_most: 0, ..Config::follow("honest") });
    side.hear(&Message::Hello(Box::new(hello())));
    messages.iter().for_each(|message| side.hear(message));
    assert_eq!(side.end, Some(Err(SessionError::Protocol("more data than granted"))));
}

#[test]
fn offers_that_contradict_themselves() {
    let one = || vec![entry(1, ObjectKind::Chunk, 10)];
    assert_eq!(rule(&[offer(1, one())]), "offer out of order");
    assert_eq!(rule(&[offer(0, one()), offer(0, one())]), "page that does not fit its offer");
    let page = |first, objects, bytes, page| {
        Message::Offer(Offer { number: 0, id: [0; 32], base: None, tip: tip(), objects, bytes, first, page })
    };
    assert_eq!(rule(&[page(0, 5, 9, one())]), "offer over its length");
    assert_eq!(rule(&[page(0, 5, 99, vec![])]), "empty page");
    assert_eq!(rule(&[page(1, 5, 99, one())]), "page of an offer that is not open");
    assert_eq!(rule(&[page(5, 5, 99, vec![])]), "page of an offer that is not open");
    assert_eq!(rule(&[Message::Resume(vec![])]), "RESUME of what was not asked for");
    let big = |number| {
        Message::Offer(Offer {
            number,
            id: [0; 32],
            base: None,
            tip: tip(),
            objects: limits::OFFER_OBJECTS,
            bytes: 99,
            first: 0,
            page: one(),
        })
    };
    assert_eq!(rule(&[big(0), big(1)]), "too much offered at once");
}

#[test]
fn a_state_whose_structure_the_peer_lacks() {
    // The walk asks for the commit; the peer says that it is gone.
    let gone = Message::Gone(Gone { slots: vec![Slot::Want(0)] });
    assert_eq!(tell(&[offer(0, vec![]), gone]), Err(SessionError::PeerLacks(tip().commit)));
    let gone = Message::Gone(Gone { slots: vec![at(0)] });
    let offered = offer(0, vec![entry(1, ObjectKind::Trie, 10)]);
    assert_eq!(tell(&[offered, gone]), Err(SessionError::PeerLacks(id(1))));
}

#[test]
fn talk_out_of_turn() {
    assert_eq!(rule(&[Message::Hello(Box::new(hello()))]), "HELLO twice");
    let ack = Ack { number: 7, durable: vec![Range { first: 0, count: 1 }], window: 0 };
    assert_eq!(rule(&[Message::Ack(ack)]), "ACK of no offer");
    let accept = Accept { number: 7, first: 0, wanted: vec![] };
    assert_eq!(rule(&[Message::Accept(accept)]), "ACCEPT of no offer");
    let complete = Complete { number: Some(7), tip: tip(), stage: Stage::All };
    assert_eq!(rule(&[Message::Complete(complete)]), "COMPLETE of no offer");
    let mut side = Side::new(MemoryReplica::new(1), Config::follow("x"));
    side.hear(&Message::Bye);
    assert_eq!(side.end, Some(Err(SessionError::Protocol("spoke before HELLO"))));
}

#[test]
fn wants_without_end() {
    let mut side = Side::new(filled(1, 0..5, 50), Config::follow("honest"));
    side.hear(&Message::Hello(Box::new(hello())));
    for n in 0..200 {
        let ids = vec![id(3); limits::IDS];
        let first = n * limits::IDS as u32;
        // Without room nothing is answered, so they pile up.
        side.session
            .handle(Input::Message(Message::Want(Want { first, urgency: Urgency::Content, ids })), side.now);
    }
    let last = side.session.handle(Input::Tick, side.now);
    assert!(last.is_empty(), "it had ended");
}

#[test]
fn builds_that_do_not_understand_each_other() {
    let mut side = Side::new(MemoryReplica::new(1), Config::follow("x"));
    let mut hello = hello();
    hello.build = "other 9".into();
    hello.required = vec!["teleport/1".into()];
    hello.features.push("teleport/1".into());
    side.hear(&Message::Hello(Box::new(hello)));
    let Some(Err(error)) = side.end else { panic!("ended") };
    let text = error.to_string();
    assert!(text.contains("other 9") && text.contains("bosr") && text.contains("teleport/1"), "{text}");
}

#[test]
fn nonsense_at_the_level_of_messages_never_panics_and_never_changes_the_vault() {
    let mut rng = crate::miror::testing::Rng::new(17);
    for _ in 0..300 {
        let mut side = Side::new(filled(1, 0..5, 50), Config::follow("honest"));
        let contents = side.replica.contents();
        let mut bytes = codec::encode(&Message::Hello(Box::new(hello()))).unwrap();
        side.hear(&Message::Hello(Box::new(hello())));
        for _ in 0..30 {
            let at = rng.below(bytes.len() as u64) as usize;
            bytes[at] = rng.next() as u8;
            bytes[0] = rng.below(15) as u8;
            if let Ok(message) = codec::decode(&bytes) {
                side.feed(Input::Message(message));
            }
            let len = rng.below(120) as usize + 1;
            bytes = rng.bytes(len);
        }
        assert_eq!(side.replica.contents(), contents);
    }
}
