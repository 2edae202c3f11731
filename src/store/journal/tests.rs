//! The journal pair: order, room, use in turn, and what losses and flipped bits leave of it.

use nix::errno::Errno;

use super::*;
use crate::ambient::Ambient;
use crate::crypto::VaultId;
use crate::store::disk::fault::{Dice, FaultDisk, Loss};
use crate::store::log::LOG_DIR;

struct Bench {
    disk: FaultDisk,
    keyring: Keyring,
    log: Log,
}

const LEN: u64 = 8 << 10;

impl Bench {
    fn new() -> (Self, Journal) {
        let entropy = Ambient::host().entropy;
        let disk = FaultDisk::new();
        disk.make_dir(LOG_DIR).unwrap();
        let log = Log::create(Arc::new(disk.clone()), VaultId([1; 16]), 1 << 20).unwrap();
        let journal = Journal::create(&disk, LEN, entropy.clone()).unwrap();
        (Bench { disk, keyring: Keyring::generate(entropy.as_ref()), log }, journal)
    }

    fn add(&self, journal: &Journal, payload: &[u8]) -> JournalSeq {
        journal.append(payload, LogPosition::START, &self.keyring).unwrap()
    }

    fn open(&self, disk: &FaultDisk, recovered: LogPosition) -> (Journal, Vec<JournalEntry>) {
        let entropy = Ambient::host().entropy;
        Journal::open(disk, &self.keyring, LEN, recovered, entropy).unwrap()
    }
}

fn numbers(entries: &[JournalEntry]) -> Vec<u64> {
    entries.iter().map(|entry| entry.seq.0).collect()
}

#[test]
fn entries_come_back_in_order() {
    let (bench, journal) = Bench::new();
    for n in 0..10u8 {
        assert_eq!(bench.add(&journal, &[n; 30]), JournalSeq(u64::from(n) + 1));
    }
    journal.sync(JournalSeq(10), &bench.log).unwrap();
    let (journal, entries) = bench.open(&bench.disk.after_power_cut(Loss::Drop, 0), LogPosition::START);
    assert_eq!(numbers(&entries), (1..=10).collect::<Vec<_>>());
    assert!(entries.iter().all(|entry| entry.payload == [entry.seq.0 as u8 - 1; 30]));
    assert_eq!(journal.position(), JournalSeq(10));
}

#[test]
fn files_are_used_in_turn_and_a_full_journal_takes_nothing() {
    let (bench, journal) = Bench::new();
    let mut last = JournalSeq(0);
    let fill = loop {
        match journal.append(&[1; 300], LogPosition::START, &bench.keyring) {
            Ok(seq) => last = seq,
            Err(StoreError::JournalFull) => break journal.fill(),
            Err(error) => panic!("{error:?}"),
        }
    };
    assert!(fill.commit_due && fill.used > LEN, "{fill:?}");
    journal.sync(last, &bench.log).unwrap();
    let (_, entries) = bench.open(&bench.disk.after_power_cut(Loss::Drop, 0), LogPosition::START);
    assert_eq!(numbers(&entries), (1..=last.0).collect::<Vec<_>>());
    journal.retire(JournalSeq(3));
    assert!(journal.append(&[1; 300], LogPosition::START, &bench.keyring).is_err());
    journal.retire(last);
    journal.wait_for_room(300).unwrap();
    assert_eq!(journal.fill().used, 0);
    for _ in 0..100 {
        let seq = bench.add(&journal, &[2; 300]);
        journal.sync(seq, &bench.log).unwrap();
        let (_, entries) = bench.open(&bench.disk.after_power_cut(Loss::Drop, 0), LogPosition::START);
        assert_eq!(entries.last().map(|entry| entry.seq), Some(seq));
        journal.retire(seq);
    }
    assert!(matches!(
        journal.append(&[0; LEN as usize], LogPosition::START, &bench.keyring),
        Err(StoreError::TooLong(_))
    ));
}

#[test]
fn replay_stops_where_the_log_was_not_recovered_and_never_takes_the_rest_later() {
    let (bench, journal) = Bench::new();
    for n in 1..=6 {
        journal.append(b"x", LogPosition::new(1, n * 10), &bench.keyring).unwrap();
    }
    let disk = bench.disk.after_power_cut(Loss::Keep, 0);
    let (journal, entries) = bench.open(&disk, LogPosition::new(1, 35));
    assert_eq!(numbers(&entries), [1, 2, 3]);
    drop(journal);
    let (journal, entries) = bench.open(&disk, LogPosition::new(9, 0));
    assert_eq!(numbers(&entries), [1, 2, 3]);
    assert_eq!(bench.add(&journal, b"y"), JournalSeq(4));
    let (_, entries) = bench.open(&disk, LogPosition::new(9, 0));
    assert_eq!(numbers(&entries), [1, 2, 3, 4]);
    assert_eq!(entries[3].payload, b"y");
}

