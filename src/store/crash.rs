//! The crash test: a fixed workload, cut at every write and every sync.
//!
//! The workload puts objects, sets local keys, appends to the journal, syncs, and now and then does what a
//! commit does (a local key, a sync, the journal retired), with sizes so small that segments roll, journal
//! files switch and the index is checkpointed many times. [`Life`] notes what each call promised. Then the
//! disk is looked at as a power cut would leave it, the store is opened, and held against the promises; it is
//! used on, cut once more, and held against them again.

use std::collections::BTreeMap;

use nix::errno::Errno;

use super::disk::fault::{Dice, FaultDisk, Loss};
use super::tests::{create, faults, noise, open};
use super::*;

const STEPS: u64 = 130;

type Keys = BTreeMap<Vec<u8>, Vec<u8>>;

/// What the calls of one life of a store promised.
#[derive(Clone, Default)]
struct Life {
    /// What was put, with the end of the log after it.
    objects: Vec<(ObjectId, Vec<u8>, LogPosition)>,
    /// The local keys after each change, with the end of the log then. Begins with what was found.
    locals: Vec<(Keys, LogPosition)>,
    /// What was appended (or tried to be) under each number: how many objects and changes it needs.
    journal: BTreeMap<JournalSeq, (usize, usize)>,
    log_synced: LogPosition,
    journal_synced: JournalSeq,
    retired: JournalSeq,
}

fn payload(seq: JournalSeq, (objects, locals): (usize, usize)) -> Vec<u8> {
    let mut bytes = format!("{} {objects} {locals} ", seq.0).into_bytes();
    bytes.resize(bytes.len() + 20 + (seq.0 as usize * 37) % 200, b'.');
    bytes
}

impl Life {
    /// Goes on from a store as found.
    fn begin(store: &Store, found: &Recovery, before: &Life) -> Life {
        let objects = before.objects.iter().filter(|(id, ..)| store.contains(id).unwrap());
        let now = store.position();
        let last_found = found.journal.last().map(|entry| entry.seq);
        Life {
            objects: objects.map(|(id, content, _)| (*id, content.clone(), now)).collect(),
            locals: vec![(store.locals(b"").into_iter().collect(), now)],
            journal: found.journal.iter().map(|entry| (entry.seq, (0, 0))).collect(),
            log_synced: now,
            journal_synced: last_found.unwrap_or_default(),
            retired: last_found.map_or(store.journal_position(), |_| before.retired),
        }
    }

    fn work(&mut self, store: &Store, seed: u64, steps: u64) {
        let mut dice = Dice(seed);
        for step in 0..steps {
            match dice.roll(12) {
                0..4 => self.put(store, noise(seed + step, 40 + dice.roll(700) as usize)),
                4..6 => drop(self.set_local(store, vec![dice.roll(6) as u8], 1 + dice.roll(60) as usize)),
                6..9 => self.append(store),
                9 => self.sync_log(store),
                10 => self.sync_journal(store),
                _ => self.commit(store, step),
            }
        }
    }

    fn put(&mut self, store: &Store, content: Vec<u8>) {
        if let Ok(id) = store.put(ObjectKind::Chunk, &content) {
            self.objects.push((id, content, store.position()));
        }
    }

    fn set_local(&mut self, store: &Store, key: Vec<u8>, len: usize) -> bool {
        let value = (!len.is_multiple_of(5)).then(|| vec![len as u8; len]);
        let mut map = self.locals.last().unwrap().0.clone();
        match &value {
            Some(value) => map.insert(key.clone(), value.clone()),
            None => map.remove(&key),
        };
        let done = store.set_local(vec![(key, value)]);
        if let Ok(position) = done {
            self.locals.push((map, position));
        }
        done.is_ok()
    }

    fn append(&mut self, store: &Store) {
        let seq = store.journal_position().next();
        let needs = (self.objects.len(), self.locals.len());
        if store.journal_fill().commit_due {
            self.commit(store, 1);
        }
        match store.journal_append(&payload(seq, needs), store.position()) {
            Ok(_) => self.journal.insert(seq, needs),
            // The power may have failed after the bytes were written.
            Err(_) => Some(*self.journal.entry(seq).or_insert(needs)),
        };
    }

