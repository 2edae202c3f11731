//! Devices that know no address of each other that works, on one local network; and a stranger on it.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::io::Read;
use std::net::{IpAddr, Ipv4Addr, TcpListener, UdpSocket};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use mdns_sd::{ServiceDaemon, ServiceInfo};
use socket2::{Domain, Protocol, Socket, Type};
use support::host::{Host, Running};
use support::link::Link;
use support::{until, until_or};

const DEADLINE: Duration = Duration::from_secs(30);
const SERVICE: &str = "_bosr._udp.local.";
/// Where mDNS is spoken.
const GROUP: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 251);

/// Devices of one vault that is open nowhere, and a stranger in their network.
struct Lan<const N: usize> {
    hosts: [Host; N],
    link: Link,
}

impl<const N: usize> Lan<N> {
    /// The first makes the vault, the others join it.
    fn new(names: [&'static str; N]) -> Self {
        let link = Link::of(&[&names[..], &["stranger"]].concat());
        let mut end = 0..;
        let hosts = names.map(|name| Host::in_namespace(name, link.namespace(end.next().unwrap())));
        hosts[0].init();
        hosts[0].ok(&["open"]);
        for host in &hosts[1..] {
            host.join(&hosts[0], Some(&format!("{}:4747", link.address(0))));
            host.ok(&["sync"]);
        }
        hosts[0].ok(&["close"]);
        hosts.iter().for_each(closed);
        Lan { hosts, link }
    }

    /// Gives all devices addresses that none of them has heard of.
    fn renumber(&self) {
        (0..N).for_each(|end| self.link.renumber(end, elsewhere(end)));
    }
}

/// Where a device is found after it was given another address.
fn elsewhere(end: usize) -> Ipv4Addr {
    Ipv4Addr::new(10, 77, 0, 101 + u8::try_from(end).unwrap())
}

fn closed(host: &Host) {
    until("the owner's end", DEADLINE, || host.owner().is_none());
}

fn follow(host: &Host) -> Running {
    host.spawn("follow.log", &["sync", "--follow"])
}

fn put(host: &Host, name: &str) {
    let source = host.path(name);
    fs::write(&source, name).unwrap();
    host.ok(&["put", source.to_str().unwrap(), name]);
}

/// Waits until `host` has what was put elsewhere.
fn arrives(host: &Host, name: &str) {
    let told =
        || fs::read_to_string(host.path("follow.log")).unwrap_or_default() + &host.status().to_string();
    until_or(name, DEADLINE, || host.output(&["cat", name]).stdout == name.as_bytes(), told);
}

/// What the status of `host` says of a peer.
fn peer(host: &Host, alias: &str) -> serde_json::Value {
    let status = host.status();
    let peers = status["peers"].as_array().unwrap().iter();
    let mut named = peers.filter(|peer| peer["alias"] == alias);
    named.next().unwrap_or_else(|| panic!("no {alias} in {status}")).clone()
}

/// Whether a peer is connected, and was found, elsewhere than where it was (there are IPv6 addresses too).
fn is_found(host: &Host, alias: &str, before: Ipv4Addr) -> bool {
    let peer = peer(host, alias);
    peer["connected"] == true
        && peer["found"] == "local network"
        && peer["address"].as_str().is_some_and(|at| !at.starts_with(&format!("{before}:")))
}

/// Packets, and where they came from.
type Packets = Vec<(IpAddr, Vec<u8>)>;

/// Hears all mDNS that comes by.
struct Ears(Arc<Mutex<Packets>>);

impl Ears {
    fn open(link: &Link, end: usize) -> Ears {
        let socket: UdpSocket = link.on(end, || {
            let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP)).unwrap();
            socket.set_reuse_address(true).unwrap();
            socket.bind(&std::net::SocketAddr::from((Ipv4Addr::UNSPECIFIED, 5353)).into()).unwrap();
            socket.join_multicast_v4(&GROUP, &link.address(end)).unwrap();
            socket.into()
        });
        let heard = Arc::new(Mutex::new(Vec::new()));
        let ears = Ears(Arc::clone(&heard));
        // Ends with the process: nothing else is to be done then.
        std::thread::spawn(move || {
            let mut buffer = vec![0; 1 << 16];
            while let Ok((length, from)) = socket.recv_from(&mut buffer) {
                heard.lock().unwrap().push((from.ip(), buffer[..length].to_vec()));
            }
        });
        ears
    }

    fn heard_from(&self, host: Ipv4Addr) -> Vec<Vec<u8>> {
        let heard = self.0.lock().unwrap();
        heard.iter().filter(|(from, _)| *from == IpAddr::V4(host)).map(|(_, packet)| packet.clone()).collect()
    }

    /// The tags that a host has announced.
    fn tags(&self, host: Ipv4Addr) -> BTreeSet<String> {
        let packets = self.heard_from(host);
        let tags = packets.iter().filter_map(|packet| {
            let at = packet.windows(4).position(|window| window == b"tag=")? + 4;
            Some(String::from_utf8_lossy(packet.get(at..at + 32)?).into_owned())
        });
        tags.collect()
    }
}

