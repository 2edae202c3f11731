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
