//! Two mounted vaults with `sync --follow` beside them: what is done on one side shows on the other, in the
//! mount, without a remount.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::fs;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use support::host::{Host, Running};
use support::link::Link;
use support::until;

/// The plan's deadline for convergence.
const DEADLINE: Duration = Duration::from_secs(5);

/// Two devices of one vault, mounted.
struct Pair {
    hosts: [Host; 2],
    link: Link,
}

fn pair() -> Pair {
    let link = Link::new("1gbit");
    let hosts =
        [Host::in_namespace("desk", link.namespace(0)), Host::in_namespace("laptop", link.namespace(1))];
    hosts[0].init();
    hosts[0].mount();
    hosts[1].join(&hosts[0], Some(&format!("{}:4747", Link::ADDRESSES[0])));
    hosts[1].mount();
    Pair { hosts, link }
}

fn follow(host: &Host) -> Running {
    host.spawn("follow.log", &["sync", "--follow"])
}

/// Does `act` in one mount and waits until the other shows it.
fn shows(times: &mut Vec<Duration>, what: &str, act: impl FnOnce(), seen: impl FnMut() -> bool) {
    act();
    times.push(until(what, DEADLINE, seen));
}

fn read(path: &Path) -> Vec<u8> {
    fs::read(path).unwrap_or_default()
}

/// Every kind of change, in both directions, twenty rounds, with the distribution of the delays.
#[test]
fn changes_show_on_the_other_side_within_the_deadline() {
    let pair = pair();
    let _following: Vec<Running> = pair.hosts.iter().map(follow).collect();
    let mounts: Vec<_> = pair.hosts.iter().map(Host::mountpoint).collect();
    let mut times = Vec::new();
    for round in 0..20 {
        let (here, there) = (&mounts[round % 2], &mounts[(round + 1) % 2]);
        one_of_each(&mut times, here, there, round);
    }
    times.sort();
    let at = |share: usize| times[(times.len() - 1) * share / 100];
    eprintln!(
        "{} changes: median {:?}, 90 % {:?}, 99 % {:?}, longest {:?}",
        times.len(),
        at(50),
        at(90),
        at(99),
        at(100)
    );
}

fn one_of_each(times: &mut Vec<Duration>, here: &Path, there: &Path, round: usize) {
    let name = format!("note {round}.txt");
    let (mine, theirs) = (here.join(&name), there.join(&name));
    let text = format!("round {round}\n").into_bytes();
    shows(times, "a new file", || fs::write(&mine, &text).unwrap(), || read(&theirs) == text);
    let longer = [&text[..], b"and more\n"].concat();
    let append = || {
        fs::OpenOptions::new().append(true).open(&mine).unwrap().write_all(b"and more\n").unwrap();
    };
    shows(times, "an append", append, || read(&theirs) == longer);
    let renamed = format!("renamed {round}");
    shows(
        times,
        "a rename",
        || fs::rename(&mine, here.join(&renamed)).unwrap(),
        || !theirs.exists() && read(&there.join(&renamed)) == longer,
    );
    let folder = format!("folder {round}");
    let moved = || {
        fs::create_dir(here.join(&folder)).unwrap();
        fs::rename(here.join(&renamed), here.join(&folder).join("inside")).unwrap();
    };
    let inside = there.join(&folder).join("inside");
    shows(times, "a move", moved, || !there.join(&renamed).exists() && read(&inside) == longer);
    let delete = || fs::remove_dir_all(here.join(&folder)).unwrap();
    shows(times, "a deletion", delete, || !there.join(&folder).exists());
}

/// Mount first or follow first: both orders end in the same owner, and one outlives the other.
#[test]
fn mount_and_follow_go_side_by_side_in_either_order() {
    let pair = pair();
    let [desk, laptop] = &pair.hosts;
    desk.unmount();
    let following = [follow(desk), follow(laptop)];
    until("an owner", DEADLINE, || desk.owner().is_some());
    let owner = desk.owner();
    desk.mount();
    assert_eq!(desk.owner(), owner, "the mount joins the owner that follow started");
    fs::write(desk.mountpoint().join("a"), "from the desk").unwrap();
    until("the file", DEADLINE, || read(&laptop.mountpoint().join("a")) == b"from the desk");
    let [desk_follow, _laptop_follow] = following;
    assert_eq!(desk_follow.interrupt(), Some(0));
    assert_eq!(read(&desk.mountpoint().join("a")), b"from the desk", "Ctrl-C unmounts nothing of others");
}

/// A new address, and a cable that is put back, are heard of from the kernel: nobody waits for the next look.
#[test]
fn a_change_of_the_network_is_noticed() {
    let link = Link::new("1gbit");
    let desk = Host::in_namespace("desk", link.namespace(0));
    desk.init();
    let place = desk.mountpoint();
    let _mounted = desk.spawn_with(
        &[("BOSR_LOG", "bosr=debug")],
        "mount.log",
        &["mount", "-f", place.to_str().unwrap()],
    );
    until("the mount", DEADLINE, || place.join(".bosr/status").exists());
    let noticed = |change: &str, from: usize| {
        let log = || fs::read_to_string(desk.path("mount.log")).unwrap_or_default();
        let told = || log().matches("the addresses of this machine have changed").count();
        until(change, DEADLINE, || told() > from);
        told()
    };
    link.renumber(0, [10, 77, 0, 9].into());
    let known = noticed("another address", 0);
    link.cut();
    let known = noticed("a pulled cable", known);
    link.mend();
    noticed("the cable's return", known);
}

/// Long before TCP would say so, and before it would try again: both sides hear of the cable from the kernel.
#[test]
fn a_pulled_cable_ends_sessions_and_its_return_begins_them() {
    let pair = pair();
    let _following: Vec<Running> = pair.hosts.iter().map(follow).collect();
    let met = |wanted: bool| {
        let is_as_wanted = |host: &Host| host.status()["peers"][0]["connected"] == wanted;
        until("the other side's news", DEADLINE, || pair.hosts.iter().all(is_as_wanted));
    };
    met(true);
    pair.link.cut();
    met(false);
    fs::write(pair.hosts[0].mountpoint().join("a"), "written apart").unwrap();
    pair.link.mend();
    met(true);
    until("the file", DEADLINE, || read(&pair.hosts[1].mountpoint().join("a")) == b"written apart");
}

/// Only the joiner was told an address. Once it has dialled, the inviter can dial it; and an address that a person
/// adds is known for the device that answers there.
#[test]
fn who_dialled_once_can_be_dialled() {
    let pair = pair();
    let [desk, laptop] = &pair.hosts;
    laptop.ok(&["sync"]);
    let address = format!("{}:4747", Link::ADDRESSES[1]);
    until("the laptop's address", DEADLINE, || desk.status()["peers"][0]["address"] == address.as_str());
    desk.ok(&["sync"]);
    fs::write(laptop.mountpoint().join("a"), "from the laptop").unwrap();
    let _following = follow(desk);
    until("the file", DEADLINE, || read(&desk.mountpoint().join("a")) == b"from the laptop");

    let fresh = Host::in_namespace("tablet", pair.link.namespace(1));
    fresh.join(desk, None);
    fresh.ok(&["peer", "remove", "desk"]);
    fresh.ok(&["peer", "add", "home", &format!("{}:4747", Link::ADDRESSES[0])]);
    fresh.ok(&["sync", "home"]);
    let known = fresh.status()["peers"].as_array().unwrap().clone();
    let named = |name: &str| known.iter().filter(|peer| peer["alias"] == name).count();
    assert_eq!((named("home"), named("desk")), (1, 0), "it is the desk that answers there: {known:?}");
}
