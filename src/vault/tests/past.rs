//! The past: following a path, comparing states, naming them, bringing them back.

use std::time::Duration;

use super::*;
use crate::vault::{Counts, Difference, Happened, RestoreError, Revision, RevisionError};

fn commit(vault: &Vault) -> CommitId {
    vault.commit().unwrap().commit
}

fn path(text: &str) -> Vec<Name> {
    text.split('/').filter(|part| !part.is_empty()).map(name).collect()
}

/// What happened to a path, a list for each commit, newest first.
fn story(vault: &Vault, at: &str) -> Vec<Vec<Happened>> {
    let traced = vault.trace(at.as_bytes(), 100).unwrap();
    traced.into_iter().map(|traced| traced.events.into_iter().map(|event| event.what).collect()).collect()
}

#[test]
fn a_file_is_followed_through_renames_and_slow_saves_and_beyond_its_end() {
    let vault = Host::new(1).create("anna");
    put(&vault, "/a", b"1");
    commit(&vault);
    put(&vault, "/a", b"22");
    commit(&vault);
    rename(&vault, "/a", "/b");
    commit(&vault);
    let old = dir(&vault, "/b");
    // A save so slow that a peer has seen the new file: a plain rename over the old one.
    put(&vault, "/b.tmp", b"333");
    commit(&vault);
    vault.offer().unwrap();
    rename(&vault, "/b.tmp", "/b");
    commit(&vault);
    assert_ne!(dir(&vault, "/b"), old, "another node has the name");
    unlink(&vault, "/b");
    commit(&vault);

    let (tmp, a) = (Happened::Moved(path("/b.tmp")), Happened::Moved(path("/a")));
    let made = || vec![Happened::Created];
    let expected = [vec![Happened::Removed], vec![tmp], made(), vec![a], vec![Happened::Written], made()];
    assert_eq!(story(&vault, "/b"), expected);
    let sizes: Vec<_> = vault.trace(b"/b", 100).unwrap().iter().map(|it| it.events[0].size).collect();
    assert_eq!(sizes, [None, Some(3), Some(3), Some(2), Some(2), Some(1)]);
    assert!(matches!(vault.trace(b"/never", 100), Err(VaultError::NotFound)));
}

#[test]
fn a_quick_save_keeps_the_node_and_a_removed_file_is_remembered_under_its_name() {
    let vault = Host::new(1).create("anna");
    put(&vault, "/f", b"1");
    commit(&vault);
    put(&vault, "/tmp", b"two");
    rename(&vault, "/tmp", "/f");
    commit(&vault);
    unlink(&vault, "/f");
    commit(&vault);
    put(&vault, "/f", b"another");
    commit(&vault);
    let what = [Happened::Created, Happened::Removed, Happened::Written, Happened::Created];
    assert_eq!(story(&vault, "/f"), what.map(|what| vec![what]));
}

#[test]
fn a_directory_tells_what_changed_below_it() {
    let vault = Host::new(1).create("anna");
    vault.make_directory(b"/d", 0o755, 1).unwrap();
    vault.make_directory(b"/d/e", 0o755, 1).unwrap();
    put(&vault, "/d/e/f", b"1");
    commit(&vault);
    put(&vault, "/d/e/f", b"2");
    put(&vault, "/d/e/g", b"2");
    put(&vault, "/elsewhere", b"2");
    commit(&vault);
    put(&vault, "/elsewhere", b"3");
    commit(&vault);
    rename(&vault, "/d", "/x");
    unlink(&vault, "/x/e/f");
    commit(&vault);
    let expected = [
        vec![Happened::Moved(path("/d")), Happened::Below(0, 0, 1)],
        vec![Happened::Below(1, 1, 0)],
        vec![Happened::Created, Happened::Below(2, 0, 0)],
    ];
    assert_eq!(story(&vault, "/x"), expected);
}

#[test]
fn states_are_named_by_commit_and_by_time() {
    let host = Host::new(1);
    let vault = host.create("anna");
    let minute = |minutes: u64| *host.clock.0.lock() = Duration::from_secs(60 * minutes);
    let mut commits = Vec::new();
    for minutes in [10, 20, 30] {
        minute(minutes);
        put(&vault, "/f", minutes.to_string().as_bytes());
        commits.push(commit(&vault));
    }
    let at = |minutes: i64| Revision::At(1_700_000_000_000_000_000 + minutes * 60_000_000_000);
    let found = |revision: Revision| vault.revision(&revision).unwrap();
    assert_eq!(found(Revision::Head), commits[2]);
    assert_eq!(found(at(30)), commits[2]);
    assert_eq!(found(at(29)), commits[1]);
    assert_eq!(found(at(10)), commits[0]);
    assert!(matches!(vault.revision(&at(-5)), Err(RevisionError::TooEarly)));
    let digits = commits[1].to_string();
    assert_eq!(found(Revision::Commit(digits[..12].to_owned())), commits[1]);
    let unknown = Revision::Commit("0".repeat(64));
    assert!(matches!(vault.revision(&unknown), Err(RevisionError::Unknown)));
    let every = Revision::Commit(String::new());
    assert!(matches!(vault.revision(&every), Err(RevisionError::Ambiguous(_))));
    for (commit, text) in commits.iter().zip([&b"10"[..], b"20", b"30"]) {
        let past = vault.past(commit).unwrap();
        let Entry::Node(node) = past.find(&path("/f")).unwrap() else { panic!() };
        assert_eq!(past.data(&node, None).unwrap(), Some(Data::inline(text)));
    }
}