#[test]
fn several_lives_with_losses_replay_a_prefix_each() {
    for seed in 0..150 {
        let (bench, mut journal) = Bench::new();
        let mut disk = bench.disk.clone();
        let mut dice = Dice(seed);
        // What was appended, as this life knows it, and how much of it must or may come back.
        let mut appended: Vec<(JournalSeq, Vec<u8>)> = Vec::new();
        let mut retired = JournalSeq(0);
        for life in 0..5u8 {
            let mut synced = journal.position();
            for _ in 0..dice.roll(40) {
                let payload = vec![life; 1 + dice.roll(600) as usize];
                match journal.append(&payload, LogPosition::START, &bench.keyring) {
                    Ok(seq) => appended.push((seq, payload)),
                    Err(StoreError::JournalFull) => {
                        retired = journal.position();
                        journal.sync(retired, &bench.log).unwrap();
                        synced = retired;
                        journal.retire(retired);
                    }
                    Err(error) => panic!("{error:?}"),
                }
                if dice.roll(5) == 0 {
                    synced = journal.position();
                    journal.sync(synced, &bench.log).unwrap();
                }
            }
            disk = disk.after_power_cut(Loss::ALL[dice.roll(4) as usize], dice.roll(1000));
            let (again, entries) = bench.open(&disk, LogPosition::START);
            let place = format!("seed {seed}, life {life}");
            for entry in &entries {
                assert!(appended.contains(&(entry.seq, entry.payload.clone())), "{place}");
            }
            assert!(numbers(&entries).is_sorted_by(|a, b| a + 1 == *b), "{place}");
            if synced > retired {
                assert!(again.position() >= synced, "{place}");
                let first = entries.first().map(|entry| entry.seq).unwrap();
                assert!(first <= retired.next(), "{place}");
            }
            appended = entries.into_iter().map(|entry| (entry.seq, entry.payload)).collect();
            journal = again;
        }
    }
}

#[test]
fn a_flipped_bit_ends_the_replay_before_it() {
    let (bench, journal) = Bench::new();
    for n in 0..12u8 {
        bench.add(&journal, &[n; 20]);
    }
    let frame = entry_len(20) as usize;
    for bit in (0..frame * 8).step_by(3) {
        let disk = bench.disk.after_power_cut(Loss::Keep, 0);
        for path in PATHS {
            disk.tamper(path, |bytes| bytes[FRAMES_AT as usize + 5 * frame + bit / 8] ^= 1 << (bit % 8));
        }
        let (_, entries) = bench.open(&disk, LogPosition::START);
        assert_eq!(numbers(&entries), (1..=5).collect::<Vec<_>>(), "bit {bit}");
    }
}

#[test]
fn a_failed_write_takes_nothing_and_a_failed_sync_stops() {
    let (bench, journal) = Bench::new();
    bench.add(&journal, b"one");
    bench.disk.fail_at(bench.disk.calls() + 1, Errno::EIO);
    assert!(journal.append(b"two", LogPosition::START, &bench.keyring).is_err());
    assert_eq!(bench.add(&journal, b"two"), JournalSeq(2));
    bench.disk.fail_at(bench.disk.calls() + 1, Errno::EIO);
    assert!(matches!(journal.sync(JournalSeq(2), &bench.log), Err(StoreError::Disk(_))));
    assert!(matches!(journal.append(b"three", LogPosition::START, &bench.keyring), Err(StoreError::Stopped)));
}

#[test]
fn a_file_used_again_does_not_outlive_the_entries_before_it() {
    let (bench, journal) = Bench::new();
    let in_file = || {
        let seq = bench.add(&journal, &[1; 300]);
        (journal.state.lock().active, seq)
    };
    let (first, mut last_in_first) = in_file();
    loop {
        match in_file() {
            (file, seq) if file == first => last_in_first = seq,
            _ => break,
        }
    }
    journal.retire(last_in_first);
    while in_file().0 != first {}
    let mut replayed = 0;
    for seed in 0..300 {
        let (_, entries) = bench.open(&bench.disk.after_power_cut(Loss::Reordered, seed), LogPosition::START);
        replayed += entries.len();
        let begins = entries.first().map_or(last_in_first.next(), |entry| entry.seq);
        assert_eq!(begins, last_in_first.next(), "seed {seed}");
    }
    assert!(replayed > 300);
}
