//! The store as a whole, on the test disk.

use std::sync::LazyLock;

use nix::errno::Errno;

use super::disk::fault::{FaultDisk, Loss};
use super::*;
use crate::crypto::{Argon2Cost, CryptoError, Unlock, VaultFile};

/// One keyring for all tests: making a vault file stretches a passphrase.
static VAULT: LazyLock<(VaultFile, Arc<Keyring>)> = LazyLock::new(|| {
    let entropy = Ambient::host().entropy;
    let mut keyring = Keyring::generate(entropy.as_ref());
    let unlock = Unlock::KeyFile(crate::crypto::new_key_file(entropy.as_ref()));
    let file =
        VaultFile::create(&mut keyring, &unlock, Argon2Cost::weak_for_tests(), entropy.as_ref()).unwrap();
    (file, Arc::new(keyring))
});

/// Sizes that make everything happen soon.
pub(super) fn small() -> Options {
    Options {
        segment_len: 8 << 10,
        journal_len: 4 << 10,
        reserve: 8 << 10,
        caches: Caches { index: 1 << 20, ..Caches::default() },
        index_batch: 8,
        index_checkpoint: 6 << 10,
    }
}

pub(super) fn create(disk: &FaultDisk) -> Result<Store, StoreError> {
    let (file, keyring) = &*VAULT;
    Store::create_with(Arc::new(disk.clone()), file, keyring.clone(), Ambient::host(), small())
}

pub(super) fn open(disk: &FaultDisk) -> Result<(Store, Recovery), StoreError> {
    Store::open_with(Arc::new(disk.clone()), VAULT.1.clone(), Ambient::host(), small())
}

pub(super) fn faults(store: &Store) -> Vec<Damage> {
    let mut all = Vec::new();
    store.check(&mut |damage| all.push(damage)).unwrap();
    all
}

/// Bytes that do not shrink.
pub(super) fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut dice = super::disk::fault::Dice(seed);
    (0..len).map(|_| dice.roll(256) as u8).collect()
}

fn fresh() -> (FaultDisk, Store) {
    let disk = FaultDisk::new();
    let store = create(&disk).unwrap();
    (disk, store)
}

#[test]
fn objects_come_back_and_are_stored_once() {
    let (_, store) = fresh();
    let big = noise(1, 100_000);
    let id = store.put(ObjectKind::Chunk, &big).unwrap();
    let end = store.position();
    assert_eq!(store.put(ObjectKind::Chunk, &big).unwrap(), id);
    assert_eq!(store.position(), end);
    assert_ne!(store.put(ObjectKind::List, &big).unwrap(), id);
    let text = b"text ".repeat(1000);
    let compressed = store.put(ObjectKind::Chunk, &text).unwrap();
    for _ in 0..2 {
        assert_eq!(store.fetch(&id).unwrap(), big);
        assert_eq!(store.fetch(&compressed).unwrap(), text);
        assert_eq!(store.fetch_range(&id, 40_000..70_001).unwrap(), &big[40_000..70_001]);
        assert_eq!(store.fetch_range(&compressed, 4..9).unwrap(), b" text");
        assert!(matches!(
            store.fetch_range(&id, 0..100_001),
            Err(StoreError::Crypto(CryptoError::OutOfRange))
        ));
        assert!(store.header(&compressed).unwrap().unwrap().is_compressed());
        store.close().unwrap();
    }
    assert_eq!(faults(&store), []);
    assert!(matches!(store.fetch(&ObjectId([9; 32])), Err(StoreError::Missing(_))));
    assert_eq!(store.header(&ObjectId([9; 32])).unwrap(), None);
}

#[test]
fn sealed_objects_go_from_store_to_store() {
    let (_, from) = fresh();
    let (_, to) = fresh();
    let id = from.put(ObjectKind::Trie, b"a node").unwrap();
    let sealed = from.sealed(&id).unwrap();
    assert_eq!(to.put_sealed(&sealed).unwrap(), id);
    assert_eq!(to.put_sealed(&sealed).unwrap(), id);
    assert_eq!(to.fetch(&id).unwrap(), b"a node");
    let mut local = sealed;
    local.header.kind = ObjectKind::Local;
    local.header.id = ObjectId([1; 32]);
    assert!(to.put_sealed(&local).is_err());
}

#[test]
fn a_second_vault_is_not_made_over_the_first() {
    let (disk, store) = fresh();
    drop(store);
    assert!(matches!(create(&disk), Err(StoreError::Exists)));
    assert_eq!(Store::vault_file(&disk).unwrap().vault_id(), VAULT.1.vault_id());
    assert!(matches!(Store::vault_file(&FaultDisk::new()), Err(StoreError::Foreign)));
}

