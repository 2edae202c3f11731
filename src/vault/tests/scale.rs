//! Large merges, with their times and peak memory: `scripts/soak merge-scale`. Two vaults on a real disk, in one
//! process; a peak is that of both together while one merges.
#![allow(clippy::disallowed_methods)]

use std::time::Duration;

use super::prune::carry_head;
use super::*;
use crate::store::disk::os::OsDisk;

const MANY: usize = 100_000;

struct Big {
    vault: Arc<Vault>,
    _folder: tempfile::TempDir,
}

fn big(joining: bool) -> Big {
    let folder = tempfile::tempdir().unwrap();
    let ambient = Ambient::host();
    let device = DeviceKey::generate(&*ambient.entropy);
    let keyring = Arc::new(Keyring::from_inviter(&FIRST.1.for_joiner(), device).unwrap());
    let public = keyring.device().public();
    let disk = Arc::new(OsDisk::new(folder.path()));
    let store = Store::create_with(disk, &FIRST.0, keyring, ambient.clone(), Options::default()).unwrap();
    let store = Arc::new(store);
    let vault = match joining {
        true => Vault::create_joining(store, public, ambient).unwrap(),
        false => Vault::create(store, public, "a", ambient).unwrap(),
    };
    Big { vault, _folder: folder }
}

fn edit<T>(vault: &Arc<Vault>, act: impl Fn(&mut Tree, Draw<'_>) -> Result<Outcome<T>>) -> T {
    loop {
        match vault.edit(Origin::VAULT, &act) {
            Err(VaultError::Busy) => drop(vault.commit().unwrap()),
            done => return done.unwrap(),
        }
    }
}

fn make(vault: &Arc<Vault>, dir: &NodeId, text: &str, data: Option<Data>) -> NodeId {
    let (name, new) = (name(text), NewNode { attr: attr(), data });
    edit(vault, |tree, draw| tree.create(dir, &name, new.clone(), draw))
}

fn status(key: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(key)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
}

/// `to` merges `from`, and how that went is told. The bytes are those of the structure that `to` lacked.
fn merge(what: &str, to: &Arc<Vault>, from: &Arc<Vault>) -> Duration {
    from.commit().unwrap();
    let head = from.offer().unwrap();
    let bytes = carry_head(from, to, &head);
    let _ = std::fs::write("/proc/self/clear_refs", "5");
    let before = status("VmRSS");
    let clock = Ambient::host().clock;
    let merged = merge_commit(to, Some(from.device()), head.commit).unwrap();
    let took = clock.monotonic();
    println!(
        "{what}: {:.2} s, {} nodes, {bytes} bytes of structure, peak {} MB (before: {before} MB)",
        took.as_secs_f64(),
        merged.head.count,
        status("VmHWM")
    );
    took
}

fn meet_big(a: &Arc<Vault>, b: &Arc<Vault>) {
    merge("  both meet", b, a);
    merge("  and back", a, b);
    assert_eq!(a.head().root, b.head().root);
}

#[test]
#[ignore = "takes long: scripts/soak merge-scale"]
fn diverged() {
    let (a, b) = (big(false), big(true));
    meet_big(&a.vault, &b.vault);
    for (who, vault) in [("a", &a.vault), ("b", &b.vault)] {
        let mut dir = NodeId::ROOT;
        for index in 0..MANY {
            if index % 100 == 0 {
                dir = make(vault, &NodeId::ROOT, &format!("{who}-{index}"), None);
            }
            make(vault, &dir, &format!("file-{index}"), Some(Data::inline(format!("{who} {index}"))));
        }
    }
    merge("100,000 new files on each side", &a.vault, &b.vault);
    assert_eq!(a.vault.conflicts().unwrap().len(), 0);
    meet_big(&a.vault, &b.vault);
}

#[test]
#[ignore = "takes long: scripts/soak merge-scale"]
fn moved_directories() {
    let (a, b) = (big(false), big(true));
    let [from, to, other] = ["from", "to", "other"].map(|it| make(&a.vault, &NodeId::ROOT, it, None));
    for index in 0..MANY {
        make(&a.vault, &from, &format!("d{index}"), None);
    }
    meet_big(&a.vault, &b.vault);
    for (vault, to, step) in [(&a.vault, to, 1), (&b.vault, other, 2)] {
        for index in (0..MANY).step_by(step) {
            let name = name(&format!("d{index}"));
            edit(vault, |tree, draw| tree.rename((&from, &name), (&to, &name), Replace::Allowed, None, draw));
        }
    }
    merge("100,000 moved directories against 50,000 moved elsewhere", &a.vault, &b.vault);
    meet_big(&a.vault, &b.vault);
}

#[test]
#[ignore = "takes long: scripts/soak merge-scale"]
fn renamed_directory() {
    let (a, b) = (big(false), big(true));
    let dir = make(&a.vault, &NodeId::ROOT, "before", None);
    for index in 0..MANY {
        make(&a.vault, &dir, &format!("file-{index}"), Some(Data::inline(index.to_string())));
    }
    meet_big(&a.vault, &b.vault);
    let old = a.vault.head();
    let (before, after) = (name("before"), name("after"));
    edit(&a.vault, |tree, draw| {
        tree.rename((&NodeId::ROOT, &before), (&NodeId::ROOT, &after), Replace::Allowed, None, draw)
    });
    let new = a.vault.commit().unwrap();
    let mut changed = 0;
    let count = |_: &[u8; 16], _: Option<&Arc<Node>>, _: Option<&Arc<Node>>| {
        changed += 1;
        Ok::<(), VaultError>(())
    };
    a.vault.forest().diff(&old.trie(), &new.trie(), count).unwrap();
    assert_eq!(changed, 1);
    let bytes = carry_head(&a.vault, &b.vault, &a.vault.offer().unwrap());
    assert!(bytes < 10 << 10, "{bytes} bytes");
    println!("a directory with 100,000 files renamed: 1 changed node, {bytes} bytes");
    merge("its merge", &b.vault, &a.vault);
}

#[test]
#[ignore = "takes long: scripts/soak merge-scale"]
fn both_imported() {
    let (a, b) = (big(false), big(true));
    for vault in [&a.vault, &b.vault] {
        let dir = make(vault, &NodeId::ROOT, "imported", None);
        for index in 0..10_000 {
            make(vault, &dir, &format!("file-{index}"), Some(Data::inline(format!("the same {index}"))));
        }
    }
    merge("the same 10,000 files imported on each side", &a.vault, &b.vault);
    assert_eq!(a.vault.conflicts().unwrap().len(), 0);
    let dir = dir(&a.vault, "/imported");
    assert_eq!(a.vault.list(&dir).unwrap().len(), 10_000);
    meet_big(&a.vault, &b.vault);
}