    fn sync_log(&mut self, store: &Store) {
        let upto = store.position();
        if store.sync_log(upto).is_ok() {
            self.log_synced = self.log_synced.max(upto);
        }
    }

    fn sync_journal(&mut self, store: &Store) {
        let upto = store.journal_position();
        if store.sync_journal(upto).is_ok() {
            self.journal_synced = self.journal_synced.max(upto);
        }
    }

    fn commit(&mut self, store: &Store, step: u64) {
        let upto = store.journal_position();
        if !self.set_local(store, b"head".to_vec(), 1 + step as usize) {
            return;
        }
        let position = store.position();
        if store.sync_log(position).is_ok() {
            self.log_synced = self.log_synced.max(position);
            self.retired = self.retired.max(upto);
            store.journal_retire(upto);
        }
    }

    /// Everything that was taken is read, durable or not.
    fn check_readable(&self, store: &Store) {
        for (id, content, _) in &self.objects {
            assert_eq!(&store.fetch(id).unwrap(), content);
        }
        assert_eq!(store.locals(b"").into_iter().collect::<Keys>(), self.locals.last().unwrap().0);
    }

    /// What was found after a power cut keeps every promise.
    fn check_found(&self, store: &Store, found: &Recovery) {
        assert_eq!(found.damage, []);
        assert_eq!(faults(store), []);
        let mut there = Vec::new();
        for (id, content, end) in &self.objects {
            match store.fetch(id) {
                Ok(found) => assert_eq!(&found, content),
                Err(StoreError::Missing(_)) => assert!(*end > self.log_synced, "a synced object is gone"),
                Err(error) => panic!("{error:?}"),
            }
            there.push(store.contains(id).unwrap());
        }
        let local: Keys = store.locals(b"").into_iter().collect();
        let at_least = self.locals.iter().rposition(|(_, end)| *end <= self.log_synced).unwrap_or(0);
        let latest =
            self.locals.iter().rposition(|(map, _)| *map == local).expect("no prefix of the changes");
        assert!(latest >= at_least, "local keys {latest} are older than synced {at_least}");
        for entry in &found.journal {
            let needs = self.journal[&entry.seq];
            if needs != (0, 0) {
                assert_eq!(entry.payload, payload(entry.seq, needs));
            }
            assert!(
                there[..needs.0].iter().all(|there| *there),
                "{:?} needs an object that is gone",
                entry.seq
            );
            assert!(needs.1 <= latest + 1, "{:?} needs newer local keys", entry.seq);
        }
        let numbers: Vec<_> = found.journal.iter().map(|entry| entry.seq.0).collect();
        assert!(numbers.is_sorted_by(|a, b| a + 1 == *b), "{numbers:?}");
        if self.journal_synced > self.retired {
            let promised =
                format!("found {numbers:?}, synced {:?}, retired {:?}", self.journal_synced, self.retired);
            let (first, last) = (numbers.first().copied(), numbers.last().copied());
            assert!(first.is_some_and(|first| first <= self.retired.0 + 1), "{promised}");
            assert!(last >= Some(self.journal_synced.0), "{promised}");
        }
    }
}

/// Says where a panic came from.
struct Here(String);

impl Drop for Here {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.0);
        }
    }
}

/// Opens what a power cut left, checks it, uses it on, and cuts the power again.
fn reopen(disk: &FaultDisk, life: &Life, loss: Loss, seed: u64) {
    let disk = disk.after_power_cut(loss, seed);
    let (store, found) = open(&disk).unwrap();
    life.check_found(&store, &found);
    let mut next = Life::begin(&store, &found, life);
    next.work(&store, 7000 + seed, 25);
    next.check_readable(&store);
    // Before the store is dropped, which closes the index: a crash does not.
    let disk = disk.after_power_cut(loss, seed + 1);
    drop(store);
    let (store, found) = open(&disk).unwrap();
    next.check_found(&store, &found);
}