#[test]
fn another_vaults_keys_open_nothing() {
    let (disk, store) = fresh();
    store.close().unwrap();
    drop(store);
    let other = Arc::new(Keyring::generate(Ambient::host().entropy.as_ref()));
    let opened = Store::open_with(Arc::new(disk), other, Ambient::host(), small());
    assert!(matches!(opened, Err(StoreError::Foreign)));
}

#[test]
fn deleting_the_index_loses_nothing() {
    let (disk, store) = fresh();
    let ids: Vec<_> =
        (0..300).map(|n| store.put(ObjectKind::Chunk, &noise(n, 20 + n as usize)).unwrap()).collect();
    for n in 0..300u32 {
        store.set_local(vec![(n.to_le_bytes().to_vec(), Some(noise(1, 900)))]).unwrap();
    }
    let locals = store.locals(b"");
    store.close().unwrap();
    drop(store);
    let (store, recovery) = open(&disk).unwrap();
    assert!(!recovery.index_rebuilt);
    assert_eq!(store.locals(b""), locals);
    drop(store);
    super::disk::Disk::remove(&disk, "index.redb").unwrap();
    for rebuilt in [true, false] {
        let (store, recovery) = open(&disk).unwrap();
        assert_eq!(recovery, Recovery { index_rebuilt: rebuilt, ..Recovery::default() });
        assert_eq!(store.locals(b""), locals);
        for (n, id) in ids.iter().enumerate() {
            assert_eq!(store.fetch(id).unwrap(), noise(n as u64, 20 + n));
        }
        assert_eq!(faults(&store), []);
    }
}

#[test]
fn an_index_that_fails_while_open_is_mended() {
    for wait in 0..12 {
        let (disk, store) = fresh();
        let mut ids = Vec::new();
        for n in 0..40 {
            ids.push(store.put(ObjectKind::Chunk, &noise(n, 300)).unwrap());
            store.set_local(vec![(b"n".to_vec(), Some(vec![n as u8]))]).unwrap();
            if n == wait * 3 {
                disk.tamper("index.redb", |bytes| bytes[4096..].iter_mut().for_each(|byte| *byte ^= 0x55));
            }
            store.sync_log(store.position()).unwrap();
        }
        store.checkpoint_index().unwrap();
        for (n, id) in ids.iter().enumerate() {
            assert_eq!(store.fetch(id).unwrap(), noise(n as u64, 300));
        }
        assert_eq!(faults(&store), []);
        store.close().unwrap();
        drop(store);
        let (store, recovery) = open(&disk).unwrap();
        assert_eq!(recovery.damage, []);
        assert_eq!(store.local(b"n"), Some(vec![39]));
        assert_eq!(faults(&store), []);
    }
}

#[test]
fn a_damaged_object_is_told_and_can_be_stored_again() {
    let (disk, store) = fresh();
    let id = store.put(ObjectKind::Chunk, &noise(1, 500)).unwrap();
    let whole = store.sealed(&id).unwrap();
    store.close().unwrap();
    disk.tamper("log/00000001.seg", |bytes| {
        let at = bytes.len() - 20;
        bytes[at] ^= 1;
    });
    assert_eq!(faults(&store).len(), 1);
    assert!(matches!(store.fetch(&id), Err(StoreError::Damaged(Damage { what: DamageKind::Body, .. }))));
    assert!(!store.contains(&id).unwrap());
    store.put_sealed(&whole).unwrap();
    assert!(store.contains(&id).unwrap());
    assert_eq!(store.fetch(&id).unwrap(), noise(1, 500));
    store.close().unwrap();
    drop(store);
    super::disk::Disk::remove(&disk, "index.redb").unwrap();
    let (store, _) = open(&disk).unwrap();
    assert_eq!(store.fetch(&id).unwrap(), noise(1, 500));
}

