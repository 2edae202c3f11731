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
    conflicts_are_explained(&a);
    conflicts_are_decided(&a, &b);
}

fn json(host: &Host, arguments: &[&str]) -> Vec<serde_json::Value> {
    let printed = host.output(&[arguments, &["--json"]].concat()).stdout;
    let printed: serde_json::Value = serde_json::from_slice(&printed).unwrap();
    printed.as_array().or_else(|| printed["decisions"].as_array()).unwrap().clone()
}

/// Two conflicts are left: their files, the mount and two commands tell the same of them.
fn conflicts_are_explained(a: &Host) {
    let listed = json(a, &["conflicts"]);
    assert_eq!(listed.len(), 2);
    let at = a.mountpoint();
    let file: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(at.join(".bosr/conflicts")).unwrap()).unwrap();
    assert_eq!(file.as_array(), Some(&listed));
    for conflict in &listed {
        for (path, role) in [("path", "current"), ("tombstone", "tombstone")] {
            let file = conflict[path].as_str().unwrap().trim_start_matches('/');
            let value = shell(&at, &format!("getfattr --only-values -n user.bosr.conflict {file}"));
            let value: serde_json::Value = serde_json::from_str(&value).unwrap();
            assert_eq!((&value["role"], &value["conflicts"][0]), (&role.into(), conflict));
            let refused = format!("! setfattr -n user.bosr.conflict -v x {file} 2>/dev/null");
            shell(&at, &refused);
        }
    }
    shell(&at, "! getfattr -n user.bosr.conflict saved.txt 2>/dev/null");

    let explained = json(a, &["merge", "--explain"]);
    assert_eq!(explained.len(), 2);
    for (decision, conflict) in explained.iter().zip(&listed) {
        assert_eq!((&decision["rule"], &decision["losing"]), (&"rule 5".into(), &conflict["tombstone"]));
        let acts = decision["acts"].as_array().unwrap();
        assert!(acts.iter().all(|act| act["time"].is_i64() && act["size"].as_u64() > Some(5)), "{acts:?}");
        let mut devices: Vec<_> = acts.iter().map(|act| act["device"].as_str().unwrap()).collect();
        devices.sort_unstable();
        assert_eq!(devices, ["desk", "laptop"]);
        let command = decision["command"].as_str().unwrap();
        assert_eq!(
            command,
            format!("bosr resolve {} --keep tombstone", conflict["tombstone"].as_str().unwrap())
        );
    }
    let merges: Vec<_> = json(a, &["log"]).into_iter().filter(|it| it["device"].is_null()).collect();
    let decisions: Vec<_> = merges
        .iter()
        .filter(|merge| merge["parents"].as_array().unwrap().len() == 2)
        .flat_map(|merge| json(a, &["merge", "--explain", merge["commit"].as_str().unwrap()]))
        .collect();
    for (path, rule) in [("/deleted.txt", "rule 1"), ("/edited1.txt", "rule 5"), ("/edited2.txt", "rule 5")] {
        let is = |it: &&serde_json::Value| it["path"] == path && it["rule"] == rule;
        assert!(decisions.iter().any(|it| is(&it)), "{path} {rule}: {decisions:?}");
    }
}

fn conflicts_are_decided(a: &Host, b: &Host) {
    let [second, third] = json(a, &["conflicts"]).try_into().unwrap();
    let text = |host: &Host, path: &serde_json::Value| {
        let path = path.as_str().unwrap().trim_start_matches('/').to_owned();
        fs::read_to_string(host.mountpoint().join(path)).unwrap()
    };
    let chosen = text(a, &second["tombstone"]);
    a.ok(&["resolve", "edited2.txt", "--keep", "tombstone"]);
    assert_eq!(text(a, &second["path"]), chosen);
    let lost = text(a, &third["tombstone"]);
    a.ok(&["resolve", "--all", "--keep", "both"]);
    agree(a, b);
    assert_eq!(text(b, &second["path"]), chosen);
    let kept = format!("/edited3-{}.txt", third["device"].as_str().unwrap());
    assert_eq!(text(b, &kept.into()), lost);
    assert_eq!(a.output(&["conflicts"]).status.code(), Some(0));
    let calm = a.output(&["resolve", "edited3.txt", "--keep", "current"]);
    assert_eq!(calm.status.code(), Some(1));
    let line = String::from_utf8(calm.stderr).unwrap();
    assert!(line.contains("/edited3.txt is not in conflict; see `bosr conflicts`"), "{line}");
    assert_eq!(a.output(&["resolve", "--keep", "current"]).status.code(), Some(2));
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
