//! Streams of objects, read from bytes that anybody may have sent.

use super::bulk::parse;
use crate::crypto::{EpochId, ObjectHeader, ObjectId, ObjectKind};
use crate::miror::codec::{self, CodecError};
use crate::miror::message::{Beat, Data, Message, Slot, Tip};
use crate::miror::testing::Rng;

fn slice(slot: u32, offset: u32, total: u32, len: usize) -> Message {
    let header = ObjectHeader {
        kind: ObjectKind::Chunk,
        flags: 0,
        epoch: EpochId { counter: 1, id: [0; 8] },
        plain_len: total,
        id: ObjectId([1; 32]),
        wrapped: [0; 40],
    };
    let start = (offset == 0).then_some((header, total));
    Message::Data(Data { slot: Slot::Want(slot), offset, start, slice: vec![7; len] })
}

fn stream(after: u64, messages: &[Message]) -> Vec<u8> {
    let mut bytes = after.to_be_bytes().to_vec();
    for message in messages {
        let encoded = codec::encode(message).unwrap();
        bytes.extend_from_slice(&(encoded.len() as u16).to_be_bytes());
        bytes.extend_from_slice(&encoded);
    }
    bytes
}

#[test]
fn a_stream_is_one_object() {
    let slices = [slice(3, 0, 50, 20), slice(3, 20, 50, 30)];
    assert_eq!(parse(&stream(9, &slices)), Ok((9, slices.to_vec())));
    let two = stream(0, &[slice(3, 0, 20, 20), slice(4, 0, 20, 20)]);
    assert_eq!(parse(&two), Err(CodecError::Bounds("stream of an object")));
    let tip = Tip { commit: ObjectId([0; 32]), root: None, count: 0 };
    let other = stream(0, &[Message::Ping(Beat { nonce: 1, tip })]);
    assert_eq!(parse(&other), Err(CodecError::Bounds("stream of an object")));
    assert!(parse(&stream(0, &[])).is_err());
}

#[test]
fn mangled_and_cut_streams_are_errors_or_objects() {
    let whole = stream(9, &[slice(3, 0, 50, 20), slice(3, 20, 50, 30)]);
    let mut rng = Rng::new(5);
    for cut in 0..whole.len() {
        let _ = parse(&whole[..cut]);
        let mut mangled = whole.clone();
        mangled[cut] = rng.next() as u8;
        let _ = parse(&mangled);
    }
    for len in 0..200 {
        let _ = parse(&rng.bytes(len));
    }
}
