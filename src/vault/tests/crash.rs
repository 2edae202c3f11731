//! A fixed workload, cut off at every call of the disk, with what was not synced dropped, kept, torn and
//! reordered: everything synced is there, the names are as after a prefix of the operations, each file is as
//! after a prefix of its requests.

use super::*;
use crate::store::disk::fault::Loss;

/// What the vault may show: the names after each operation, the bytes of each file after each request.
#[derive(Default)]
struct Record {
    /// Path to file (or `None` for a directory), after each operation.
    names: Vec<BTreeMap<String, Option<usize>>>,
    files: Vec<Vec<Vec<u8>>>,
    /// How much of both was synced.
    synced_names: usize,
    synced_files: Vec<usize>,
}

impl Record {
    /// An operation is about to be tried: it may survive even if it reports a failure.
    fn names(&mut self, change: impl FnOnce(&mut BTreeMap<String, Option<usize>>)) {
        let mut names = self.names.last().cloned().unwrap_or_default();
        change(&mut names);
        self.names.push(names);
    }

    fn place(&mut self, path: &str, file: Option<usize>) {
        self.names(|names| {
            names.insert(path.to_owned(), file);
        });
    }

    fn remove(&mut self, path: &str) {
        self.names(|names| {
            names.remove(path);
        });
    }

    fn file(&mut self, bytes: &[u8]) -> usize {
        self.files.push(vec![bytes.to_vec()]);
        self.files.len() - 1
    }

    fn write(&mut self, file: usize, bytes: &[u8]) {
        self.files[file].push(bytes.to_vec());
    }

    fn synced(&mut self) {
        self.synced_names = self.names.len() - 1;
        self.synced_files = self.files.iter().map(|requests| requests.len() - 1).collect();
    }

    /// That the vault shows an allowed state.
    fn expect(&self, vault: &Arc<Vault>, what: &str) {
        let shown = tree(vault);
        let paths: Vec<(&String, bool)> = shown.iter().map(|(path, it)| (path, it.is_some())).collect();
        let fits = |names: &&BTreeMap<String, Option<usize>>| {
            let expected: Vec<_> = names.iter().map(|(path, it)| (path, it.is_some())).collect();
            expected == paths
        };
        let possible: Vec<_> = self.names[self.synced_names..].iter().filter(fits).collect();
        assert!(!possible.is_empty(), "{what}: names {paths:?}, synced {:?}", self.names[self.synced_names]);
        let whole = |names: &&BTreeMap<String, Option<usize>>| {
            shown.iter().all(|(path, bytes)| {
                let (Some(bytes), Some(Some(file))) = (bytes, names.get(path)) else { return true };
                let from = self.synced_files.get(*file).copied().unwrap_or(0);
                self.files[*file][from..].contains(bytes)
            })
        };
        assert!(possible.iter().any(whole), "{what}: a file shows what it never was");
    }
}

fn shown(vault: &Vault, node: &NodeId) -> Result<Shown> {
    Ok(vault.read(|tree| vault.content_shown(tree, node))?.unwrap())
}

