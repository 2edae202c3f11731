//! Two devices that worked apart: both trees end up the same, and nothing anybody wrote is missing.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use support::host::{Host, Running};
use support::link::Link;
use support::{shell, until};

const DEADLINE: Duration = Duration::from_secs(30);

fn texts(folder: &Path) -> BTreeMap<String, String> {
    let listed = shell(folder, "find . -type f -printf '%P\\n'");
    let read = |name: &str| (name.to_owned(), fs::read_to_string(folder.join(name)).unwrap_or_default());
    listed.lines().map(read).collect()
}

fn agree(a: &Host, b: &Host) {
    until("agreement", DEADLINE, || !a.root().is_empty() && a.root() == b.root());
    until("equal trees", DEADLINE, || texts(&a.mountpoint()) == texts(&b.mountpoint()));
}

/// Cut, edit both sides, join: tombstone files for what lost, edits in renamed directories, the same trees.
#[test]
fn work_done_apart_comes_together() {
    let link = Link::new("1gbit");
    let a = Host::in_namespace("desk", link.namespace(0));
    let b = Host::in_namespace("laptop", link.namespace(1));
    a.init();
    a.mount();
    b.join(&a, Some(&format!("{}:4747", Link::ADDRESSES[0])));
    b.mount();
    let _following: Vec<Running> =
        [&a, &b].map(|host| host.spawn("follow.log", &["sync", "--follow"])).into();
    let (on_a, on_b) = (a.mountpoint(), b.mountpoint());
    shell(
        &on_a,
        "for n in 1 2 3; do echo base $n > edited$n.txt; done; echo doomed > deleted.txt
        mkdir photos; echo caption > photos/caption.txt; echo draft > saved.txt",
    );
    agree(&a, &b);

    link.cut();
    shell(
        &on_a,
        "for n in 1 2 3; do echo desk $n > edited$n.txt; done; rm deleted.txt; mv photos pictures
        vim -Nu NONE -es -c '%s/draft/saved by vim/' -c wq saved.txt",
    );
    shell(
        &on_b,
        "for n in 1 2 3; do echo laptop $n > edited$n.txt; done; echo edited instead > deleted.txt
        echo a better caption > photos/caption.txt",
    );
    link.mend();
    agree(&a, &b);

    let tree = texts(&on_a);
    let contents: Vec<&str> = tree.values().map(|text| text.trim_end()).collect();
    for n in 1..=3 {
        for who in ["desk", "laptop"] {
            let text = format!("{who} {n}");
            assert_eq!(contents.iter().filter(|c| **c == text).count(), 1, "{text} in {tree:?}");
        }
        let tombstone = tree.keys().find(|name| name.starts_with(&format!("edited{n}.tombstone-"))).unwrap();
        assert!(tombstone.ends_with(".txt"), "{tombstone}");
    }
    assert_eq!(tree["deleted.txt"].trim_end(), "edited instead");
    assert_eq!(tree["pictures/caption.txt"].trim_end(), "a better caption");
    assert_eq!(tree["saved.txt"].trim_end(), "saved by vim");
    assert_eq!(tree.len(), 9, "{tree:?}");
    drop_one_tombstone(&a, &b, &tree);
}

fn drop_one_tombstone(a: &Host, b: &Host, tree: &BTreeMap<String, String>) {
    let listed = a.output(&["conflicts", "--json"]);
    assert_eq!(listed.status.code(), Some(3));
    let listed: serde_json::Value = serde_json::from_slice(&listed.stdout).unwrap();
    let listed =
        listed.as_array().cloned().unwrap_or_else(|| listed["conflicts"].as_array().unwrap().clone());
    assert_eq!(listed.len(), 3, "{listed:?}");
    let name = tree.keys().find(|name| name.starts_with("edited1.tombstone-")).unwrap();
    fs::remove_file(a.mountpoint().join(name)).unwrap();
    until("the tombstone's end", DEADLINE, || !b.mountpoint().join(name).exists());
    agree(a, b);
    assert_eq!(b.status()["conflicts"], 2);
}
