//! Round trips, limits, and bytes that no honest peer sends.
#![allow(clippy::indexing_slicing)]

use super::super::message::*;
use super::*;
use crate::crypto::{EpochId, ObjectHeader, ObjectId};
use crate::miror::testing::Rng;

fn id(n: u8) -> ObjectId {
    ObjectId([n; 32])
}

fn tip() -> Tip {
    Tip { commit: id(1), root: Some(id(2)), count: 300 }
}

fn header() -> ObjectHeader {
    ObjectHeader {
        kind: ObjectKind::Chunk,
        flags: 1,
        epoch: EpochId { counter: 1, id: [3; 8] },
        plain_len: 70_000,
        id: id(4),
        wrapped: [5; 40],
    }
}

fn samples() -> Vec<Message> {
    let data = |start, offset| {
        Message::Data(Data { slot: Slot::Offer { number: 1, index: 2 }, offset, start, slice: vec![7; 100] })
    };
    vec![
        Message::Hello(Box::new(Hello {
            build: "bosr".into(),
            features: vec!["offer/1".into()],
            required: vec![],
            replica: [1; 8],
            name: "n".into(),
            tip: tip(),
            context: vec![Seen { replica: [1; 8], lamport: 9 }, Seen { replica: [2; 8], lamport: 1 }],
            recent: vec![id(8)],
            offers: true,
            accepts: true,
            window: limits::WINDOW,
            random: [6; 32],
            resume: vec![],
            port: 4747,
        })),
        Message::Offer(Offer {
            number: 0,
            id: [1; 32],
            base: None,
            tip: tip(),
            objects: 2,
            bytes: 500,
            first: 0,
            page: vec![
                Offered { id: id(3), kind: ObjectKind::Chunk, len: 0 },
                Offered { id: id(4), kind: ObjectKind::Commit, len: 500 },
            ],
        }),
        Message::Accept(Accept { number: 0, first: 0, wanted: ranges([0, 1, 2, 5]) }),
        data(Some((header(), 200)), 0),
        data(None, 100),
        Message::Ack(Ack { number: 0, durable: ranges([1, 9]), window: 5 }),
        Message::Complete(Complete { number: Some(1), tip: tip(), stage: Stage::All }),
        Message::Want(Want { first: 3, urgency: Urgency::Read, ids: vec![id(1), id(2)] }),
        Message::Have(Have { filter: vec![1, 2, 3] }),
        Message::Gone(Gone { slots: vec![Slot::Want(1), Slot::Offer { number: 1, index: 1 }] }),
        Message::Error(Fault { code: FaultCode::Refused, text: "no".into() }),
        Message::Ping(Beat { nonce: 1, tip: tip() }),
        Message::Pong(Beat { nonce: 1, tip: tip() }),
        Message::Bye,
        Message::Resume(vec![[3; 32], [4; 32]]),
        Message::Epoch(zeroize::Zeroizing::new(vec![9; 40]).into()),
    ]
}

#[test]
fn every_message_survives_and_only_at_its_exact_length() {
    for message in samples() {
        let bytes = encode(&message).unwrap();
        assert_eq!(decode(&bytes).as_ref(), Ok(&message));
        for cut in 0..bytes.len() {
            assert!(decode(&bytes[..cut]).is_err(), "{message:?} cut at {cut}");
        }
        assert_eq!(decode(&[bytes.as_slice(), &[0]].concat()), Err(CodecError::Trailing(1)));
    }
}

#[test]
fn mangled_bytes_are_errors_or_other_messages_within_bounds() {
    let mut rng = Rng::new(11);
    for message in samples() {
        let bytes = encode(&message).unwrap();
        for _ in 0..2000 {
            let mut mangled = bytes.clone();
            for _ in 0..1 + rng.below(4) {
                let at = rng.below(mangled.len() as u64) as usize;
                mangled[at] = rng.next() as u8;
            }
            if rng.one_in(4) {
                mangled.truncate(rng.below(mangled.len() as u64 + 1) as usize);
            }
            let _ = fuzz(&mangled);
        }
    }
    for len in 0..300 {
        let _ = fuzz(&rng.bytes(len));
    }
}

