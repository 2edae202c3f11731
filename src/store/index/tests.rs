//! The index file: only what is durable is in it, and a damaged or failing one costs nothing but time.

use super::*;
use crate::ambient::Ambient;
use crate::store::disk::fault::{FaultDisk, Loss};
use nix::errno::Errno;

fn place_at(offset: u32) -> Place {
    Place { position: LogPosition::new(1, offset), body_len: offset + 1 }
}

fn id(n: u8) -> ObjectId {
    ObjectId([n; 32])
}

struct Bench {
    disk: FaultDisk,
    keyring: Keyring,
    options: Options,
}

impl Bench {
    fn new() -> Self {
        let keyring = Keyring::generate(Ambient::host().entropy.as_ref());
        Bench { disk: FaultDisk::new(), keyring, options: Options::default() }
    }

    fn open(&self) -> (Index, Option<Contents>) {
        Index::open(Arc::new(self.disk.clone()), &self.keyring, Ambient::host().entropy, &self.options)
    }

    fn fresh(&self) -> Index {
        let (index, contents) = self.open();
        assert_eq!(contents, None);
        index.recreate(&self.keyring).unwrap();
        index
    }
}

#[test]
fn only_what_is_durable_goes_into_the_file() {
    let bench = Bench::new();
    let index = bench.fresh();
    for n in 0..10 {
        assert!(index.note(id(n), place_at(u32::from(n)), false));
        assert!(!index.note(id(n), place_at(99), false));
        index.note_local(place_at(100 + u32::from(n)), n == 5);
    }
    index.absorb(LogPosition::new(1, 7), true).unwrap();
    for n in 0..10 {
        assert_eq!(index.find(&id(n)).unwrap(), Some(place_at(u32::from(n))));
    }
    assert_eq!(index.find(&id(10)).unwrap(), None);
    drop(index);
    let (index, contents) = bench.open();
    assert_eq!(contents, Some(Contents { covered: LogPosition::new(1, 7), locals: Vec::new() }));
    assert_eq!(index.find(&id(6)).unwrap(), Some(place_at(6)));
    assert_eq!(index.find(&id(7)).unwrap(), None);
}

#[test]
fn local_frames_before_a_whole_one_are_forgotten() {
    let bench = Bench::new();
    let index = bench.fresh();
    for n in 0..10 {
        index.note_local(place_at(n), n == 5);
    }
    index.absorb(LogPosition::new(1, 8), true).unwrap();
    index.absorb(LogPosition::new(1, 9), true).unwrap();
    drop(index);
    assert_eq!(bench.open().1.unwrap().locals, [5, 6, 7, 8].map(place_at));
}

#[test]
fn a_flipped_bit_anywhere_is_noticed_or_harmless() {
    let bench = Bench::new();
    let index = bench.fresh();
    for n in 0..200 {
        index.note(id(n), place_at(u32::from(n)), false);
    }
    index.absorb(LogPosition::new(1, 1000), true).unwrap();
    drop(index);
    let len = bench.disk.bytes("index.redb").unwrap().len();
    let mut noticed = 0;
    for at in (0..4600).step_by(7).chain((8192..len).step_by(997)) {
        bench.disk.tamper("index.redb", |bytes| bytes[at] ^= 1 << (at % 8));
        let copy = Bench { disk: bench.disk.after_power_cut(Loss::Keep, 0), ..Bench::new() };
        let copy = Bench { keyring: bench.keyring.clone(), ..copy };
        let (index, contents) = copy.open();
        let finds = |n: u8| index.find(&id(n));
        match contents {
            None => noticed += 1,
            Some(_) => {
                for n in 0..200 {
                    match finds(n) {
                        Ok(found) => assert_eq!(found, Some(place_at(u32::from(n))), "byte {at}"),
                        Err(_) => noticed += 1,
                    }
                }
            }
        }
        bench.disk.tamper("index.redb", |bytes| bytes[at] ^= 1 << (at % 8));
    }
    assert!(noticed > 10, "{noticed}");
}

#[test]
fn without_room_for_a_file_it_lives_in_memory() {
    let bench = Bench::new();
    let (index, _) = bench.open();
    bench.disk.limit(Some(100));
    index.recreate(&bench.keyring).unwrap();
    index.note(id(1), place_at(1), false);
    index.absorb(LogPosition::new(1, 9), true).unwrap();
    assert_eq!(index.find(&id(1)).unwrap(), Some(place_at(1)));
}

#[test]
fn a_failed_call_is_an_error_and_the_file_opens_again() {
    for nth in 1..40 {
        let bench = Bench::new();
        let index = bench.fresh();
        index.note(id(1), place_at(1), false);
        index.absorb(LogPosition::new(1, 2), true).unwrap();
        bench.disk.fail_at(bench.disk.calls() + nth, Errno::EIO);
        index.note(id(2), place_at(2), false);
        let absorbed = index.absorb(LogPosition::new(1, 3), true);
        assert_eq!(index.recent.read().objects.is_empty(), absorbed.is_ok());
        if index.reopen(&bench.keyring).is_err() {
            index.recreate(&bench.keyring).unwrap();
        } else {
            assert_eq!(index.find(&id(1)).unwrap(), Some(place_at(1)));
        }
    }
}