#[test]
fn a_flipped_bit_anywhere_is_damage_and_never_a_panic_or_other_content() {
    let (disk, store) = fresh();
    let ids: Vec<_> = (0..40).map(|n| store.put(ObjectKind::Chunk, &noise(n, 350)).unwrap()).collect();
    let mut journal = Vec::new();
    for n in 0..20u8 {
        store.set_local(vec![(vec![n], Some(vec![n; 40]))]).unwrap();
        journal.push(store.journal_append(&[n; 30], store.position()).unwrap());
    }
    let locals = store.locals(b"");
    store.close().unwrap();
    drop(store);
    for path in disk.paths() {
        let len = disk.bytes(&path).unwrap().len();
        for step in 0..40 {
            let at = step * len / 40 + step % 7;
            let copy = disk.after_power_cut(Loss::Keep, 0);
            copy.tamper(&path, |bytes| {
                if at < len {
                    bytes[at] ^= 1 << (step % 8)
                }
            });
            let Ok((store, recovery)) = open(&copy) else {
                // A changed vault id makes the segment another vault's.
                assert!(path.starts_with("log/") && at < 36, "{path} {at}");
                continue;
            };
            for (n, id) in ids.iter().enumerate() {
                match store.fetch(id) {
                    Ok(content) => assert_eq!(content, noise(n as u64, 350)),
                    Err(StoreError::Damaged(_) | StoreError::Missing(_)) => {
                        assert!(path.starts_with("log/") && !faults(&store).is_empty(), "{path} {at}");
                    }
                    Err(error) => panic!("{path} {at}: {error:?}"),
                }
            }
            let kept = store.locals(b"");
            assert!(kept.iter().all(|entry| locals.contains(entry)), "{path} {at}");
            let whole = kept == locals && recovery.journal.len() == 20;
            assert!(whole || path.starts_with("log/") || path.starts_with("journal/"), "{path} {at}");
        }
    }
}

#[test]
fn a_missing_or_shortened_segment_is_damage() {
    let (disk, store) = fresh();
    let ids: Vec<_> = (0..80).map(|n| store.put(ObjectKind::Chunk, &noise(n, 500)).unwrap()).collect();
    store.close().unwrap();
    drop(store);
    let short = disk.after_power_cut(Loss::Keep, 0);
    short.tamper("log/00000002.seg", |bytes| bytes.truncate(5000));
    let gone = disk.after_power_cut(Loss::Keep, 0);
    super::disk::Disk::remove(&gone, "log/00000002.seg").unwrap();
    for (disk, what) in [(short, DamageKind::CutShort), (gone, DamageKind::SegmentMissing)] {
        let (store, recovery) = open(&disk).unwrap();
        assert!(recovery.damage.iter().any(|damage| damage.what == what), "{recovery:?}");
        assert!(faults(&store).iter().any(|damage| damage.what == what));
        let lost = ids.iter().filter(|id| store.fetch(id).is_err()).count();
        assert!(lost > 0 && lost < 40, "{lost}");
    }
}

#[test]
fn a_full_disk_refuses_content_and_still_commits() {
    let (disk, store) = fresh();
    let kept = store.put(ObjectKind::Chunk, &noise(1, 500)).unwrap();
    store.close().unwrap();
    disk.limit(Some(disk.used() + (8 << 10)));
    assert_eq!(store.space().unwrap().free, 0);
    assert!(matches!(store.put(ObjectKind::Chunk, &noise(2, 500)), Err(StoreError::Full)));
    assert!(matches!(store.reserve(1), Err(StoreError::Full)));
    let before = store.position();
    let commit = store.put(ObjectKind::Commit, b"a commit").unwrap();
    store.set_local(vec![(b"head".to_vec(), Some(commit.0.to_vec()))]).unwrap();
    let seq = store.journal_append(b"unlink", store.position()).unwrap();
    store.sync_journal(seq).unwrap();
    assert!(store.position() > before);
    assert_eq!(store.fetch(&kept).unwrap(), noise(1, 500));
    let (again, recovery) = open(&disk.after_power_cut(Loss::Drop, 0)).unwrap();
    assert_eq!(recovery.journal.len(), 1);
    assert_eq!(again.local(b"head"), Some(commit.0.to_vec()));
    disk.limit(None);
    store.put(ObjectKind::Chunk, &noise(2, 500)).unwrap();
}

#[test]
fn layers_above_have_tables_in_the_index() {
    const MINE: redb::TableDefinition<'_, u64, u64> = redb::TableDefinition::new("view");
    let (disk, store) = fresh();
    store.write_tables(|txn| Ok(txn.open_table(MINE)?.insert(1, 2)?.is_none())).unwrap();
    store.close().unwrap();
    drop(store);
    let (store, _) = open(&disk).unwrap();
    let read = store.read_tables(|tables| Ok(tables.open(MINE)?.get(1)?.map(|entry| entry.value())));
    assert_eq!(read.unwrap(), Some(2));
}