#[test]
fn the_largest_of_each_fits_a_frame() {
    let data = Data {
        slot: Slot::Offer { number: u32::MAX, index: u32::MAX },
        offset: 0,
        start: Some((header(), limits::BODY)),
        slice: vec![0; limits::SLICE],
    };
    assert!(encode(&Message::Data(data)).is_ok());
    let entry = Offered { id: id(1), kind: ObjectKind::Trie, len: limits::BODY };
    let offer = Offer {
        number: u32::MAX,
        id: [0; 32],
        base: Some(id(1)),
        tip: Tip { count: u64::MAX, ..tip() },
        objects: limits::OFFER_OBJECTS,
        bytes: 1 << 40,
        first: 0,
        page: vec![entry; limits::PAGE],
    };
    assert!(encode(&Message::Offer(offer)).is_ok());
    let Message::Hello(mut hello) = samples().remove(0) else { panic!("hello") };
    hello.context =
        (0..limits::CONTEXT as u64).map(|n| Seen { replica: n.to_be_bytes(), lamport: u64::MAX }).collect();
    hello.recent = vec![id(1); limits::RECENT];
    let bytes = encode(&Message::Hello(hello)).unwrap();
    // It has to fit message 2 of the handshake, within what is taken before admission.
    assert!(bytes.len() < 60_000 && decode(&bytes).is_ok());
    let slots = vec![Slot::Offer { number: u32::MAX, index: u32::MAX }; limits::IDS];
    assert!(encode(&Message::Gone(Gone { slots })).is_ok());
    let durable = (0..limits::RANGES as u32).map(|n| Range { first: n * 500, count: 1 }).collect();
    assert!(encode(&Message::Ack(Ack { number: 0, durable, window: 1 << 40 })).is_ok());
}

#[test]
fn what_is_out_of_bounds_is_named() {
    let refused = |message: Message| match decode(&encode(&message).unwrap()) {
        Err(CodecError::Bounds(what)) => what,
        other => panic!("{other:?}"),
    };
    let data =
        |start, offset, len| Message::Data(Data { slot: Slot::Want(0), offset, start, slice: vec![0; len] });
    assert_eq!(refused(data(None, 0, 5)), "offset");
    assert_eq!(refused(data(None, 5, 0)), "offset");
    assert_eq!(refused(data(Some((header(), 10)), 5, 5)), "offset");
    assert_eq!(refused(data(Some((header(), 10)), 0, 11)), "slice");
    assert_eq!(refused(data(Some((header(), limits::BODY + 1)), 0, 1)), "body");
    let local = ObjectHeader { kind: ObjectKind::Local, ..header() };
    assert_eq!(refused(data(Some((local, 10)), 0, 1)), "kind");
    let bomb = ObjectHeader { plain_len: limits::PLAIN + 1, ..header() };
    assert_eq!(refused(data(Some((bomb, 10)), 0, 1)), "object header");
    let accept = |wanted| Message::Accept(Accept { number: 0, first: 10, wanted });
    for (first, count) in [(9, 1), (10, 0), (11, limits::PAGE as u32), (u32::MAX, u32::MAX)] {
        assert_eq!(refused(accept(vec![Range { first, count }])), "range");
    }
    let twice = Range { first: 12, count: 2 };
    assert_eq!(refused(accept(vec![twice, twice])), "range");
    let want = Want { first: u32::MAX, urgency: Urgency::Content, ids: vec![id(1)] };
    assert_eq!(refused(Message::Want(want)), "tag");
    let fault = Fault { code: FaultCode::Store, text: "x".repeat(limits::TEXT + 1) };
    assert_eq!(refused(Message::Error(fault)), "text");
}

#[test]
fn known_bytes() {
    let bytes = |message: &Message| data_encoding::HEXLOWER.encode(&encode(message).unwrap());
    assert_eq!(bytes(&Message::Bye), "0c");
    let want = Want { first: 300, urgency: Urgency::Structure, ids: vec![id(0xab)] };
    assert_eq!(bytes(&Message::Want(want)), format!("06ac020101{}", "ab".repeat(32)));
    let ack = Ack { number: 1, durable: vec![Range { first: 2, count: 3 }], window: 256 };
    assert_eq!(bytes(&Message::Ack(ack)), "04010102038002");
    let data = Data { slot: Slot::Want(5), offset: 9, start: None, slice: vec![1, 2] };
    assert_eq!(bytes(&Message::Data(data)), "030105090002 0102".replace(' ', ""));
}
