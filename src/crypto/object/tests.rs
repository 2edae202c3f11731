//! Objects: known answers, ranges and rewrapping, and every mangled, cut or misnamed one refused.

use std::ops::Range;

use data_encoding::HEXLOWER;
use proptest::prelude::*;

use super::super::fixture::{self, Counting, noise, text};
use super::super::gcm::TAG_LEN;
use super::super::{CryptoError, Direction, Keyring, ObjectId, ObjectKind, SessionWrapKey};
use super::segments::{Cut, Segments};
use super::*;

/// Bytes of a segment of what is not compressed.
const SEGMENT_LEN: usize = 4096;

fn sealed(kind: ObjectKind, plaintext: &[u8]) -> (Keyring, SealedObject) {
    let (keyring, entropy) = fixture::keyring();
    let object = seal(keyring.content_keys(), keyring.current(), kind, plaintext, &entropy).unwrap();
    (keyring, object)
}

/// As [`open_verified`], with a plaintext of its own.
fn verified(keyring: &Keyring, object: &SealedObject) -> Result<Vec<u8>, CryptoError> {
    // What was opened there before makes no difference.
    let mut scratch = b"before".to_vec();
    open_verified(keyring, object, &mut scratch).map(<[u8]>::to_vec)
}

/// An object with these flags, as other builds may have sealed it.
fn sealed_with(flags: u8, content: &[u8], plain_len: u32, id: ObjectId) -> (Keyring, SealedObject) {
    let (keyring, entropy) = fixture::keyring();
    let data_key = super::super::derive::random_key(&entropy);
    let header = ObjectHeader {
        kind: ObjectKind::Chunk,
        flags,
        epoch: keyring.current().id(),
        plain_len,
        id,
        wrapped: keyring.current().wrap().wrap(&data_key),
    };
    let body = Segments::new(&data_key, &header).unwrap().seal(content).unwrap();
    (keyring, SealedObject { header, body })
}

/// Reads ranges of a body that lies in memory.
fn range_of(keyring: &Keyring, object: &SealedObject, range: Range<u32>) -> Result<Vec<u8>, CryptoError> {
    open_range(keyring, &object.header, range, |body| {
        Ok(object.body[body.start as usize..body.end as usize].to_vec())
    })
}

#[test]
fn known_answer() {
    let (keyring, object) = sealed(ObjectKind::Chunk, b"hello, vault");
    assert_eq!(
        HEXLOWER.encode(&object.header.encode()),
        "01020100000020212223242526270c000000748db4bc2c96c700b3fe92ef68a2846f056fad3e260518527b7ed726f83cf853c8ebded697ca906d0ebd601d3d022bf48ef08ed2d3c671e26ba0c768211ca173874dabbf563d6799"
    );
    assert_eq!(HEXLOWER.encode(&object.body), "12d2d99b8591a306b38b49587566a30a2d930e3264f09961ddd15bf0");
    assert_eq!(verified(&keyring, &object).unwrap(), b"hello, vault");
}

#[test]
fn known_answer_of_several_segments() {
    let (_, object) = sealed(ObjectKind::Chunk, &noise(70_000));
    assert_eq!(object.body.len(), 70_000 + 18 * TAG_LEN);
    assert_eq!(
        blake3::hash(&object.body).to_string(),
        "8c886ccd01768e70d2d8c34023e2e60f502342cce7a2f3a58409bd86c77a2354"
    );
}

/// All that is not compressed was sealed coarsely at first.
#[test]
fn an_object_of_the_first_version_opens() {
    let plaintext = noise(70_000);
    let (keyring, _) = fixture::keyring();
    let id = keyring.content_keys().object_id(ObjectKind::Chunk, &plaintext);
    let (keyring, object) = sealed_with(0, &plaintext, 70_000, id);
    assert_eq!(object.body.len(), 70_000 + 3 * TAG_LEN);
    assert_eq!(
        blake3::hash(&object.body).to_string(),
        "76d34f2ff49aca9d5168bf3759bfa930cc1c60559528cb835b2f5c22786d706b"
    );
    assert_eq!(verified(&keyring, &object).unwrap(), plaintext);
    for range in [0..1, 40_000..44_096, 32_767..32_769, 69_999..70_000, 0..70_000] {
        assert_eq!(
            range_of(&keyring, &object, range.clone()).unwrap(),
            &plaintext[range.start as usize..range.end as usize]
        );
    }
}