/// The workload. Ends with the first failure.
fn work(vault: &Arc<Vault>, peer: &Arc<Vault>, record: &mut Record) -> Result<()> {
    let new = |data| NewNode { attr: attr(), data };
    record.names(|_| {});
    let a = record.file(b"first");
    record.place("/a", Some(a));
    let node = vault.put_file(b"/a", &b"first"[..], attr())?;
    record.place("/d", None);
    vault.make_directory(b"/d", 0o755, 1)?;

    // Dirty data, synced in the middle.
    let first = vault.begin_run(node, shown(vault, &node)?);
    record.write(a, b"FIRst");
    vault.log_extent(&first, 0, b"FIR", 5)?;
    vault.sync()?;
    record.synced();
    record.write(a, b"FIRst and more");
    vault.log_extent(&first, 5, b" and more", 6)?;
    record.write(a, b"FIRst an");
    vault.log_truncate(&first, 8, 7)?;

    // Written to while it is folded.
    let second = vault.follow_run(&first);
    record.write(a, b"FIRst AN");
    vault.log_extent(&second, 6, b"AN", 8)?;
    let content = vault.contents().write(&b"FIRst an"[..])?;
    vault.fold(Origin::VAULT, &first, content, 7, |_| {})?;
    vault.commit()?;
    let big = noise(5, 70_000);
    record.write(a, &big);
    let content = vault.contents().write(&big[..])?;
    vault.log_working(&second, &content, 9)?;
    vault.sync()?;
    record.synced();
    vault.fold(Origin::VAULT, &second, content, 9, |_| {})?;

    // The view's index goes from commit to commit.
    vault.store_view(0)?;

    // Names.
    let root = NodeId::ROOT;
    let d = vault.find(b"/d")?.node();
    record.names(|names| {
        let file = names.remove("/a").unwrap();
        names.insert("/d/b".to_owned(), file);
    });
    vault.edit(Origin::VAULT, |tree, draw| {
        tree.rename((&root, &name("a")), (&d, &name("b")), Replace::Allowed, None, draw)
    })?;
    let c = record.file(b"c");
    record.place("/c", Some(c));
    let data = Some(Data::Content(Content::Inline(b"c".to_vec())));
    vault.edit(Origin::VAULT, |tree, draw| tree.create(&root, &name("c"), new(data), draw))?;

    // A peer's state; made durable by the merge, with all before it.
    let theirs = record.file(&noise(9, 5_000));
    carry_all(peer, vault)?;
    record.place("/peer", Some(theirs));
    merge_commit(vault, Some(peer.device()), peer.head().commit)?;
    record.synced();

    record.remove("/c");
    vault.edit(Origin::VAULT, |tree, draw| tree.unlink(&root, &name("c"), draw))?;
    vault.store_view(0)?;
    vault.commit()?;
    record.synced();
    record.remove("/peer");
    vault.edit(Origin::VAULT, |tree, draw| tree.unlink(&root, &name("peer"), draw))?;
    let last = vault.begin_run(node, shown(vault, &node)?);
    let mut bytes = big;
    for n in 0..3 {
        bytes[n * 10] = b'!';
        record.write(a, &bytes);
        vault.log_extent(&last, n as u64 * 10, b"!", 10)?;
    }
    vault.sync()?;
    record.synced();

    // Many writes at once, their bytes put away; then one more.
    let mut edits = Extents::new();
    for n in 0..3 {
        bytes[n * 20_000..][..2].copy_from_slice(b"??");
        edits.insert(n as u64 * 20_000, b"??");
    }
    bytes.truncate(65_000);
    record.write(a, &bytes);
    vault.log_packed(&last, &vault.contents().pack(&edits)?, 65_000, 11)?;
    bytes[1] = b'.';
    record.write(a, &bytes);
    vault.log_extent(&last, 1, b".", 12)?;
    vault.sync()?;
    record.synced();
    restated(vault, record, (a, &last, bytes))
}

/// A run that is being folded and one that follows it are journalled anew, until nothing of what the journal said of
/// them before is left; then both are folded.
fn restated(
    vault: &Arc<Vault>,
    record: &mut Record,
    (a, first, mut bytes): (usize, &DirtyRun, Vec<u8>),
) -> Result<()> {
    let pack = |places: &[(u64, &[u8])]| {
        let mut edits = Extents::new();
        places.iter().for_each(|(at, bytes)| edits.insert(*at, bytes));
        vault.contents().pack(&edits)
    };
    let folded = bytes.clone();
    let second = vault.follow_run(first);
    bytes[5] = b'5';
    record.write(a, &bytes);
    vault.log_extent(&second, 5, b"5", 13)?;
    for n in 0..8u8 {
        bytes[100..20_100].copy_from_slice(&noise(n.into(), 20_000));
        record.write(a, &bytes);
        vault.log_extent(&second, 100, &bytes[100..20_100], 13)?;
        let of_first = pack(&[(0, &folded[..30]), (20_000, b"??"), (40_000, b"??")])?;
        vault.restate(first, None, &of_first, 65_000, 12)?;
        bytes[6] = n;
        record.write(a, &bytes);
        let of_second = pack(&[(5, &[b'5', n]), (100, &bytes[100..20_100])])?;
        vault.restate(&second, None, &of_second, 65_000, 13)?;
        vault.sync()?;
        record.synced();
        let path = format!("/d/{n}");
        let small = record.file(&noise(n.into(), 900));
        record.place(&path, Some(small));
        vault.put_file(path.as_bytes(), &noise(n.into(), 900)[..], attr())?;
        vault.commit()?;
        record.synced();
    }
    let content = vault.contents().write(&folded[..])?;
    vault.fold(Origin::VAULT, first, content, 12, |_| {})?;
    let content = vault.contents().write(&bytes[..])?;
    let of_second = pack(&[(5, &bytes[5..7]), (100, &bytes[100..20_100])])?;
    vault.restate(&second, Some(&content), &of_second, 65_000, 14)?;
    vault.commit()?;
    vault.fold(Origin::VAULT, &second, content, 14, |_| {})?;
    vault.sync()?;
    record.synced();
    Ok(())
}