fn holds(bytes: &[u8], part: &[u8]) -> bool {
    bytes.to_ascii_lowercase().windows(part.len()).any(|window| window == part)
}

/// What would tell a stranger which vault or device it is.
fn tell_tales(hosts: &[Host]) -> Vec<Vec<u8>> {
    let mut tales: Vec<String> = vec!["default".into(), "desk".into(), "laptop".into()];
    for host in hosts {
        let status = host.status();
        tales.extend(["id", "root", "commit"].map(|what| status[what].as_str().unwrap().to_lowercase()));
        let devices: serde_json::Value =
            serde_json::from_str(&host.ok(&["device", "list", "--json"])).unwrap();
        tales.extend(devices.as_array().unwrap().iter().map(|device| device["key"].as_str().unwrap().into()));
    }
    tales.extend(nix::unistd::gethostname().map(|name| name.to_string_lossy().to_lowercase()));
    // What is shorter stands somewhere by chance.
    tales.retain(|tale| tale.len() >= 4);
    let raw = tales.iter().filter_map(|tale| data_encoding::HEXLOWER.decode(tale.as_bytes()).ok());
    let raw: Vec<_> = raw.filter(|bytes| bytes.len() >= 8).collect();
    tales.into_iter().map(String::into_bytes).chain(raw).collect()
}

#[test]
fn devices_without_a_useful_address_find_each_other_and_tell_strangers_nothing() {
    let lan = Lan::new(["desk", "laptop"]);
    let [desk, laptop] = &lan.hosts;
    let ears = Ears::open(&lan.link, 2);
    lan.renumber();
    let _following = [follow(desk), follow(laptop)];
    until("an owner each", DEADLINE, || desk.owner().is_some() && laptop.owner().is_some());
    put(desk, "from the desk");
    arrives(laptop, "from the desk");
    put(laptop, "from the laptop");
    arrives(desk, "from the laptop");
    until("both found", DEADLINE, || {
        is_found(desk, "laptop", lan.link.address(1)) && is_found(laptop, "desk", lan.link.address(0))
    });

    let tags = [0, 1].map(|end| ears.tags(elsewhere(end)));
    assert!(tags[0].len() == 1 && tags[0] == tags[1], "one tag for the vault: {tags:?}");
    let tales = tell_tales(&lan.hosts);
    for end in [0, 1] {
        let heard = ears.heard_from(elsewhere(end)).concat();
        assert!(holds(&heard, b"_bosr"));
        for tale in &tales {
            assert!(!holds(&heard, tale), "{}", String::from_utf8_lossy(tale));
        }
    }
    assert_eq!(desk.root(), laptop.root());
}

/// It announces and answers, and dials nobody; killed, it said no goodbye.
#[test]
fn a_device_that_is_only_mounted_is_found_wherever_it_comes_back() {
    let lan = Lan::new(["desk", "laptop"]);
    let [desk, laptop] = &lan.hosts;
    let _following = follow(desk);
    laptop.mount();
    fs::write(laptop.mountpoint().join("one"), "one").unwrap();
    arrives(desk, "one");
    laptop.kill_owner();
    lan.link.renumber(1, elsewhere(1));
    laptop.mount();
    fs::write(laptop.mountpoint().join("two"), "two").unwrap();
    arrives(desk, "two");
    assert!(is_found(desk, "laptop", lan.link.address(1)), "{}", desk.status());
    laptop.unmount();
    laptop.fsck();
}

/// It knows an address that was right once, and is the only one that dials.
#[test]
fn a_device_that_has_moved_is_found_by_a_single_sync() {
    let lan = Lan::new(["desk", "laptop"]);
    let [desk, laptop] = &lan.hosts;
    desk.ok(&["open"]);
    lan.link.renumber(0, elsewhere(0));
    put(laptop, "from the laptop");
    let alone = laptop.bosr(&["sync"]).env("BOSR_DISCOVERY", "off").output().unwrap();
    assert_eq!(alone.status.code(), Some(4), "{alone:?}");
    laptop.ok(&["sync"]);
    assert_eq!(desk.ok(&["cat", "from the laptop"]), "from the laptop");
}

