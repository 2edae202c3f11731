//! What the journal puts back.

use super::*;
use crate::store::disk::fault::Loss;
use crate::vault::journal::{JournalMark, Replay};

fn cut(host: &Host, loss: Loss) -> Host {
    host.on(host.disk.after_power_cut(loss, 7))
}

fn shown(vault: &Vault, node: &NodeId) -> Shown {
    vault.read(|tree| vault.content_shown(tree, node)).unwrap().unwrap()
}

#[test]
fn synced_operations_come_back_without_a_commit() {
    let host = Host::new(1);
    let vault = host.create("a");
    put(&vault, "/f", b"1");
    put(&vault, "/g", &noise(1, 100_000));
    vault.sync().unwrap();
    put(&vault, "/lost", b"2");
    let again = cut(&host, Loss::Drop).open();
    assert_eq!(tree(&again).keys().collect::<Vec<_>>(), ["/f", "/g"]);
    assert_eq!(get(&again, "/g"), noise(1, 100_000));
    check(&again);
}

#[test]
fn replaying_twice_is_replaying_once() {
    let host = Host::new(1);
    let vault = host.create("a");
    let node = put(&vault, "/f", b"0123456789");
    let run = vault.begin_run(node, shown(&vault, &node));
    vault.log_extent(&run, 2, b"xy", 5).unwrap();
    put(&vault, "/g", b"1");
    vault.sync().unwrap();
    let first = cut(&host, Loss::Drop);
    // A crash in the middle of putting back, at every point of it.
    let calls = {
        let counted = first.on(first.disk.after_power_cut(Loss::Keep, 0));
        let before = counted.disk.calls();
        let vault = counted.open();
        assert_eq!(get(&vault, "/f"), b"01xy456789");
        counted.disk.calls() - before
    };
    for n in 1..=calls {
        for loss in Loss::ALL {
            let second = first.on(first.disk.after_power_cut(Loss::Keep, 0));
            second.disk.cut_at(n);
            let _ = second.try_open(Life::Same);
            let vault = cut(&second, loss).open();
            assert_eq!(get(&vault, "/f"), b"01xy456789", "cut at {n}, {loss:?}");
            assert_eq!(tree(&vault).len(), 2, "cut at {n}, {loss:?}: {:?}", tree(&vault));
            check(&vault);
        }
    }
}

#[test]
fn dirty_data_comes_back_in_the_order_of_the_requests() {
    let host = Host::new(1);
    let vault = host.create("a");
    let node = put(&vault, "/f", &[b'a'; 1000]);
    let run = vault.begin_run(node, shown(&vault, &node));
    vault.log_extent(&run, 990, &[b'b'; 20], 5).unwrap();
    vault.log_truncate(&run, 500, 6).unwrap();
    vault.log_extent(&run, 600, b"c", 7).unwrap();
    vault.log_punch(&run, 0, 100, 8).unwrap();
    vault.sync().unwrap();
    let again = cut(&host, Loss::Drop).open();
    let mut expected = vec![b'a'; 500];
    expected[..100].fill(0);
    expected.resize(600, 0);
    expected.push(b'c');
    assert_eq!(get(&again, "/f"), expected);
    assert_eq!(again.find(b"/f").unwrap().attr.mtime, 8);
    assert_eq!(again.conflicts().unwrap(), []);
}

#[test]
fn working_content_stands_for_what_was_written_before_it() {
    let host = Host::new(1);
    let vault = host.create("a");
    let node = put(&vault, "/f", b"");
    let run = vault.begin_run(node, shown(&vault, &node));
    vault.log_extent(&run, 0, b"forgotten", 5).unwrap();
    let content = vault.contents().write(&noise(4, 300_000)[..]).unwrap();
    vault.log_working(&run, &content, 6).unwrap();
    vault.log_extent(&run, 300_000, b"tail", 7).unwrap();
    vault.sync().unwrap();
    let again = cut(&host, Loss::Drop).open();
    assert_eq!(get(&again, "/f"), [noise(4, 300_000), b"tail".to_vec()].concat());
}

#[test]
fn packed_writes_lie_over_what_was_written_before_them() {
    let host = Host::new(1);
    let vault = host.create("a");
    let node = put(&vault, "/f", &noise(1, 200_000));
    let run = vault.begin_run(node, shown(&vault, &node));
    vault.log_extent(&run, 10, b"before", 5).unwrap();
    let mut edits = Extents::new();
    edits.insert(13, b"packed");
    edits.insert(150_000, &noise(2, 9_000));
    edits.insert_hole(5_000, 100);
    let packed = vault.contents().pack(&edits).unwrap();
    vault.log_packed(&run, &packed, 180_000, 6).unwrap();
    vault.log_extent(&run, 15, b"!", 7).unwrap();
    vault.sync().unwrap();
    let mut expected = noise(1, 200_000);
    expected[10..13].copy_from_slice(b"bef");
    expected[13..19].copy_from_slice(b"pa!ked");
    expected[150_000..159_000].copy_from_slice(&noise(2, 9_000));
    expected[5_000..5_100].fill(0);
    expected.truncate(180_000);
    let again = cut(&host, Loss::Drop).open();
    assert_eq!(get(&again, "/f"), expected);
    check(&again);
}

#[test]
fn a_run_that_follows_one_being_folded_is_no_conflict_with_it() {
    let host = Host::new(1);
    for folded in [false, true] {
        let vault_host = host.on(FaultDisk::new());
        let vault = vault_host.create("a");
        let node = put(&vault, "/f", b"0000");
        let first = vault.begin_run(node, shown(&vault, &node));
        vault.log_extent(&first, 0, b"1", 5).unwrap();
        let second = vault.follow_run(&first);
        vault.log_extent(&second, 1, b"2", 6).unwrap();
        if folded {
            let content = vault.contents().write(&b"1000"[..]).unwrap();
            vault.fold(Origin::VAULT, &first, content, 5, |_| {}).unwrap();
        }
        vault.sync().unwrap();
        let again = cut(&vault_host, Loss::Drop).open();
        assert_eq!(get(&again, "/f"), b"1200");
        assert_eq!(again.conflicts().unwrap(), []);
        check(&again);
    }
}

