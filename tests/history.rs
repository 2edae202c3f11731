//! The past of a vault: snapshots in the mount, and the commands that look at history and bring it back.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::Value;
use support::host::Host;
use support::{shell, tree};

/// A host with a mounted vault.
fn mounted(name: &'static str) -> Host {
    let host = Host::new(name);
    host.init();
    host.mount();
    host
}

/// Commits everything, and gives the commit.
fn commit(host: &Host) -> String {
    host.status()["commit"].as_str().unwrap().to_owned()
}

fn names(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn snapshots_are_whole_past_trees_that_nobody_can_change() {
    let host = mounted("past");
    let at = host.mountpoint();
    shell(
        &at,
        "mkdir -p d/e; echo one > d/e/f; ln -s f d/e/l; ln d/e/f d/hard; chmod 750 d; printf x > top
        head -c 3000000 /dev/urandom > big; truncate -s 20M sparse; setfattr -n user.a -v b top
        find . -type d -exec touch -d 2020-01-02 {} +",
    );
    let kept = host.path("kept");
    fs::create_dir(&kept).unwrap();
    shell(&at, &format!("cp -a --sparse=always . {}", kept.display()));
    let then = commit(&host);
    shell(&at, "echo two > d/e/f; mv d/e d/moved; rm top big; echo new > n");
    commit(&host);

    let snapshot = at.join(".bosr/snapshots").join(&then[..12]);
    shell(&kept, "chmod -R a-w .");
    tree::assert_same(&kept, &snapshot);
    assert_eq!(shell(&snapshot, "getfattr --only-values -n user.a top"), "b");
    assert_eq!(names(&snapshot.join("d")), names(&kept.join("d")));

    assert!(!names(&at).contains(".bosr"), "listings do not show it");
    let shown = ["conflicts", "snapshots", "status"].map(String::from);
    assert_eq!(names(&at.join(".bosr")), BTreeSet::from(shown));
    let listed = names(&at.join(".bosr/snapshots"));
    assert!(!listed.is_empty());
    for time in &listed {
        names(&at.join(".bosr/snapshots").join(time));
    }
    let latest = at.join(".bosr/snapshots").join(listed.last().unwrap());
    assert_eq!(fs::read_to_string(latest.join("n")).unwrap(), "new\n");
    assert!(!at.join(".bosr/snapshots/2001-02-03").exists(), "before the vault there was nothing");

    let folder = snapshot.display();
    for change in [
        format!("echo x > {folder}/d/e/f"),
        format!("rm {folder}/d/e/f"),
        format!("mv {folder}/d/e {folder}/x"),
        format!("mkdir {folder}/x"),
        format!("touch {folder}/d/e/f"),
        format!("ln {folder}/d/hard hard"),
        "mkdir .bosr".to_owned(),
        "mv n .bosr/snapshots/n".to_owned(),
        "rmdir .bosr".to_owned(),
    ] {
        let refused = shell(&at, &format!("if {change}; then echo done; fi 2>/dev/null"));
        assert_eq!(refused, "", "{change}");
    }
    assert_eq!(fs::read_to_string(at.join(".bosr/conflicts")).unwrap(), "[]\n");
    host.unmount();
    host.fsck();
}

/// What `bosr` prints as JSON.
fn json(host: &Host, arguments: &[&str]) -> Value {
    serde_json::from_str(&host.ok(&[arguments, &["--json"]].concat())).unwrap()
}

/// How `bosr` fails: its exit code and its one line.
fn fails(host: &Host, arguments: &[&str]) -> (i32, String) {
    let output = host.output(arguments);
    (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn a_file_is_followed_and_brought_back() {
    let host = mounted("desk");
    let at = host.mountpoint();
    shell(&at, "printf one > notes.txt");
    let first = commit(&host);
    shell(&at, "printf 'and two' > .saving; mv .saving notes.txt");
    let second = commit(&host);
    shell(&at, "mv notes.txt book.txt");
    let third = commit(&host);
    shell(&at, "rm book.txt");
    commit(&host);

    let log = json(&host, &["log", "book.txt"]);
    let log = log.as_array().unwrap();
    let told: Vec<_> =
        log.iter().map(|entry| (&entry["events"][0]["what"], &entry["events"][0]["size"])).collect();
    assert_eq!(
        told.iter().map(|(what, _)| what.as_str().unwrap()).collect::<Vec<_>>(),
        ["removed", "moved", "written", "created"]
    );
    assert_eq!(
        told.iter().map(|(_, size)| size.as_u64()).collect::<Vec<_>>(),
        [None, Some(7), Some(7), Some(3)]
    );
    assert!(log.iter().all(|entry| entry["device"] == "desk" && entry["time"].is_i64()), "{log:?}");
    assert_eq!(log[1]["events"][0]["from"], "/notes.txt");
    assert_eq!(log[3]["commit"], first.as_str());
    assert!(host.ok(&["log", "book.txt"]).contains("/notes.txt moved to /book.txt (7 B)"));

    let restored = json(&host, &["restore", "notes.txt", "--at", &first[..10]]);
    assert_eq!((&restored["created"], &restored["commit"]), (&1.into(), &first.as_str().into()));
    assert_eq!(fs::read_to_string(at.join("notes.txt")).unwrap(), "one");
    let replaced = json(&host, &["restore", "/notes.txt", "--at", &second]);
    assert_eq!(replaced["replaced"], 1);
    assert_eq!(fs::read_to_string(at.join("notes.txt")).unwrap(), "and two");
    host.ok(&["restore", "notes.txt", "--at", replaced["before"].as_str().unwrap(), "--to", "again.txt"]);
    assert_eq!(fs::read_to_string(at.join("again.txt")).unwrap(), "one");
    assert!(host.ok(&["restore", "notes.txt", "--at", "head"]).contains("1 as before already"));

    for (arguments, code, says) in [
        (&["restore", "never.txt", "--at", &first][..], 1, "/never.txt was not there in commit"),
        (&["restore", "notes.txt", "--at", "someday"], 2, "neither a commit nor a time"),
        (&["restore", "notes.txt", "--at", "0000000000"], 1, "no commit 0000000000"),
        (&["restore", "notes.txt", "--at", "20 years ago"], 1, "begins later"),
        (&["restore", "notes.txt", "--at", &first, "--to", "no/such/place"], 1, "no /no"),
        (&["log", "never.txt"], 1, "there is no /never.txt"),
        (&["diff", "someday"], 2, "neither a commit nor a time"),
        (&["merge", "--explain", &first], 1, "is no merge"),
    ] {
        let (exit, line) = fails(&host, arguments);
        assert!(
            exit == code && line.contains(says) && line.lines().count() == 1,
            "{arguments:?}: {exit} {line}"
        );
    }

    // The same without an owner.
    host.unmount();
    let moved = json(&host, &["diff", &first, &third]);
    let moved = &moved.as_array().unwrap()[0];
    assert_eq!((&moved["change"], &moved["from"]), (&"moved".into(), &"/notes.txt".into()));
    assert_eq!((&moved["path"], &moved["content_changed"]), (&"/book.txt".into(), &true.into()));
    let since = host.ok(&["diff", &third]);
    assert!(since.contains("removed         /book.txt  (7 B)"), "{since}");
    assert!(since.contains("added           /again.txt  (3 B)"), "{since}");
    assert_eq!(json(&host, &["log", "notes.txt"]).as_array().unwrap().len(), 5);
    host.fsck();
}

#[test]
fn a_directory_comes_back_whole() {
    let host = mounted("whole");
    let at = host.mountpoint();
    shell(
        &at,
        "mkdir -p top/d/e; cd top/d; echo f > e/f; ln e/f hard; ln -s e/f soft; chmod 750 e
        head -c 2000000 /dev/urandom > big; truncate -s 30M sparse; setfattr -n user.a -v b big
        touch -d 2001-02-03 e/f",
    );
    let kept = host.path("kept");
    fs::create_dir(&kept).unwrap();
    shell(&at, &format!("cp -a --sparse=always top/d/. {}", kept.display()));
    let then = commit(&host);
    shell(&at, "rm -r top");
    commit(&host);
    let restored = json(&host, &["restore", "top/d", "--at", &then]);
    assert_eq!((&restored["created"], &restored["left"]), (&8.into(), &0.into()), "{restored}");
    assert_same(&kept, &at.join("top/d"));
    assert_eq!(shell(&at, "getfattr --only-values -n user.a top/d/big"), "b");

    shell(&at, "cd top/d; echo changed > e/f; rm big; echo since > since; mkdir -p ../other");
    let again = json(&host, &["restore", "top/d", "--at", &then]);
    assert_eq!((&again["created"], &again["left"]), (&1.into(), &1.into()), "{again}");
    shell(&at, "rm top/d/since");
    assert_same(&kept, &at.join("top/d"));
    host.ok(&["restore", "top/d", "--at", &then, "--to", "top/other"]);
    assert_same(&kept, &at.join("top/other"));

    shell(&at, "rm -r top/d/e; echo 'in the way' > top/d/e");
    let (exit, line) = fails(&host, &["restore", "top/d", "--at", &then]);
    assert!(exit == 1 && line.contains("stands at /top/d/e"), "{line}");
    host.unmount();
    host.fsck();
}

/// As [`tree::assert_same`], but for the times of directories: when names in one changed is a device's own.
fn assert_same(a: &Path, b: &Path) {
    for folder in [a, b] {
        shell(folder, "find . -type d -exec touch -d 2020-01-02 {} +");
    }
    tree::assert_same(a, b);
}