#[test]
fn a_device_with_discovery_off_says_nothing_and_is_not_found() {
    let lan = Lan::new(["desk", "laptop", "tablet"]);
    let [desk, laptop, tablet] = &lan.hosts;
    let ears = Ears::open(&lan.link, 3);
    lan.renumber();
    let config = laptop.path("home/.config/bosr/config.toml");
    let text = fs::read_to_string(&config).unwrap();
    fs::write(&config, text.replace("[vaults.default]\n", "[vaults.default]\ndiscovery = false\n")).unwrap();
    let quiet = follow(laptop);
    let log = || fs::read_to_string(laptop.path("follow.log")).unwrap_or_default();
    until_or("the laptop's owner", DEADLINE, || laptop.owner().is_some(), log);
    let _following = [follow(desk), follow(tablet)];
    until("the others", DEADLINE, || {
        is_found(desk, "tablet", lan.link.address(2)) && is_found(tablet, "desk", lan.link.address(0))
    });
    for (host, alias) in [(desk, "laptop"), (tablet, "laptop"), (laptop, "desk")] {
        let peer = peer(host, alias);
        assert!(peer["connected"] == false && peer["found"].is_null(), "{peer}");
    }
    assert!(ears.heard_from(elsewhere(1)).is_empty(), "the laptop says nothing");

    // The environment counts for more.
    assert_eq!(quiet.interrupt(), Some(0));
    closed(laptop);
    let _loud = laptop.spawn_with(&[("BOSR_DISCOVERY", "on")], "follow.log", &["sync", "--follow"]);
    until("the laptop", DEADLINE, || is_found(desk, "laptop", lan.link.address(1)));
}

/// It announces hundreds of services with the vault's own tag, which anybody can hear and say.
#[test]
fn a_liar_is_dialled_seldom_and_learns_nothing() {
    let lan = Lan::new(["desk", "laptop"]);
    let [desk, laptop] = &lan.hosts;
    let ears = Ears::open(&lan.link, 2);
    lan.renumber();
    let began = Instant::now();
    let _first = follow(desk);
    until("the desk's tag", DEADLINE, || !ears.tags(elsewhere(0)).is_empty());
    let tag = ears.tags(elsewhere(0)).into_iter().next().unwrap();
    let stranger = lan.link.address(2);
    let (listener, liar) =
        lan.link.on(2, || (TcpListener::bind((stranger, 0)).unwrap(), ServiceDaemon::new().unwrap()));
    let port = listener.local_addr().unwrap().port();
    let said = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&said);
    std::thread::spawn(move || {
        for mut dialler in listener.incoming().flatten() {
            let mut bytes = vec![0; 4096];
            let length = dialler.read(&mut bytes).unwrap_or(0);
            heard.lock().unwrap().push(bytes[..length].to_vec());
        }
    });
    for number in 0..300 {
        let name = format!("liar {number}");
        let host = format!("liar{number}.local.");
        let properties = [("tag", tag.clone())];
        let service =
            ServiceInfo::new(SERVICE, &name, &host, stranger.to_string(), port, properties.as_slice());
        until("room for a lie", DEADLINE, || liar.register(service.clone().unwrap()).is_ok());
    }
    until("that it is asked", DEADLINE, || !said.lock().unwrap().is_empty());

    let _second = follow(laptop);
    put(desk, "from the desk");
    let found =
        || is_found(desk, "laptop", lan.link.address(1)) && is_found(laptop, "desk", lan.link.address(0));
    let log = |host: &Host| fs::read_to_string(host.path("follow.log")).unwrap_or_default();
    until_or("both found", DEADLINE, found, || {
        format!("{} {}\n{}\n{}", said.lock().unwrap().len(), desk.status(), log(desk), log(laptop))
    });
    arrives(laptop, "from the desk");
    let said = said.lock().unwrap();
    let most = 2 * (16 + usize::try_from(began.elapsed().as_secs()).unwrap() / 2 + 1);
    assert!(said.len() <= most, "dialled {} times in {:?}", said.len(), began.elapsed());
    for words in said.iter() {
        assert!(words.is_empty() || words.starts_with(b"bosr-mirror/1"), "{words:?}");
        for tale in tell_tales(&lan.hosts) {
            assert!(!holds(words, &tale));
        }
    }
    let _ = liar.shutdown();
}
