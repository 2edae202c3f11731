//! Local operations at the moments of a merge that matter, one by one.

use std::sync::atomic::{AtomicBool, Ordering};

use super::*;
use crate::merge::commit::{differences, join_touched, stage};

/// Two hosts with `/f` and `/g` in common and `more` files that only `a` has; then `a` writes to both.
fn two(more: usize) -> (Arc<Vault>, Arc<Vault>) {
    let (a, b) = (Host::new(1).create("a"), Host::new(2).join());
    put(&a, "/f", b"f");
    put(&a, "/g", b"g");
    pull(&b, &a);
    a.make_directory(b"/d", 0o755, 1).unwrap();
    for n in 0..more {
        if n % 100 == 0 {
            a.commit().unwrap();
        }
        put(&a, &format!("/d/{n}"), b"x");
    }
    put(&a, "/f", b"f of a");
    put(&a, "/g", b"g of a");
    a.commit().unwrap();
    carry_commit(&a, &b, a.offer().unwrap().commit, true);
    (a, b)
}

/// `b` merges `a`, writing `/f` when the merge is worked out, and `/g` while it is brought in.
fn merge_between(a: &Arc<Vault>, b: &Arc<Vault>) {
    let remote = a.head().commit;
    let publishing = b.publishing();
    let local = publishing.commit().unwrap();
    let theirs = b.load_commit(&remote).unwrap();
    let differences = differences(b, &local, &theirs).unwrap();
    let staged = stage(b, &publishing, &local, theirs, remote, differences).unwrap();
    let is_staged = staged.changes.len() >= 1000;
    put(b, "/f", b"f of b");
    let first = AtomicBool::new(true);
    let join = |own: (NodeState, &Context), theirs: (NodeState, &Context)| {
        // A small merge joins under the lock, where nobody else may write.
        if is_staged && first.swap(false, Ordering::SeqCst) {
            put(b, "/g", b"g of b");
        }
        join_touched(own, theirs)
    };
    publishing.take_over(&local, staged, &join).unwrap();
    assert_eq!(first.load(Ordering::SeqCst), !is_staged);
}

fn contents(vault: &Arc<Vault>) -> Vec<Vec<u8>> {
    tree(vault).into_values().flatten().filter(|bytes| bytes != b"x").collect()
}

#[test]
fn a_write_between_commit_and_merge_stands_beside_the_peers() {
    let (a, b) = two(0);
    merge_between(&a, &b);
    check(&b);
    let mut all = contents(&b);
    all.sort();
    assert_eq!(all, [&b"f of a"[..], b"f of b", b"g of a"]);
    meet(&a, &b);
}

#[test]
fn a_staged_merge_takes_in_writes_before_and_after_its_copy() {
    let (a, b) = two(1_000);
    merge_between(&a, &b);
    check(&b);
    let mut all = contents(&b);
    all.sort();
    assert_eq!(all, [&b"f of a"[..], b"f of b", b"g of a", b"g of b"]);
    meet(&a, &b);
}

#[test]
fn closing_leaves_nothing_to_put_back() {
    let host = Host::new(1);
    let vault = host.create("a");
    put(&vault, "/f", b"1");
    vault.close().unwrap();
    drop(vault);
    let (vault, report) = host.try_open(Life::Same).unwrap();
    assert_eq!((report.operations, report.folded), (0, 0));
    assert_eq!(get(&vault, "/f"), b"1");
}
