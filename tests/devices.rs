//! The devices of a vault end to end: shut out, away during rotations, joined by ticket, copied and renewed.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::process::{Command, Output};
use std::sync::Arc;
use std::time::Duration;

use bosr::ambient::Ambient;
use bosr::crypto::{DeviceKey, Keyring, Unlock};
use bosr::daemon::keys::VaultKeys;
use bosr::store::Store;
use bosr::store::disk::OsDisk;
use support::host::Host;
use support::{run, until};

/// A first device that is open and answers, and others that have joined and are in step.
fn vault<const N: usize>(first: &'static str, others: [&'static str; N]) -> (Host, [Host; N]) {
    let host = Host::new(first);
    host.init();
    host.ok(&["open"]);
    let others = others.map(|name| {
        let other = Host::new(name);
        other.join(&host, None);
        other.ok(&["sync"]);
        other
    });
    (host, others)
}

fn put(host: &Host, name: &str, text: &str) {
    let source = host.path(name);
    std::fs::write(&source, text).unwrap();
    host.ok(&["put", source.to_str().unwrap(), name]);
}

/// The keys of a vault that is closed.
fn keys(host: &Host) -> VaultKeys {
    let ambient = Ambient::host();
    let disk = Arc::new(OsDisk::new(host.store()));
    let file = std::fs::read(host.path("home/key")).unwrap();
    let unlocked = Store::vault_file(&*disk).unwrap().unlock(&Unlock::KeyFile(file.into())).unwrap();
    let (store, _) = Store::open(disk.clone(), Arc::new(unlocked), ambient.clone()).unwrap();
    VaultKeys::new(Arc::new(store), disk, ambient.entropy)
}

fn change_keys(host: &Host, change: impl FnOnce(&mut Keyring)) {
    let changed = keys(host).change(|file, keyring, entropy| {
        change(keyring);
        file.reseal(keyring, entropy)
    });
    changed.unwrap();
}

/// How a sync with `peer`, which is open, was refused.
fn refused(host: &Host, peer: &Host) -> String {
    let listen = peer.status()["listen"].as_str().expect("it listens").to_owned();
    let _ = host.output(&["peer", "remove", "target"]);
    host.ok(&["peer", "add", "target", &listen]);
    let output = host.output(&["sync", "target"]);
    assert!(!output.status.success(), "{}", told(&output));
    told(&output)
}

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr[..]].concat()).into_owned()
}

fn json(host: &Host, arguments: &[&str]) -> serde_json::Value {
    serde_json::from_str(&host.ok(&[arguments, &["--json"]].concat())).unwrap()
}

fn epoch(host: &Host) -> String {
    json(host, &["rotate", "--dry-run"])["from"].as_str().unwrap().to_owned()
}

#[test]
fn a_revoked_device_is_refused_whatever_it_comes_with() {
    let (desk, [laptop, phone]) = vault("desk", ["laptop", "phone"]);
    laptop.ok(&["sync"]);
    let before = epoch(&desk);
    let revoked = json(&desk, &["device", "revoke", "phone"]);
    assert_eq!((&revoked["revoked"], &revoked["from"]), (&"phone".into(), &before.into()));
    assert_eq!(revoked["entitled"].as_array().unwrap().len(), 2);

    // By a peer that has the new epoch, and not yet the new list.
    let new = keys_of_open(&desk, &laptop);
    assert_eq!(Some(new.as_str()), revoked["epoch"].as_str());
    laptop.ok(&["open"]);
    let reason = refused(&phone, &laptop);
    assert!(reason.contains("not entitled to the current epoch"), "{reason}");

    // With its own key, by who revoked it and by who has merged that.
    let reason = refused(&phone, &desk);
    assert!(reason.contains("the device was revoked"), "{reason}");
    laptop.ok(&["sync", "desk"]);
    let reason = refused(&phone, &laptop);
    assert!(reason.contains("the device was revoked"), "{reason}");

    // With a fresh key and the old epoch.
    change_keys(&phone, |keyring| keyring.renew_device(DeviceKey::generate(&*Ambient::host().entropy)));
    for peer in [&desk, &laptop] {
        let reason = refused(&phone, peer);
        assert!(reason.contains("not on the list"), "{reason}");
    }
    let output = phone.output(&["device", "renew"]);
    assert!(told(&output).contains("no other device of the vault could be told"), "{}", told(&output));

    let listed = json(&laptop, &["device", "list"]);
    let phones: Vec<_> = listed.as_array().unwrap().iter().filter(|it| it["name"] == "phone").collect();
    assert!(phones.len() == 1 && phones[0]["revoked"] == true, "{listed}");
    put(&desk, "after", "the revocation");
    laptop.ok(&["sync"]);
    assert_eq!(laptop.ok(&["cat", "after"]), "the revocation");
    for host in [&desk, &laptop] {
        host.ok(&["close"]);
    }
}

/// Gives `to`, which is closed, the current epoch of `from`, and nothing else. The epoch's name.
fn keys_of_open(from: &Host, to: &Host) -> String {
    let file = std::fs::read(from.path("home/key")).unwrap();
    let disk = OsDisk::new(from.store());
    let unlocked = Store::vault_file(&disk).unwrap().unlock(&Unlock::KeyFile(file.into())).unwrap();
    keys(to).add_epoch(unlocked.current().clone()).unwrap();
    unlocked.current().id().to_string()
}

