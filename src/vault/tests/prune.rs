//! Forgetting what everybody knows to be dead, and nothing else.

use super::*;
use crate::vault::background::{Fold, FoldSource};

/// Runs an operation, committing where the small journal of the tests is full.
fn edit<T>(vault: &Arc<Vault>, act: impl Fn(&mut Tree, Draw<'_>) -> Result<Outcome<T>>) -> T {
    loop {
        match vault.edit(Origin::VAULT, &act) {
            Err(VaultError::Busy) => drop(vault.commit().unwrap()),
            done => return done.unwrap(),
        }
    }
}

/// Copies the structure of a head that `to` lacks, without the history below it; how many bytes that were.
pub(super) fn carry_head(from: &Vault, to: &Vault, head: &Head) -> u64 {
    carry(from, to, ObjectKind::Commit, &head.commit.0);
    let mut bytes = from.store().sealed(&head.commit.0).unwrap().body.len() as u64;
    let mut todo: Vec<Child> = Child::root(&head.trie()).into_iter().collect();
    while let Some(child) = todo.pop() {
        if to.store().contains(&child.id).unwrap() {
            continue;
        }
        carry(from, to, ObjectKind::Trie, &child.id);
        bytes += from.store().sealed(&child.id).unwrap().body.len() as u64;
        let plain = from.store().fetch(&child.id).unwrap();
        todo.extend(inspect::<NodeCodec>(&child, &plain).unwrap().children);
    }
    bytes
}

/// `to` merges the head of `from`; the history below it stays where it is.
fn pull_head(to: &Arc<Vault>, from: &Arc<Vault>) {
    from.commit().unwrap();
    let head = from.offer().unwrap();
    carry_head(from, to, &head);
    merge_commit(to, Some(from.device()), head.commit).unwrap();
}

fn meet_heads(a: &Arc<Vault>, b: &Arc<Vault>) {
    pull_head(b, a);
    pull_head(a, b);
    assert_eq!(a.head().root, b.head().root);
}

/// A vault of two, both listed.
fn two() -> (Arc<Vault>, Arc<Vault>) {
    let (a, b) = (Host::new(1).create("a"), Host::new(2).join());
    a.add_device("b", b.device()).unwrap();
    meet_heads(&a, &b);
    (a, b)
}

#[test]
fn twenty_thousand_files_made_and_removed_leave_nothing() {
    let (a, b) = two();
    let before = a.head().count;
    let new = NewNode { attr: attr(), data: Some(Data::inline("x")) };
    let names: Vec<Name> = (0..20_000).map(|index| name(&format!("f{index}"))).collect();
    for name in &names {
        edit(&a, |tree, draw| tree.create(&NodeId::ROOT, name, new.clone(), draw));
    }
    meet_heads(&a, &b);
    assert_eq!(b.head().count, before + 20_000);
    for name in &names {
        edit(&b, |tree, draw| tree.unlink(&NodeId::ROOT, name, draw));
    }
    assert_eq!(b.prune().unwrap(), 0, "nobody else knows yet");
    meet_heads(&a, &b);
    assert_eq!(b.prune().unwrap(), 0, "it has not heard that the other knows");
    assert_eq!(a.prune().unwrap(), 20_000);
    meet_heads(&a, &b);
    assert_eq!([a.head().count, b.head().count], [before; 2]);
    assert_eq!(a.prune().unwrap(), 0);
    assert!(a.read(|tree| tree.view().marks().nameless.is_empty()));
    check(&a);
}

#[test]
fn a_device_away_for_years_brings_nothing_back() {
    let (a, b) = two();
    let away = Host::new(3);
    let c = away.join();
    a.add_device("c", c.device()).unwrap();
    put(&a, "/doomed", b"1");
    put(&a, "/edited", b"1");
    meet_heads(&a, &b);
    meet_heads(&a, &c);
    meet_heads(&b, &c);
    put(&c, "/edited", b"2");
    c.commit().unwrap();
    let backup = away.on(away.disk.after_power_cut(crate::store::disk::fault::Loss::Keep, 0));

    // While it is away nothing is forgotten, however often the others meet.
    for vanished in ["/doomed", "/edited"] {
        unlink(&a, vanished);
    }
    for _ in 0..3 {
        meet_heads(&a, &b);
        assert_eq!((a.prune().unwrap(), b.prune().unwrap()), (0, 0));
    }
    // It comes back: what it edited lives, what it only had does not.
    meet(&a, &c);
    meet(&a, &b);
    let all = tree(&a);
    assert_eq!(all.keys().collect::<Vec<_>>(), ["/edited"]);
    meet_heads(&b, &c);
    assert_eq!(a.prune().unwrap(), 1);
    unlink(&a, "/edited");
    for (one, other) in [(&a, &b), (&a, &c), (&b, &c), (&a, &b), (&a, &c)] {
        meet_heads(one, other);
    }
    assert_eq!(a.prune().unwrap(), 1);
    meet_heads(&a, &b);

    // A copy of it from that time, in which all of it lives, still brings nothing back.
    drop(c);
    let (c, _) = backup.try_open(Life::New).unwrap();
    assert_eq!(tree(&c).len(), 2);
    meet(&a, &c);
    assert!(tree(&a).is_empty(), "{:?}", tree(&a));
}

#[test]
fn what_a_restored_copy_does_to_a_pruned_file_is_kept() {
    let (host, a) = (Host::new(2), Host::new(1).create("a"));
    let b = host.join();
    a.add_device("b", b.device()).unwrap();
    put(&a, "/f", b"1");
    a.make_directory(b"/d", 0o750, 5).unwrap();
    put(&a, "/d/g", b"1");
    meet_heads(&a, &b);
    let backup = host.on(host.disk.after_power_cut(crate::store::disk::fault::Loss::Keep, 0));
    unlink(&a, "/f");
    unlink(&a, "/d/g");
    edit(&a, |tree, draw| tree.rmdir(&NodeId::ROOT, &name("d"), draw));
    meet_heads(&a, &b);
    assert_eq!(a.prune().unwrap(), 3);
    for first_to_merge in [true, false] {
        let backup = backup.on(backup.disk.after_power_cut(crate::store::disk::fault::Loss::Keep, 0));
        let (b, _) = backup.try_open(Life::New).unwrap();
        put(&b, "/f", b"2");
        rename(&b, "/d/g", "/d/h");
        if first_to_merge {
            pull(&b, &a);
        }
        meet(&a, &b);
        let all = tree(&a);
        assert_eq!(all.get("/f"), Some(&Some(b"2".to_vec())), "{all:?}");
        assert_eq!(all.get("/d/h"), Some(&Some(b"1".to_vec())), "{all:?}");
        assert_eq!(all.len(), 3, "{all:?}");
        unlink(&a, "/f");
        unlink(&a, "/d/h");
        edit(&a, |tree, draw| tree.rmdir(&NodeId::ROOT, &name("d"), draw));
        meet_heads(&a, &b);
        assert_eq!(a.prune().unwrap(), 3);
    }
}

#[test]
fn a_revoked_device_is_not_waited_for() {
    let (a, b) = two();
    let c = Host::new(3).join();
    a.add_device("c", c.device()).unwrap();
    put(&a, "/f", b"1");
    meet_heads(&a, &b);
    unlink(&a, "/f");
    meet_heads(&a, &b);
    assert_eq!(a.prune().unwrap(), 0);
    a.revoke_device(&c.device()).unwrap();
    assert_eq!(a.prune().unwrap(), 1);
}

/// Has one file open.
struct Open(NodeId);

impl FoldSource for Open {
    fn fold(&self, _: Fold) -> Result<()> {
        Ok(())
    }

    fn open(&self) -> Vec<NodeId> {
        vec![self.0]
    }
}

#[test]
fn an_open_file_is_kept_and_pruning_comes_by_the_clock() {
    let (host, b) = (Host::new(1), Host::new(2).join());
    let a = host.create("a");
    a.add_device("b", b.device()).unwrap();
    let node = put(&a, "/f", b"1");
    meet_heads(&a, &b);
    unlink(&b, "/f");
    a.set_fold_source(Some(Arc::new(Open(node))));
    meet_heads(&a, &b);
    let dead = a.head().count;
    *host.clock.0.lock() += std::time::Duration::from_secs(60);
    a.prune_if_due().unwrap();
    assert_eq!(a.commit().unwrap().count, dead, "it is open");
    a.set_fold_source(None);
    a.prune_if_due().unwrap();
    assert_eq!(a.commit().unwrap().count, dead, "not due again before there is news");
    put(&b, "/g", b"2");
    meet_heads(&a, &b);
    a.prune_if_due().unwrap();
    assert_eq!(a.commit().unwrap().count, dead + 1);
    *host.clock.0.lock() += std::time::Duration::from_secs(60);
    a.prune_if_due().unwrap();
    assert_eq!(a.commit().unwrap().count, dead);
}