/// As `carry_commit`, failing instead of panicking when the power is off.
fn carry_all(from: &Vault, to: &Vault) -> Result<()> {
    for commit in from.ancestors(from.head().commit)? {
        let (id, commit) = commit?;
        to.store().put(ObjectKind::Commit, &from.store().fetch(&id.0)?)?;
        let mut todo: Vec<Child> = Child::root(&commit.trie()).into_iter().collect();
        while let Some(child) = todo.pop() {
            let bytes = from.store().fetch(&child.id)?;
            to.store().put(ObjectKind::Trie, &bytes)?;
            let below = inspect::<NodeCodec>(&child, &bytes).unwrap();
            for (id, kind) in below.references {
                to.store().put(kind, &from.store().fetch(&id)?)?;
            }
            todo.extend(below.children);
        }
    }
    Ok(())
}

fn a_peer() -> Arc<Vault> {
    let peer = Host::new(77).join();
    put(&peer, "/peer", &noise(9, 5_000));
    peer.commit().unwrap();
    peer
}

/// Runs the workload on a fresh host whose disk is cut at the `n`-th call after the vault was made.
fn run(peer: &Arc<Vault>, n: Option<u64>) -> (Host, Record, u64) {
    let host = Host::new(1);
    let vault = host.create("a");
    let before = host.disk.calls();
    if let Some(n) = n {
        host.disk.cut_at(before + n);
    }
    let mut record = Record::default();
    let done = work(&vault, peer, &mut record);
    assert!(n.is_some() || done.is_ok(), "{done:?}");
    let calls = host.disk.calls() - before;
    (host, record, calls)
}

#[test]
fn every_cut_leaves_everything_synced_and_a_prefix_of_the_rest() {
    let peer = a_peer();
    let (host, record, calls) = run(&peer, None);
    record.expect(&host.open(), "no cut");
    assert!(calls > 30, "the workload makes {calls} calls only");
    for n in 1..=calls {
        let (host, record, _) = run(&peer, Some(n));
        for loss in Loss::ALL {
            let what = format!("cut at {n} of {calls}, {loss:?}");
            let crashed = host.on(host.disk.after_power_cut(loss, n));
            let vault = crashed.open();
            record.expect(&vault, &what);
            check(&vault);
            let shown = tree(&vault);
            drop(vault);
            // What was put back is durable: another crash changes nothing.
            let again = crashed.on(crashed.disk.after_power_cut(Loss::Drop, n)).open();
            assert_eq!(tree(&again), shown, "{what}, then again");
        }
    }
}

#[test]
fn a_full_disk_refuses_what_it_cannot_keep_and_opens_again() {
    let host = Host::new(1);
    let vault = host.create("a");
    put(&vault, "/kept", &noise(1, 50_000));
    vault.commit().unwrap();
    host.disk.limit(Some(host.disk.used() + 200_000));
    let refused = (0..200).find_map(|n| {
        let put = vault.put_file(format!("/{n}").as_bytes(), &noise(n + 2, 30_000)[..], attr());
        put.map(drop).and_then(|()| vault.commit().map(drop)).err()
    });
    assert!(matches!(refused, Some(VaultError::Full)), "{refused:?}");
    assert_eq!(get(&vault, "/kept"), noise(1, 50_000));
    unlink(&vault, "/0");
    vault.sync().unwrap();
    let shown = tree(&vault);
    drop(vault);
    let again = host.on(host.disk.after_power_cut(Loss::Drop, 1)).open();
    assert_eq!(tree(&again), shown);
}