/// A life that runs until the disk stops it.
fn run(disk: &FaultDisk) -> Option<(Store, Life)> {
    let store = create(disk).ok()?;
    let found = Recovery::default();
    let mut life = Life::begin(&store, &found, &Life::default());
    life.work(&store, 1, STEPS);
    Some((store, life))
}

fn calls() -> u64 {
    let disk = FaultDisk::new();
    let (store, life) = run(&disk).unwrap();
    life.check_readable(&store);
    assert!(store.position().segment() > 2, "no segment rolled");
    assert!(life.retired > JournalSeq(20), "no journal file was used again");
    disk.calls()
}

fn cut_everywhere(loss: Loss, seeds: u64) {
    for cut in 1..=calls() {
        let disk = FaultDisk::new();
        disk.cut_at(cut);
        let Some((store, life)) = run(&disk) else { continue };
        drop(store);
        for seed in 0..seeds {
            let _here = Here(format!("cut at call {cut}, {loss:?}, seed {seed}"));
            reopen(&disk, &life, loss, 1000 * seed + cut);
        }
    }
}

#[test]
fn power_cut_at_every_call_with_unsynced_writes_dropped() {
    cut_everywhere(Loss::Drop, 1);
}

#[test]
fn power_cut_at_every_call_with_unsynced_writes_kept() {
    cut_everywhere(Loss::Keep, 1);
}

#[test]
fn power_cut_at_every_call_with_unsynced_writes_torn() {
    cut_everywhere(Loss::Torn, 3);
}

#[test]
fn power_cut_at_every_call_with_unsynced_writes_reordered() {
    cut_everywhere(Loss::Reordered, 4);
}

fn fail_everywhere(errno: Errno) {
    for nth in 1..=calls() {
        let disk = FaultDisk::new();
        disk.fail_at(nth, errno);
        let Some((store, life)) = run(&disk) else { continue };
        let _here = Here(format!("{errno} at call {nth}"));
        life.check_readable(&store);
        reopen(&disk, &life, Loss::Drop, nth);
        reopen(&disk, &life, Loss::Reordered, nth);
    }
}

#[test]
fn an_io_error_at_every_call() {
    fail_everywhere(Errno::EIO);
}

#[test]
fn a_full_disk_at_every_call() {
    fail_everywhere(Errno::ENOSPC);
}

/// The power fails while a store is being made: it is there as a whole, or can be made.
#[test]
fn power_cut_at_every_call_of_making_a_store() {
    let disk = FaultDisk::new();
    let (_store, total) = (create(&disk).unwrap(), disk.calls());
    for cut in 1..=total {
        for loss in Loss::ALL {
            let disk = FaultDisk::new();
            disk.cut_at(cut);
            drop(create(&disk));
            let disk = disk.after_power_cut(loss, cut);
            if Store::vault_file(&disk).is_ok() {
                let (store, found) = open(&disk).unwrap();
                assert_eq!((found.damage, faults(&store)), (vec![], vec![]));
            } else {
                create(&disk).unwrap();
            }
        }
    }
}

/// The power fails again and again while what the last cut left is being recovered.
#[test]
fn power_cut_at_every_call_of_recovering() {
    let total = calls();
    for cut in (total / 3..=total).step_by(5) {
        let first = FaultDisk::new();
        first.cut_at(cut);
        let Some((store, life)) = run(&first) else { continue };
        drop(store);
        let torn = first.after_power_cut(Loss::Reordered, cut);
        for second in 1.. {
            let disk = torn.after_power_cut(Loss::Keep, 0);
            disk.cut_at(second);
            let opened = open(&disk);
            let _here = Here(format!("cut at call {cut}, then at {second} of recovering"));
            reopen(&disk, &life, Loss::Reordered, second);
            if opened.is_ok() {
                break;
            }
        }
    }
}