#[test]
fn a_device_that_was_away_during_three_rotations_gets_in() {
    let (desk, [laptop]) = vault("desk", ["laptop"]);
    let first = epoch(&laptop);
    assert_eq!(first, epoch(&desk));
    for _ in 0..3 {
        desk.ok(&["rotate"]);
    }
    put(&desk, "news", "four epochs");
    put(&laptop, "old", "one epoch");
    laptop.ok(&["sync"]);
    assert_eq!(laptop.ok(&["cat", "news"]), "four epochs");
    assert_eq!(desk.ok(&["cat", "old"]), "one epoch");
    assert!(epoch(&laptop) == epoch(&desk) && epoch(&desk).starts_with("4-"), "{}", epoch(&desk));
    assert_eq!(desk.root(), laptop.root());
    for host in [&desk, &laptop] {
        host.fsck();
    }
    desk.ok(&["close"]);
}

#[test]
fn a_ticket_works_once_and_in_time() {
    let (desk, []) = vault("desk", []);
    let ticket = desk.ok(&["invite"]).lines().next().unwrap().to_owned();
    let join = |host: &Host, ticket: &str| {
        let key = host.path("home/key");
        host.output(&["join", ticket, "--device", "desk", "--key-file", key.to_str().unwrap()])
    };
    let [first, second] = ["first", "second"].map(Host::new);
    let joined = join(&first, &ticket);
    let printed = String::from_utf8(joined.stdout).unwrap();
    assert!(joined.status.success() && printed.contains("vault of desk as desk-2."), "{printed}");
    assert!(first.ok(&["status"]).contains("not known before the first sync"));
    let used = join(&second, &ticket);
    assert!(!used.status.success() && told(&used).contains("used already"), "{}", told(&used));
    let expired = desk.ok(&["invite", "--valid", "0"]).lines().next().unwrap().to_owned();
    let late = join(&second, &expired);
    assert!(!late.status.success() && told(&late).contains("has expired"), "{}", told(&late));
    assert!(!second.store().exists(), "nothing was made");
    desk.ok(&["close"]);
}

/// A store that is copied with all it has, and goes on beside the first: both lives are kept.
#[test]
fn a_copied_store_becomes_a_device_of_its_own() {
    for by_ticket in [true, false] {
        let (desk, [laptop]) = vault("desk", ["laptop"]);
        let copy = Host::new("copy");
        run(Command::new("cp").arg("-a").arg(laptop.path("home/.")).arg(copy.path("home")));
        put(&laptop, "mine", "by the laptop");
        put(&copy, "theirs", "by the copy");
        laptop.ok(&["open"]);
        let reason = refused(&copy, &laptop);
        assert!(reason.contains("own key") && reason.contains("bosr device renew"), "{reason}");
        laptop.ok(&["sync", "desk"]);
        copy.ok(&["peer", "remove", "target"]);
        let config = copy.path("home/.config/bosr/config.toml");
        let text = std::fs::read_to_string(&config).unwrap();
        let moved = text.replace(laptop.path("").to_str().unwrap(), copy.path("").to_str().unwrap());
        std::fs::write(&config, moved).unwrap();
        let ticket = desk.ok(&["invite"]).lines().next().unwrap().to_owned();
        let mut arguments = vec!["device", "renew", "--device", "tablet"];
        arguments.extend(by_ticket.then_some(ticket.as_str()));
        let renewed = json(&copy, &arguments);
        assert_eq!(renewed["name"], "tablet");
        copy.ok(&["sync", "desk"]);
        laptop.ok(&["sync", "desk"]);
        let names: Vec<_> = json(&desk, &["device", "list"])
            .as_array()
            .unwrap()
            .iter()
            .map(|device| device["name"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(names, ["desk", "laptop", "tablet"]);
        for host in [&desk, &laptop, &copy] {
            assert_eq!(host.ok(&["cat", "mine"]), "by the laptop");
            assert_eq!(host.ok(&["cat", "theirs"]), "by the copy");
        }
        // And with each other.
        let listen = laptop.status()["listen"].as_str().unwrap().to_owned();
        copy.ok(&["peer", "add", "lap", &listen]);
        copy.ok(&["sync", "lap"]);
        assert_eq!(copy.root(), laptop.root());
        for host in [&desk, &laptop] {
            host.ok(&["close"]);
        }
    }
}

#[test]
fn keys_are_added_and_removed() {
    let host = Host::new("desk");
    host.init();
    let slots = json(&host, &["key", "list"]);
    let first = slots[0]["slot"].as_str().unwrap().to_owned();
    let refused = host.output(&["key", "remove", &first]);
    assert!(told(&refused).contains("only key of the vault"), "{}", told(&refused));
    let other = host.path("home/other");
    host.ok(&["open"]);
    host.ok(&["key", "add", "--new-key-file", other.to_str().unwrap()]);
    host.ok(&["rotate"]);
    host.ok(&["key", "remove", &first]);
    host.ok(&["close"]);
    // The owner may take a moment to end.
    until("wrong key", Duration::from_secs(20), || host.output(&["ls"]).status.code() == Some(12));
    host.ok(&["ls", "--key-file", other.to_str().unwrap()]);
    let unknown = host.output(&["key", "remove", "0011223344556677", "--key-file", other.to_str().unwrap()]);
    assert!(told(&unknown).contains("no key slot"), "{}", told(&unknown));
}
