//! The past of a vault: snapshots in the mount, and the commands that look at history and bring it back.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

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
        head -c 3000000 /dev/urandom > big; truncate -s 20M sparse; setfattr -n user.a -v b top",
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
    assert_eq!(names(&at.join(".bosr")), BTreeSet::from(["conflicts".into(), "snapshots".into()]));
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