/// zstd's output may differ between its versions; what was written by one must open with any.
#[test]
fn a_compressed_object_of_the_first_version_opens() {
    let (keyring, entropy) = fixture::keyring();
    let mut object =
        seal(keyring.content_keys(), keyring.current(), ObjectKind::Trie, &text(300), &entropy).unwrap();
    object.body = HEXLOWER.decode(b"52029a0a8a918345d3fed55b1775192e0ffa7969039528af61e7ba5094fe1d5612432ad6cc6bf0af24fc830e05d0fefea7d225740b8231897a08bababb952025").unwrap();
    assert!(object.header.is_compressed());
    assert_eq!(verified(&keyring, &object).unwrap(), text(300));
}

#[test]
fn what_does_not_shrink_is_stored_raw() {
    for len in [0, 1, 63, 64, 5000, 64 << 10, 256 << 10] {
        let (_, object) = sealed(ObjectKind::Chunk, &noise(len));
        assert!(!object.header.is_compressed());
        assert_eq!(object.body.len() as u64, Cut::FINE.sealed_len(len as u32));
    }
    for len in [1000, 64 << 10, 256 << 10, 1 << 20] {
        let (_, object) = sealed(ObjectKind::Chunk, &text(len));
        assert!(object.header.is_compressed());
        assert!(object.body.len() < len / 8);
    }
}

#[test]
fn nothing_is_sealed_over_the_limit() {
    let (keyring, entropy) = fixture::keyring();
    let seal = |len| {
        seal(keyring.content_keys(), keyring.current(), ObjectKind::Chunk, &vec![0; len], &entropy).map(drop)
    };
    assert_eq!(seal(1 << 20), Ok(()));
    assert_eq!(seal((1 << 20) + 1), Err(CryptoError::TooLong { len: (1 << 20) + 1, limit: 1 << 20 }));
}

