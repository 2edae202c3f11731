//! The order in which absent content is asked for.

use super::*;

/// The lengths of the files that wait, in the order in which they are asked for: each has one chunk.
fn lengths(vault: &Vault) -> Vec<u64> {
    vault.missing(None, usize::MAX).iter().map(|absent| absent.len).collect()
}

fn priorities(first: &[&str], last: &[&str]) -> Priorities {
    let mut all = Priorities::default();
    first.iter().for_each(|path| assert_eq!(all.put(path, Rank::First), Ok(None)));
    last.iter().for_each(|path| assert_eq!(all.put(path, Rank::Last), Ok(None)));
    all
}

/// A vault with files of as many bytes as their places have points in the order below, and one that lacks them.
fn apart() -> (Arc<Vault>, Host, Arc<Vault>) {
    let (a, host) = (Host::new(1).create("a"), Host::new(2));
    let b = host.join();
    for dir in [&b"/photos"[..], b"/photos/raw", b"/films"] {
        a.make_directory(dir, 0o755, 5).unwrap();
    }
    for (path, len) in
        [("/films/f", 1000), ("/photos/raw/r", 2000), ("/letter", 3000), ("/book", 4000), ("/photos/p", 5000)]
    {
        put(&a, path, &noise(len as u64, len));
    }
    (a, host, b)
}

#[test]
fn what_is_first_is_asked_for_before_the_rest_and_what_is_last_behind_it() {
    let (a, host, b) = apart();
    b.set_priorities(priorities(&["photos"], &["/films/", "photos/raw"]));
    pull_with(&b, &a, false);
    assert_eq!(lengths(&b), [5000, 3000, 4000, 1000, 2000]);

    // Page by page, too.
    let mut paged = Vec::new();
    while let [one] = b.missing(paged.last(), 1).as_slice() {
        paged.push(*one);
    }
    assert_eq!(paged, b.missing(None, usize::MAX));

    // Without them small files come before large ones.
    b.set_priorities(Priorities::default());
    assert_eq!(lengths(&b), [1000, 2000, 3000, 4000, 5000]);

    // They hold for what waited when the vault was closed.
    drop(b);
    let b = host.open();
    b.set_priorities(priorities(&["book"], &[]));
    assert_eq!(lengths(&b), [4000, 1000, 2000, 3000, 5000]);
    assert!(b.has_priorities());
}

#[test]
fn a_file_that_is_renamed_has_the_rank_of_its_new_place() {
    let (a, _host, b) = apart();
    b.set_priorities(priorities(&["photos"], &["films"]));
    pull_with(&b, &a, false);
    assert_eq!(lengths(&b), [2000, 5000, 3000, 4000, 1000]);
    rename(&b, "/letter", "/photos/letter");
    assert_eq!(lengths(&b), [2000, 3000, 5000, 4000, 1000], "by this device");
    rename(&a, "/photos/p", "/films/p");
    pull_with(&b, &a, false);
    assert_eq!(lengths(&b), [2000, 3000, 4000, 1000, 5000], "by another");
    check(&b);
}

#[test]
fn an_arrival_leaves_the_others_in_their_turns() {
    let (a, _host, b) = apart();
    b.set_priorities(priorities(&["photos"], &["films"]));
    pull_with(&b, &a, false);
    for left in (0..5).rev() {
        let next = missing(&b)[0];
        carry(&a, &b, ObjectKind::Chunk, &next);
        b.arrived(&[next]).unwrap();
        assert_eq!(lengths(&b), [2000, 5000, 3000, 4000, 1000][5 - left..]);
    }
    assert_eq!(b.waiting(), WaitingNumbers::default());
    assert_eq!(tree(&a), tree(&b));
}
