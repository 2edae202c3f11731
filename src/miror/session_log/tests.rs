//! Logs that are whole, torn, mangled, lost.

use std::sync::Arc;

use super::*;
use crate::ambient::Ambient;
use crate::crypto::{DevicePublic, Keyring, ObjectKind};
use crate::miror::testing::Rng;
use crate::store::disk::Disk;
use crate::store::disk::fault::{FaultDisk, Loss};

const PEER: DevicePublic = DevicePublic([3; 32]);

fn tip() -> Tip {
    Tip { commit: ObjectId([1; 32]), root: None, count: 1 }
}

fn entry(n: u32) -> Offered {
    Offered { id: ObjectId([n as u8; 32]), kind: ObjectKind::Chunk, len: 100 }
}

fn id(role: Role, n: u8) -> LogId {
    LogId { role, offer: [n; 32] }
}

fn run(first: u32, count: u32) -> Vec<Range> {
    vec![Range { first, count }]
}

/// A transfer of six objects on two pages, of which places 0 to 2 are durable.
fn records() -> Vec<Record> {
    vec![
        Record::Hello { base: None, tip: tip(), objects: 6, bytes: 600 },
        Record::Offer { first: 0, page: (0..4).map(entry).collect() },
        Record::Accept { first: 0, wanted: run(0, 4) },
        Record::Data(run(0, 2)),
        Record::Offer { first: 4, page: (4..6).map(entry).collect() },
        Record::Complete(Stage::Structure),
        Record::Data(run(2, 1)),
    ]
}

#[test]
fn a_log_says_how_far_the_transfer_is() {
    let recalled = Recalled::replay(records()).unwrap();
    assert_eq!(recalled.settled, [true, true, true, false, false, false]);
    assert!(recalled.merged && recalled.tip == tip() && recalled.entries.len() == 6);
    assert!(Recalled::replay(records().into_iter().take(4)).is_none(), "a page is missing");
    assert!(Recalled::replay(records().into_iter().skip(1)).is_none());
    let over = records().into_iter().chain([Record::Complete(Stage::All)]);
    assert!(Recalled::replay(over).is_none());
    let beyond = records().into_iter().chain([Record::Ack(run(5, 2))]);
    assert!(Recalled::replay(beyond).is_none(), "a range beyond the offer");
    let endless = records().into_iter().chain([Record::Ack(run(u32::MAX, u32::MAX))]);
    assert!(Recalled::replay(endless).is_none());
}

struct Place {
    disk: FaultDisk,
    keyring: Keyring,
    ambient: Ambient,
}

impl Place {
    fn new() -> Self {
        let ambient = Ambient::host();
        Place { disk: FaultDisk::new(), keyring: Keyring::generate(&*ambient.entropy), ambient }
    }

    fn logs(&self) -> SessionLogs {
        SessionLogs::open(Arc::new(self.disk.clone()), &self.keyring)
    }

    fn write(&self, logs: &SessionLogs, id: &LogId, records: &[Record]) {
        for record in records {
            logs.append(&PEER, id, record, &self.keyring, &*self.ambient.entropy).unwrap();
        }
    }

    fn path(&self) -> String {
        let [path] = <[String; 1]>::try_from(self.disk.paths()).unwrap();
        path
    }
}

#[test]
fn logs_survive_a_restart_and_end_with_their_transfer() {
    let place = Place::new();
    let logs = place.logs();
    let (sends, receives) = (id(Role::Sends, 1), id(Role::Receives, 2));
    place.write(&logs, &sends, &records());
    place.write(&logs, &receives, &records());
    drop(logs);
    let logs = place.logs();
    assert_eq!(logs.resumable(None), [receives.offer]);
    assert_eq!(logs.recall(&PEER, &sends).unwrap(), Recalled::replay(records()));
    assert_eq!(logs.recall(&DevicePublic([4; 32]), &sends).unwrap(), None, "of another peer");
    place.write(&logs, &receives, &[Record::Data(run(3, 3))]);
    drop(logs);
    let logs = place.logs();
    assert_eq!(logs.recall(&PEER, &receives).unwrap().unwrap().settled, [true; 6]);
    place.write(&logs, &receives, &[Record::Complete(Stage::All)]);
    assert!(logs.resumable(None).is_empty());
    assert_eq!(place.disk.paths().len(), 1);
    // What comes after the end begins nothing.
    place.write(&logs, &receives, &[Record::Data(run(0, 1))]);
    assert_eq!(place.disk.paths().len(), 1);
}

