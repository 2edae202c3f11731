//! Logs that are whole, torn, mangled, lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use super::*;
use crate::ambient::{Ambient, Clock, WallNanos};
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
    clock: Arc<Set>,
}

/// A clock that stands where it is set.
#[derive(Debug, Default)]
struct Set(AtomicI64);

impl Set {
    fn days(&self, days: i64) {
        self.0.store(days * 24 * 3600 * 1_000_000_000, Ordering::Relaxed);
    }
}

impl Clock for Set {
    fn wall(&self) -> WallNanos {
        self.0.load(Ordering::Relaxed)
    }

    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }
}

impl Place {
    fn new() -> Self {
        let clock = Arc::new(Set::default());
        let ambient = Ambient { clock: clock.clone(), ..Ambient::host() };
        Place { disk: FaultDisk::new(), keyring: Keyring::generate(&*ambient.entropy), ambient, clock }
    }

    fn logs(&self) -> SessionLogs {
        SessionLogs::open(Arc::new(self.disk.clone()), &self.keyring, self.ambient.clone())
    }

    fn write(&self, logs: &SessionLogs, id: &LogId, records: &[Record]) {
        self.write_of(&PEER, logs, id, records);
    }

    fn write_of(&self, peer: &DevicePublic, logs: &SessionLogs, id: &LogId, records: &[Record]) {
        for record in records {
            logs.append(peer, id, record, &self.keyring).unwrap();
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

/// Of each peer and direction as many as the other side can ask for; of very many peers the newest.
#[test]
fn only_so_many_are_kept() {
    let place = Place::new();
    let logs = place.logs();
    for n in 0..20 {
        place.write(&logs, &id(Role::Receives, n), &records());
        place.write(&logs, &id(Role::Sends, n), &records());
    }
    let own: Vec<_> = (16..20).rev().map(|n| [n; 32]).collect();
    assert_eq!((place.disk.paths().len(), logs.resumable(Some(&PEER))), (8, own.clone()));
    for n in 100..104 {
        place.write_of(&DevicePublic([n; 32]), &logs, &id(Role::Receives, n), &records());
    }
    assert_eq!(logs.resumable(Some(&PEER)), own, "other peers take nothing from this one");
    for n in 120..150 {
        place.write_of(&DevicePublic([n; 32]), &logs, &id(Role::Receives, n), &records());
    }
    assert_eq!(place.disk.paths().len(), 32);
    let reopened = place.logs().resumable(None);
    assert!(reopened.contains(&[149; 32]) && !reopened.contains(&[16; 32]), "{reopened:?}");
}

/// Whoever dials is named all of its own, however many others there are and however old they are.
#[test]
fn a_listener_names_each_peer_its_own() {
    let place = Place::new();
    let logs = place.logs();
    for peer in 0..8_u8 {
        for n in 0..4 {
            let id = id(Role::Receives, peer * 4 + n);
            place.write_of(&DevicePublic([100 + peer; 32]), &logs, &id, &records());
        }
    }
    let named = logs.resumable(None);
    assert!(named.len() == 32 && named.len() <= limits::NAMED);
    for peer in 0..8_u8 {
        let own = logs.resumable(Some(&DevicePublic([100 + peer; 32])));
        assert!(own.len() == 4 && own.iter().all(|id| named.contains(id)), "{peer}");
    }
}

#[test]
fn what_nobody_goes_on_with_for_a_month_is_removed() {
    let place = Place::new();
    place.clock.days(100);
    let logs = place.logs();
    let (unused, used) = (id(Role::Receives, 1), id(Role::Receives, 2));
    place.write(&logs, &unused, &records());
    place.write(&logs, &used, &records());
    place.write(&logs, &id(Role::Sends, 3), &records());
    place.clock.days(129);
    assert_eq!(logs.resumable(None), [used.offer, unused.offer]);
    assert!(logs.recall(&PEER, &used).unwrap().is_some());
    // While the owner runs, and over a restart; the other direction, too.
    place.clock.days(131);
    assert_eq!(logs.resumable(None), [used.offer]);
    assert_eq!(place.disk.paths().len(), 1);
    drop(logs);
    assert_eq!(place.logs().recall(&PEER, &used).unwrap(), Recalled::replay(records()));
    place.clock.days(162);
    assert!(place.logs().resumable(None).is_empty() && place.disk.paths().is_empty());
    // A clock that was set back makes nothing old.
    place.write(&place.logs(), &used, &records());
    place.clock.days(1);
    assert_eq!(place.logs().resumable(None), [used.offer]);
}

/// Logs of builds that noted no times are read as they are.
#[test]
fn the_numbers_of_records_stay() {
    let record = postcard::to_stdvec(&Record::Complete(Stage::Structure)).unwrap();
    assert_eq!(record, [5, 0]);
    assert_eq!(postcard::to_stdvec(&Record::Used(0)).unwrap(), [6, 0]);
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
            clock: whole.clock.clone(),
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
            clock: whole.clock.clone(),
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
    place.write_of(&other, &logs, &id(Role::Receives, 1), &records());
    (2..8).for_each(|n| place.write(&logs, &id(Role::Receives, n), &records()));
    assert_eq!(logs.resumable(Some(&other)), [[1; 32]]);
    assert_eq!(logs.resumable(Some(&PEER)).first(), Some(&[7; 32]));
    assert!(logs.resumable(None)[..2].contains(&[1; 32]), "the newest of each come first");
}