#[test]
fn nothing_of_the_content_is_on_the_disk() {
    let (disk, store) = fresh();
    let marker = b"a marker that nobody may see";
    store.put(ObjectKind::Chunk, &marker.repeat(3)).unwrap();
    store.set_local(vec![(marker.to_vec(), Some(marker.to_vec()))]).unwrap();
    store.journal_append(marker, LogPosition::START).unwrap();
    store
        .write_tables(|txn| {
            let table = redb::TableDefinition::<'_, &[u8], &[u8]>::new("t");
            Ok(txn.open_table(table)?.insert(&marker[..], &marker[..])?.is_none())
        })
        .unwrap();
    store.close().unwrap();
    for path in disk.paths() {
        let bytes = disk.bytes(&path).unwrap();
        assert!(!bytes.windows(8).any(|window| window == &marker[2..10]), "{path}");
    }
}

#[test]
fn threads_put_fetch_and_sync_at_once() {
    let (disk, store) = fresh();
    std::thread::scope(|scope| {
        for thread in 0..6u64 {
            let store = &store;
            scope.spawn(move || {
                for n in 0..60 {
                    // Every second object is put by all threads.
                    let seed = if n % 2 == 0 { n } else { 1000 * thread + n };
                    let id = store.put(ObjectKind::Chunk, &noise(seed, 400)).unwrap();
                    let seq = store.journal_append(&[1; 20], store.position());
                    if let Ok(seq) = seq {
                        store.sync_journal(seq).unwrap();
                        store.journal_retire(seq);
                    }
                    store.set_local(vec![(vec![thread as u8], Some(vec![n as u8]))]).unwrap();
                    store.sync_log(store.position()).unwrap();
                    assert_eq!(store.fetch(&id).unwrap(), noise(seed, 400));
                }
            });
        }
    });
    assert_eq!(faults(&store), []);
    let (again, _) = open(&disk.after_power_cut(Loss::Drop, 0)).unwrap();
    assert_eq!(again.locals(b""), store.locals(b""));
    assert_eq!(faults(&again), []);
}

#[test]
fn after_a_failed_sync_everything_before_it_is_still_read() {
    let (disk, store) = fresh();
    let id = store.put(ObjectKind::Chunk, b"kept").unwrap();
    disk.fail_at(disk.calls() + 2, Errno::EIO);
    assert!(store.sync_log(store.position()).is_err());
    assert!(matches!(store.put(ObjectKind::Chunk, b"new"), Err(StoreError::Stopped)));
    assert_eq!(store.fetch(&id).unwrap(), b"kept");
}

/// A store whose log ends in an object that did not survive whole, and behind it a local frame that did.
fn torn() -> FaultDisk {
    let (disk, store) = fresh();
    store.set_local(vec![(b"kept".to_vec(), Some(vec![1]))]).unwrap();
    store.close().unwrap();
    let object_at = store.position();
    store.put(ObjectKind::Chunk, &noise(1, 600)).unwrap();
    store.set_local(vec![(b"torn".to_vec(), Some(vec![2]))]).unwrap();
    // The write happens, and then the power fails in the sync.
    disk.cut_at(disk.calls() + 2);
    store.sync_log(store.position()).unwrap_err();
    let disk = disk.after_power_cut(Loss::Keep, 0);
    disk.tamper("log/00000001.seg", |bytes| bytes[object_at.offset() as usize + 300] ^= 1);
    disk
}

#[test]
fn local_frames_behind_a_torn_place_never_come_back() {
    let torn = torn();
    for cut in 1.. {
        let disk = torn.after_power_cut(Loss::Keep, 0);
        disk.cut_at(cut);
        let done = open(&disk).is_ok();
        for (loss, seed) in Loss::ALL.into_iter().flat_map(|loss| [(loss, 1), (loss, 2)]) {
            let disk = disk.after_power_cut(loss, seed);
            let (store, _) = open(&disk).unwrap();
            assert_eq!((store.local(b"kept"), store.local(b"torn")), (Some(vec![1]), None));
            store.set_local(vec![(b"new".to_vec(), Some(vec![3]))]).unwrap();
            store.put(ObjectKind::Chunk, &noise(2, 100)).unwrap();
            store.close().unwrap();
            drop(store);
            super::disk::Disk::remove(&disk, "index.redb").unwrap();
            let (store, recovery) = open(&disk).unwrap();
            assert_eq!((recovery.damage, recovery.torn), (Vec::new(), 0), "cut {cut}, {loss:?}");
            assert_eq!(
                (store.local(b"torn"), store.local(b"new")),
                (None, Some(vec![3])),
                "cut {cut}, {loss:?}"
            );
        }
        if done {
            break;
        }
    }
}
