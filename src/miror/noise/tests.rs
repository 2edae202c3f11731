//! The handshake against itself, and against what must not get through.
#![allow(clippy::indexing_slicing)]

use super::*;
use crate::ambient::Ambient;

fn pair(psk_a: [u8; 32], psk_b: [u8; 32], bind_b: &[u8]) -> (Handshake, Handshake, DeviceKey, DeviceKey) {
    let entropy = Ambient::host().entropy;
    let (a, b) = (DeviceKey::generate(&*entropy), DeviceKey::generate(&*entropy));
    let Ok(first) = Handshake::initiator(&a, &psk_a, b"", &entropy) else { panic!("initiator") };
    let Ok(second) = Handshake::responder(&b, &psk_b, bind_b, &entropy) else { panic!("responder") };
    (first, second, a, b)
}

fn established() -> (Established, Established, DeviceKey, DeviceKey) {
    let (mut first, mut second, a, b) = pair([1; 32], [1; 32], b"");
    let payload = |side: &mut Handshake, message: &[u8]| side.read(message).unwrap();
    let message = first.write(b"").unwrap();
    assert_eq!(payload(&mut second, &message), b"");
    let message = second.write(b"hello").unwrap();
    assert_eq!(payload(&mut first, &message), b"hello");
    let message = first.write(b"bye").unwrap();
    assert_eq!(payload(&mut second, &message), b"bye");
    let (Ok(first), Ok(second)) = (first.finish(), second.finish()) else { panic!("unfinished") };
    (first, second, a, b)
}

#[test]
fn both_sides_prove_their_keys_and_share_the_hash() {
    let (first, second, a, b) = established();
    assert_eq!((first.peer, second.peer), (b.public(), a.public()));
    assert_eq!(first.hash, second.hash);
}

#[test]
fn a_wrong_psk_or_another_binding_ends_at_message_one() {
    for (psk, binding) in [([2; 32], b"".as_slice()), ([1; 32], b"exporter")] {
        let (mut first, mut second, ..) = pair([1; 32], psk, binding);
        let message = first.write(b"").unwrap();
        assert_eq!(second.read(&message), Err(NoiseError));
    }
}

#[test]
fn frames_come_through_in_order_only_and_unchanged_only() {
    let (mut first, mut second, ..) = established();
    let mut wire = Vec::new();
    first.sealer.seal(b"one", &mut wire).unwrap();
    let one = wire.split_off(2);
    let mut more = Vec::new();
    first.sealer.seal(&[7; FRAME_ROOM], &mut more).unwrap();
    let two = more.split_off(2);
    assert_eq!(second.opener.open(&two), Err(NoiseError), "out of order");
    for at in 0..one.len() {
        let mut changed = one.clone();
        changed[at] ^= 1;
        assert_eq!(second.opener.open(&changed), Err(NoiseError));
    }
    assert_eq!(second.opener.open(&one).as_deref(), Ok(b"one".as_slice()));
    assert_eq!(second.opener.open(&two).map(|plain| plain.len()), Ok(FRAME_ROOM));
    assert_eq!(first.sealer.seal(&[0; FRAME_ROOM + 1], &mut more), Err(NoiseError));
}

#[test]
fn mangled_handshake_messages_are_errors() {
    let mut rng = crate::miror::testing::Rng::new(1);
    for _ in 0..50 {
        let (mut first, mut second, ..) = pair([1; 32], [1; 32], b"");
        let mut message = first.write(b"").unwrap();
        let at = rng.below(message.len() as u64) as usize;
        match rng.below(3) {
            0 => message[at] ^= 1 << rng.below(8),
            1 => message.truncate(at),
            _ => message.extend(rng.bytes(at + 1)),
        }
        assert_eq!(second.read(&message), Err(NoiseError));
    }
}