fn differences(vault: &Vault, old: CommitId, new: CommitId) -> Vec<Difference> {
    vault.difference(&vault.past(&old).unwrap(), &vault.past(&new).unwrap()).unwrap()
}

/// Each difference as `how path`.
fn told(differences: &[Difference]) -> Vec<String> {
    let line = |it: &Difference| {
        let text = |path: &[Name]| path.iter().map(|name| format!("/{name}")).collect::<String>();
        let from = it.from.as_deref().map(|from| format!("{} -> ", text(from))).unwrap_or_default();
        format!("{:?} {from}{}", it.how, text(&it.path))
    };
    differences.iter().map(line).collect()
}

#[test]
fn states_differ_by_path() {
    let vault = Host::new(1).create("anna");
    for made in [&b"/d"[..], b"/d/e"] {
        vault.make_directory(made, 0o755, 1).unwrap();
    }
    for file in ["/same", "/written", "/gone", "/moved", "/d/e/in", "/d/e/also", "/both"] {
        put(&vault, file, file.as_bytes());
    }
    let old = commit(&vault);
    put(&vault, "/written", b"otherwise");
    unlink(&vault, "/gone");
    rename(&vault, "/moved", "/d/moved");
    rename(&vault, "/d", "/D");
    put(&vault, "/D/e/in", b"edited in a directory that moved");
    put(&vault, "/new", b"n");
    rename(&vault, "/both", "/renamed");
    put(&vault, "/renamed", b"and written");
    let same = dir(&vault, "/same");
    let mode = AttrPatch { mode: Some(0o600), ..AttrPatch::default() };
    vault.edit(Origin::VAULT, |tree, draw| tree.set_attr(&same, &mode, draw)).unwrap();
    let new = commit(&vault);
    let expected = [
        "Moved { changed: false } /d -> /D",
        "Content /d/e/in -> /D/e/in",
        "Moved { changed: false } /moved -> /D/moved",
        "Removed /gone",
        "Added /new",
        "Moved { changed: true } /both -> /renamed",
        "Attributes /same",
        "Content /written",
    ];
    assert_eq!(told(&differences(&vault, old, new)), expected);
    assert_eq!(told(&differences(&vault, new, new)), [""; 0]);
    let back = differences(&vault, new, old);
    assert_eq!(back.len(), expected.len());
    let written = back.iter().find(|it| it.path == path("/written")).unwrap();
    assert_eq!(written.sizes, (Some(9), Some(8)));
}

#[test]
fn a_conflict_is_a_difference() {
    let (a, b) = apart();
    let before = commit(&a);
    pull(&a, &b);
    let told = told(&differences(&a, before, a.head().commit));
    assert_eq!(told.iter().filter(|it| it.starts_with("Added /f.tombstone-")).count(), 1, "{told:?}");
}

/// Two hosts that wrote `/f.txt` apart.
fn apart() -> (Arc<Vault>, Arc<Vault>) {
    let (a, b) = (Host::new(1).create("anna"), Host::new(2).join());
    a.add_device("bert", b.device()).unwrap();
    put(&a, "/f.txt", b"base");
    pull(&b, &a);
    put(&a, "/f.txt", b"anna's");
    put(&b, "/f.txt", b"bert's");
    (a, b)
}

fn restored(vault: &Arc<Vault>, from: CommitId, at: &str, to: Option<&str>) -> Counts {
    vault.restore(&from, at.as_bytes(), to.map(str::as_bytes)).unwrap().counts
}

