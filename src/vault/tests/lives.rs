//! Copies, restored backups, clones.

use super::*;
use crate::store::disk::fault::Loss;

#[test]
fn a_copied_store_goes_on_under_a_new_id_and_says_so() {
    let host = Host::new(1);
    let vault = host.create("a");
    put(&vault, "/f", b"1");
    vault.commit().unwrap();
    let copy = host.on(host.disk.after_power_cut(Loss::Keep, 0));
    let (other, _) = copy.try_open(Life::New).unwrap();
    assert_ne!(other.replica(), vault.replica());
    assert_eq!(other.replica_name(&other.replica()), "a");
    put(&vault, "/f", b"original");
    put(&other, "/f", b"copy");
    meet(&vault, &other);
    let all = tree(&vault);
    assert!(all.values().flatten().any(|bytes| bytes == b"original"));
    assert!(all.values().flatten().any(|bytes| bytes == b"copy"));
}

#[test]
fn a_restored_backup_loses_neither_lifes_work() {
    let (host, b) = (Host::new(1), Host::new(2).join());
    let a = host.create("a");
    put(&a, "/f", b"base");
    pull(&b, &a);
    let backup = host.on(host.disk.after_power_cut(Loss::Keep, 0));
    put(&a, "/first-life", b"1");
    put(&a, "/f", b"first");
    pull(&b, &a);

    // The backup comes back and does not know that it is one.
    let a = backup.open();
    let own = a.replica();
    put(&a, "/second-life", b"2");
    put(&a, "/f", b"second");
    unlink(&a, "/second-life");
    put(&a, "/third", b"3");
    meet(&a, &b);
    assert_ne!(a.replica(), own);
    let all = tree(&b);
    for bytes in [&b"1"[..], b"first", b"second", b"3"] {
        assert!(all.values().flatten().any(|it| it == bytes), "{bytes:?} in {all:?}");
    }
    assert!(!all.contains_key("/second-life"));

    // And nothing of the old journal comes back after a crash.
    let again = backup.on(backup.disk.after_power_cut(Loss::Drop, 0)).open();
    assert_eq!(tree(&again), all);
    assert_eq!(again.replica(), a.replica());
    check(&again);
}

/// What came after a moment is gone from the end of the log, though it was synced: a disk that lies, a
/// filesystem repaired with losses. The mark of what was offered is gone with it.
#[test]
fn a_lost_tail_makes_another_life_when_somebody_heard_of_it() {
    let (host, b) = (Host::new(1), Host::new(2).join());
    let a = host.create("a");
    put(&a, "/f", b"base");
    pull(&b, &a);
    let lengths: Vec<(String, usize)> = host
        .disk
        .paths()
        .into_iter()
        .map(|path| (path.clone(), host.disk.bytes(&path).unwrap().len()))
        .collect();
    put(&a, "/lost", b"1");
    put(&a, "/f", b"first");
    pull(&b, &a);

    let cut = host.on(host.disk.after_power_cut(Loss::Keep, 0));
    for (path, length) in lengths.iter().filter(|(path, _)| path.starts_with("log/")) {
        cut.disk.tamper(path, |bytes| bytes.truncate(*length));
    }
    for path in cut.disk.paths().iter().filter(|path| path.starts_with("journal/")) {
        cut.disk.tamper(path, |bytes| bytes.fill(0));
    }
    let (a, _) = cut.try_open(Life::Same).unwrap();
    assert!(!tree(&a).contains_key("/lost"));
    let own = a.replica();
    put(&a, "/f", b"second");
    put(&a, "/new", b"2");
    meet(&a, &b);
    assert_ne!(a.replica(), own);
    let all = tree(&b);
    for bytes in [&b"1"[..], b"2", b"first", b"second"] {
        assert!(all.values().flatten().any(|it| it == bytes), "{bytes:?} in {all:?}");
    }
}

/// The power is cut right after a peer has merged what was offered: nothing a peer has heard of is lost here,
/// so no stamp is used again.
#[test]
fn a_power_cut_after_an_offer_loses_nothing_of_it() {
    for seed in 0..8 {
        let (host, b) = (Host::new(1), Host::new(2).join());
        let a = host.create("a");
        put(&a, "/f", &noise(seed, 1_000));
        pull(&b, &a);
        put(&a, "/later", b"not offered, not synced");
        let loss = [Loss::Drop, Loss::Keep][seed as usize % 2];
        let again = host.on(host.disk.after_power_cut(loss, seed)).open();
        assert!(again.head().context.contains(&b.head().context));
        let own = again.replica();
        put(&again, "/f", b"second");
        meet(&again, &b);
        assert_eq!(again.replica(), own, "no other life");
        assert_eq!(get(&b, "/f"), b"second");
    }
}