#[test]
fn dropped_dirty_data_brings_no_removed_file_back() {
    let host = Host::new(1);
    let vault = host.create("a");
    let node = put(&vault, "/f", b"0000");
    vault.commit().unwrap();
    let run = vault.begin_run(node, shown(&vault, &node));
    vault.log_extent(&run, 0, b"1", 5).unwrap();
    vault
        .edit_dropping(
            Origin::VAULT,
            std::slice::from_ref(&run),
            |tree, draw| tree.unlink(&NodeId::ROOT, &name("f"), draw),
            |_, _| {},
        )
        .unwrap();
    assert!(run.has_ended());
    vault.sync().unwrap();
    let again = cut(&host, Loss::Drop).open();
    assert_eq!(tree(&again), BTreeMap::new());
    assert!(vault.log_extent(&run, 0, b"2", 6).is_err());
}

/// The commit that holds a fold may survive where the fold's own journal entry does not.
#[test]
fn a_fold_that_only_the_commit_remembers_is_not_made_again() {
    let host = Host::new(1);
    let vault = host.create("a");
    let node = put(&vault, "/f", b"0000");
    let run = vault.begin_run(node, shown(&vault, &node));
    vault.log_extent(&run, 0, b"1", 5).unwrap();
    vault.sync().unwrap();
    let content = vault.contents().write(&b"1000"[..]).unwrap();
    vault.fold(Origin::VAULT, &run, content, 5, |_| {}).unwrap();
    put(&vault, "/f", b"later");
    vault.commit().unwrap();
    let again = cut(&host, Loss::Drop).open();
    assert_eq!(get(&again, "/f"), b"later");
    assert_eq!(again.conflicts().unwrap(), []);
    assert_eq!(tree(&again).len(), 1);
}

#[test]
fn live_dirty_data_is_not_retired_by_commits() {
    let host = Host::new(1);
    let vault = host.create("a");
    let node = put(&vault, "/f", b"0000");
    let run = vault.begin_run(node, shown(&vault, &node));
    vault.log_extent(&run, 0, b"1", 5).unwrap();
    for n in 0..5 {
        put(&vault, &format!("/g{n}"), &noise(n, 600));
        vault.commit().unwrap();
    }
    let again = cut(&host, Loss::Keep).open();
    assert_eq!(get(&again, "/f"), b"1000");
    assert_eq!(tree(&again).len(), 6);
}

#[test]
fn an_operation_that_cannot_be_journalled_changes_nothing() {
    let host = Host::new(1);
    let vault = host.create("a");
    put(&vault, "/f", b"1");
    let (before, context) = (tree(&vault), vault.read(|tree| tree.context().clone()));
    // Without a commit the journal fills up.
    let filled = (0..100_000).find_map(|n| {
        let bytes = noise(n, 500);
        vault.put_file(format!("/more{}", n % 7).as_bytes(), &bytes[..], attr()).err()
    });
    assert!(matches!(filled, Some(VaultError::Busy)));
    assert!(before.len() < tree(&vault).len());
    let full = (tree(&vault), vault.read(|tree| tree.context().clone()));
    assert_ne!(full.1, context);
    assert!(vault.put_file(b"/no", &b"x"[..], attr()).is_err());
    assert_eq!((tree(&vault), vault.read(|tree| tree.context().clone())), full);
    // A commit makes room.
    vault.commit().unwrap();
    put(&vault, "/yes", b"x");
    check(&vault);
    drop(vault);
    let again = cut(&host, Loss::Drop).open();
    assert_eq!(tree(&again).len(), full.0.len());
}

#[test]
fn a_disk_that_fails_takes_the_operation_back() {
    let host = Host::new(1);
    let vault = host.create("a");
    put(&vault, "/f", b"1");
    let before = (tree(&vault), vault.read(|tree| tree.context().clone()));
    host.disk.fail_at(host.disk.calls() + 1, nix::errno::Errno::EIO);
    let new = NewNode { attr: attr(), data: None };
    let failed = vault.edit(Origin::VAULT, |tree, draw| tree.create(&NodeId::ROOT, &name("d"), new, draw));
    assert!(failed.is_err());
    assert_eq!((tree(&vault), vault.read(|tree| tree.context().clone())), before);
    check(&vault);
}

#[test]
fn reading_a_journal_is_pure() {
    let host = Host::new(1);
    let vault = host.create("a");
    let node = put(&vault, "/f", b"0");
    let run = vault.begin_run(node, shown(&vault, &node));
    vault.log_extent(&run, 0, b"1", 5).unwrap();
    vault.sync().unwrap();
    let crashed = cut(&host, Loss::Drop);
    let disk = Arc::new(crashed.disk.clone());
    let (_, recovery) =
        Store::open_with(disk, crashed.keyring.clone(), crashed.ambient.clone(), options()).unwrap();
    let head = vault.head().context;
    let read = || Replay::read(&recovery.journal, &head, &JournalMark::default()).unwrap();
    assert_eq!(format!("{:?}", read()), format!("{:?}", read()));
    assert_eq!(read().operations.len(), 1);
    assert_eq!(read().leftover.len(), 1);
    // An account that says all of it has ended leaves nothing.
    let all = JournalMark { upto: read().last.0, live: vec![] };
    assert!(Replay::read(&recovery.journal, &head, &all).unwrap().is_empty());
}