#[test]
fn a_restored_tree_is_as_it_was() {
    let vault = Host::new(1).create("anna");
    for made in [&b"/d"[..], b"/d/e"] {
        vault.make_directory(made, 0o750, 7).unwrap();
    }
    put(&vault, "/d/small", b"s");
    put(&vault, "/d/e/large", &noise(3, 700_000));
    let (e, small) = (dir(&vault, "/d/e"), dir(&vault, "/d/small"));
    vault.edit(Origin::VAULT, |tree, draw| tree.link(&small, &e, &name("hard"), draw)).unwrap();
    let link = NewNode { attr: attr(), data: Some(Data::Target(b"../small".to_vec())) };
    vault.edit(Origin::VAULT, |tree, draw| tree.create(&e, &name("soft"), link, draw)).unwrap();
    let before = commit(&vault);
    let was = tree_of(&vault, "/d");
    let large = vault.find(b"/d/e/large").unwrap().data;

    put(&vault, "/d/small", b"changed");
    for gone in ["/d/e/large", "/d/e/soft", "/d/e/hard"] {
        unlink(&vault, gone);
    }
    put(&vault, "/d/since", b"stays");
    let counts = restored(&vault, before, "/d", None);
    assert_eq!(counts, Counts { created: 3, replaced: 1, unchanged: 0, left: 1 });
    let mut now = tree_of(&vault, "/d");
    assert_eq!(now.remove("/since").unwrap().1, Some(Data::inline(b"stays".to_vec())));
    assert_eq!(now, was);
    assert_eq!(vault.find(b"/d/e/large").unwrap().data, large, "by reference");
    assert_eq!(dir(&vault, "/d/e/hard"), dir(&vault, "/d/small"), "hard links are hard links again");
    assert_eq!(restored(&vault, before, "/d", None), Counts { unchanged: 4, left: 1, ..Counts::default() });

    // Where nothing is left of it, with the directories above; and elsewhere.
    for gone in ["/d/e/large", "/d/e/soft", "/d/e/hard", "/d/small", "/d/since"] {
        unlink(&vault, gone);
    }
    for (parent, last) in [("/d", "e"), ("", "d")] {
        let parent = dir(&vault, parent);
        vault.edit(Origin::VAULT, |tree, draw| tree.rmdir(&parent, &name(last), draw)).unwrap();
    }
    assert_eq!(restored(&vault, before, "/d/e/large", None).created, 3);
    assert_eq!(vault.find(b"/d").unwrap().attr.mode, 0o750);
    restored(&vault, before, "/d", Some("/elsewhere"));
    assert_eq!(tree_of(&vault, "/elsewhere"), was);
    restored(&vault, before, "/d/small", Some("/d/e/"));
    assert_eq!(get(&vault, "/d/e/small"), b"s");
    commit(&vault);
    check(&vault);
}

/// What is below a directory: mode and time, and what it holds.
fn tree_of(vault: &Arc<Vault>, at: &str) -> BTreeMap<String, ((u32, i64), Option<Data>)> {
    let mut all = BTreeMap::new();
    let mut todo = vec![String::new()];
    while let Some(path) = todo.pop() {
        let found = vault.find(format!("{at}{path}").as_bytes()).unwrap();
        if found.kind == Kind::Directory {
            let listed = vault.list(&found.node()).unwrap();
            todo.extend(listed.iter().map(|(listed, _)| format!("{path}/{}", listed.name)));
        }
        all.insert(path, ((found.attr.mode, found.attr.mtime), found.data));
    }
    all
}

#[test]
fn what_cannot_be_restored_whole_changes_nothing() {
    let vault = Host::new(1).create("anna");
    vault.make_directory(b"/d", 0o755, 1).unwrap();
    put(&vault, "/d/a", b"1");
    put(&vault, "/d/x", b"file");
    let before = commit(&vault);
    put(&vault, "/d/a", b"2");
    unlink(&vault, "/d/x");
    vault.make_directory(b"/d/x", 0o755, 1).unwrap();
    let now = tree_of_names(&vault);
    let error = vault.restore(&before, b"/d", None).unwrap_err();
    assert!(matches!(&error, RestoreError::InTheWay(at) if *at == path("/d/x")), "{error:?}");
    let error = vault.restore(&before, b"/d/none", None).unwrap_err();
    assert!(matches!(error, RestoreError::NotThen(..)), "{error:?}");
    let error = vault.restore(&before, b"/d/a", Some(b"/no/such/place")).unwrap_err();
    assert!(matches!(error, RestoreError::Place(..)), "{error:?}");
    assert_eq!(tree_of_names(&vault), now);
    assert_eq!(get(&vault, "/d/a"), b"2");
}

fn tree_of_names(vault: &Arc<Vault>) -> Vec<String> {
    let mut names = Vec::new();
    for (listed, found) in vault.list(&dir(vault, "/d")).unwrap() {
        names.push(format!("{} {:?}", listed.name, found.kind));
    }
    names
}

#[test]
fn restoring_one_of_two_hard_links_leaves_the_other_alone() {
    let vault = Host::new(1).create("anna");
    put(&vault, "/f", b"past");
    let before = commit(&vault);
    unlink(&vault, "/f");
    let other = put(&vault, "/g", b"present");
    vault.edit(Origin::VAULT, |tree, draw| tree.link(&other, &NodeId::ROOT, &name("f"), draw)).unwrap();
    assert_eq!(restored(&vault, before, "/f", None).replaced, 1);
    assert_eq!((get(&vault, "/f"), get(&vault, "/g")), (b"past".to_vec(), b"present".to_vec()));
}

#[test]
fn a_content_that_is_not_here_is_not_restored() {
    let (a, b) = (Host::new(1).create("anna"), Host::new(2).join());
    a.add_device("bert", b.device()).unwrap();
    put(&a, "/f", &noise(1, 300_000));
    let before = commit(&a);
    pull_with(&b, &a, false);
    unlink(&b, "/f");
    let error = b.restore(&before, b"/f", None).unwrap_err();
    assert!(matches!(error, RestoreError::NotHere(_)), "{error:?}");
}