#[test]
fn every_flipped_bit_is_refused() {
    for plaintext in [b"hello, vault".to_vec(), text(300), Vec::new()] {
        let (keyring, object) = sealed(ObjectKind::Chunk, &plaintext);
        let header = object.header.encode();
        for bit in 0..header.len() * 8 {
            let mut mangled = header;
            mangled[bit / 8] ^= 1 << (bit % 8);
            let opened = ObjectHeader::decode(&mangled)
                .and_then(|header| open(&keyring, SealedObject { header, ..object.clone() }));
            assert!(opened.is_err(), "bit {bit} of the header");
        }
        for bit in 0..object.body.len() * 8 {
            let mut mangled = object.clone();
            mangled.body[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(open(&keyring, mangled), Err(CryptoError::WrongKeyOrDamaged), "bit {bit} of the body");
        }
    }
}

#[test]
fn cut_and_lengthened_bodies_are_refused() {
    for plaintext in [b"hello, vault".to_vec(), text(300), noise(SEGMENT_LEN + 3)] {
        let (keyring, object) = sealed(ObjectKind::Chunk, &plaintext);
        let with_body = |body: &[u8]| SealedObject { header: object.header.clone(), body: body.to_vec() };
        let step = 1 + object.body.len() / 100;
        for len in (0..object.body.len()).step_by(step).chain([object.body.len() - 1]) {
            assert!(open(&keyring, with_body(&object.body[..len])).is_err());
        }
        for extra in [1, TAG_LEN, SEGMENT_LEN] {
            assert!(open(&keyring, with_body(&[&object.body[..], &vec![0; extra]].concat())).is_err());
        }
    }
}

#[test]
fn segments_cannot_be_swapped_or_dropped() {
    const SEALED: usize = SEGMENT_LEN + TAG_LEN;
    let (keyring, object) = sealed(ObjectKind::Chunk, &noise(3 * SEGMENT_LEN));
    let mut swapped = object.clone();
    swapped.body[..2 * SEALED].rotate_left(SEALED);
    assert!(open(&keyring, swapped).is_err());
    // Even where the header would agree with the shorter body, the last segment is marked as such.
    let mut dropped = object.clone();
    dropped.body.truncate(2 * SEALED);
    dropped.header.plain_len = 2 * SEGMENT_LEN as u32;
    assert!(open(&keyring, dropped).is_err());
}

#[test]
fn content_that_its_id_does_not_name_is_refused_from_peers() {
    let (keyring, entropy) = fixture::keyring();
    let lie = seal_named(ObjectId([1; 32]), keyring.current(), ObjectKind::Chunk, b"x", &entropy).unwrap();
    assert_eq!(open(&keyring, lie.clone()).unwrap(), b"x");
    assert_eq!(verified(&keyring, &lie), Err(CryptoError::WrongContent(ObjectId([1; 32]))));
}

#[test]
fn a_compressed_body_of_another_length_than_declared_is_refused() {
    let open_forged = |content: &[u8], plain_len| {
        let (keyring, object) = sealed_with(1, content, plain_len, ObjectId([0; 32]));
        open(&keyring, object)
    };
    let lie = Err(CryptoError::WrongContent(ObjectId([0; 32])));
    let packed = zstd::bulk::compress(&text(1 << 19), 1).unwrap();
    assert_eq!(open_forged(&packed, 1 << 19).unwrap(), text(1 << 19));
    for plain_len in [10_000, (1 << 19) - 1, (1 << 19) + 1, 1 << 20] {
        assert_eq!(open_forged(&packed, plain_len), lie);
    }
    assert_eq!(open_forged(b"not zstd", 100), lie);
    // Longer than the plaintext: it is not even decrypted.
    assert_eq!(open_forged(&noise(1000), 100), Err(CryptoError::WrongKeyOrDamaged));
}

#[test]
fn another_epoch_does_not_open_it() {
    let (_, object) = sealed(ObjectKind::Chunk, b"secret");
    let stranger = {
        let entropy = Counting::default();
        crate::ambient::random::<5>(&entropy);
        Keyring::generate(&entropy)
    };
    let epoch = object.header.epoch;
    assert_eq!(open(&stranger, object.clone()), Err(CryptoError::UnknownEpoch(epoch)));
    let mut renamed = object;
    renamed.header.epoch = stranger.current().id();
    assert_eq!(open(&stranger, renamed), Err(CryptoError::WrongKeyOrDamaged));
}

#[test]
fn a_session_wraps_anew_and_back_without_touching_the_body() {
    let (mut keyring, object) = sealed(ObjectKind::Chunk, b"travels");
    let entropy = Counting::default();
    let session = |direction| SessionWrapKey::new(keyring.current(), b"h", &[1; 32], &[2; 32], direction);
    let there = session(Direction::FromInitiator);
    let back = session(Direction::FromResponder);
    let wrapped = rewrap_for_session(&keyring, &object.header, &there).unwrap();
    assert_ne!(wrapped, object.header.wrapped);
    let on_the_wire = ObjectHeader { wrapped, ..object.header.clone() };

    let next = keyring.next_epoch(&[], &entropy);
    keyring.add_epoch(next);
    assert!(rewrap_from_session(keyring.current(), &on_the_wire, &back).is_err());
    let header = rewrap_from_session(keyring.current(), &on_the_wire, &there).unwrap();
    assert_eq!(header.epoch, keyring.current().id());
    let arrived = SealedObject { header, body: object.body };
    assert_eq!(verified(&keyring, &arrived).unwrap(), b"travels");
}

#[test]
fn rewrapping_under_a_newer_epoch_keeps_the_object() {
    let (mut keyring, object) = sealed(ObjectKind::Commit, b"commit");
    let next = keyring.next_epoch(&[], &Counting::default());
    keyring.add_epoch(next.clone());
    let header = rewrap_under(&keyring, &next, &object.header).unwrap();
    assert_eq!(header.epoch, next.id());
    assert_eq!(verified(&keyring, &SealedObject { header, body: object.body }).unwrap(), b"commit");
}

#[test]
fn ranges_outside_and_of_compressed_objects_are_refused() {
    let (keyring, object) = sealed(ObjectKind::Chunk, b"0123456789");
    assert_eq!(range_of(&keyring, &object, 3..11), Err(CryptoError::OutOfRange));
    #[expect(clippy::reversed_empty_ranges, reason = "that is the case")]
    let reversed = range_of(&keyring, &object, 4..3);
    assert_eq!(reversed, Err(CryptoError::OutOfRange));
    assert_eq!(range_of(&keyring, &object, 10..10), Ok(Vec::new()));
    let (keyring, object) = sealed(ObjectKind::Chunk, &text(300));
    assert_eq!(range_of(&keyring, &object, 0..1), Err(CryptoError::Compressed));
}

#[test]
fn a_range_reads_only_the_segments_it_touches() {
    let (keyring, object) = sealed(ObjectKind::Chunk, &noise(256 << 10));
    let first = 3 * SEGMENT_LEN as u32;
    for (at, segments) in [(first, 1), (first + 100, 2)] {
        let mut asked = 0..0;
        let read = open_range(&keyring, &object.header, at..at + 4096, |body| {
            asked = body.clone();
            Ok::<_, CryptoError>(object.body[body.start as usize..body.end as usize].to_vec())
        });
        assert_eq!(read.unwrap(), noise(256 << 10)[at as usize..at as usize + 4096]);
        assert_eq!((asked.end - asked.start) as usize, segments * (SEGMENT_LEN + TAG_LEN));
        assert_eq!(likely_place(&(at..at + 4096)), asked);
    }
}

fn plaintext() -> impl Strategy<Value = Vec<u8>> {
    let len = prop_oneof![0usize..200, 0usize..5 * SEGMENT_LEN];
    // The lengths around a segment's are where counting goes wrong.
    let edge = (0usize..4, 0usize..3).prop_map(|(n, d)| (n * SEGMENT_LEN + d).saturating_sub(1));
    prop_oneof![len.clone().prop_map(noise), len.prop_map(text), edge.prop_map(noise)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn opens_to_what_was_sealed(plaintext in plaintext(), kind in 1u8..=5) {
        let (keyring, object) = sealed(ObjectKind::try_from(kind).unwrap(), &plaintext);
        prop_assert_eq!(verified(&keyring, &object).unwrap(), plaintext);
        prop_assert!(object.header.fits(object.body.len() as u64));
        prop_assert_eq!(ObjectHeader::decode(&object.header.encode()).unwrap(), object.header);
    }

    #[test]
    fn any_range_is_that_range_of_the_whole(
        len in 1usize..5 * SEGMENT_LEN, ends: [proptest::sample::Index; 2],
    ) {
        let (keyring, object) = sealed(ObjectKind::Chunk, &noise(len));
        let [a, b] = ends.map(|end| end.index(len + 1));
        let (from, to) = (a.min(b), a.max(b));
        let read = range_of(&keyring, &object, from as u32..to as u32).unwrap();
        prop_assert_eq!(&read, &noise(len)[from..to]);
    }

    #[test]
    fn mangled_headers_never_panic(bytes in proptest::array::uniform32(any::<u8>()), body: Vec<u8>) {
        let (keyring, object) = sealed(ObjectKind::Chunk, b"x");
        let mut header = object.header.encode();
        header[..32].copy_from_slice(&bytes);
        if let Ok(header) = ObjectHeader::decode(&header) {
            let opened = open(&keyring, SealedObject { header, body });
            prop_assert!(opened.is_err());
        }
    }
}