#[test]
fn only_so_many_are_kept() {
    let place = Place::new();
    let logs = place.logs();
    for n in 0..40 {
        place.write(&logs, &id(Role::Receives, n), &records());
    }
    assert_eq!(place.disk.paths().len(), 16);
    assert_eq!(logs.resumable(None).first(), Some(&[39; 32]));
}

/// Cut at every byte, a log is as it was after some of its records, or it is gone; and it goes on from there.
#[test]
fn a_torn_log_is_a_shorter_log_or_none() {
    let whole = Place::new();
    let receives = id(Role::Receives, 2);
    whole.write(&whole.logs(), &receives, &records());
    let prefixes: Vec<_> =
        (0..=records().len()).map(|n| Recalled::replay(records().into_iter().take(n))).collect();
    let path = whole.path();
    let len = whole.disk.bytes(&path).unwrap().len();
    for cut in 0..len {
        let place = Place {
            disk: whole.disk.after_power_cut(Loss::Keep, 0),
            keyring: whole.keyring.clone(),
            ambient: whole.ambient.clone(),
        };
        place.disk.tamper(&path, |bytes| bytes.truncate(cut));
        let logs = place.logs();
        let recalled = logs.recall(&PEER, &receives).unwrap();
        assert!(prefixes.contains(&recalled), "{cut}");
        if recalled.is_some() {
            place.write(&logs, &receives, &[Record::Data(run(5, 1))]);
            assert!(place.logs().recall(&PEER, &receives).unwrap().unwrap().settled[5], "{cut}");
        }
    }
}

#[test]
fn a_mangled_log_is_a_shorter_log_or_none() {
    let whole = Place::new();
    let receives = id(Role::Receives, 2);
    whole.write(&whole.logs(), &receives, &records());
    let prefixes: Vec<_> =
        (0..=records().len()).map(|n| Recalled::replay(records().into_iter().take(n))).collect();
    let path = whole.path();
    let len = whole.disk.bytes(&path).unwrap().len();
    let mut rng = Rng::new(1);
    for at in 0..len {
        let place = Place {
            disk: whole.disk.after_power_cut(Loss::Keep, 0),
            keyring: whole.keyring.clone(),
            ambient: whole.ambient.clone(),
        };
        place.disk.tamper(&path, |bytes| bytes[at] ^= 1 + rng.below(255) as u8);
        assert!(prefixes.contains(&place.logs().recall(&PEER, &receives).unwrap()), "{at}");
    }
}

#[test]
fn nothing_of_a_log_is_in_the_clear() {
    let place = Place::new();
    place.write(&place.logs(), &id(Role::Receives, 2), &records());
    let bytes = place.disk.bytes(&place.path()).unwrap();
    for secret in [&[2; 32][..], &PEER.0, &tip().commit.0, &entry(4).id.0] {
        assert!(!bytes.windows(8).any(|window| window == &secret[..8]));
    }
    assert!(place.disk.list("sessions").unwrap().iter().all(|name| name.ends_with(".wal")));
}

#[test]
fn no_peer_crowds_out_another() {
    let place = Place::new();
    let logs = place.logs();
    let other = DevicePublic([4; 32]);
    for record in records() {
        logs.append(&other, &id(Role::Receives, 1), &record, &place.keyring, &*place.ambient.entropy)
            .unwrap();
    }
    (2..8).for_each(|n| place.write(&logs, &id(Role::Receives, n), &records()));
    assert_eq!(logs.resumable(Some(&other)), [[1; 32]]);
    assert_eq!(logs.resumable(Some(&PEER)).first(), Some(&[7; 32]));
    assert!(logs.resumable(None)[..2].contains(&[1; 32]), "the newest of each come first");
}
