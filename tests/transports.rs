//! TCP and QUIC: each can be forced, and each does where the network lets the other not through.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::fs;
use std::time::Duration;

use support::host::Host;
use support::link::Link;
use support::until;

const DEADLINE: Duration = Duration::from_secs(60);

/// From the ticket on, and `status` shows it.
#[test]
fn each_transport_can_be_forced() {
    for transport in ["tcp", "quic"] {
        let forced = |host: &Host, arguments: &[&str]| {
            let output = host.bosr(arguments).env("BOSR_TRANSPORT", transport).output().unwrap();
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(output.status.success(), "{arguments:?}: {said}");
            String::from_utf8(output.stdout).unwrap()
        };
        let (desk, laptop) = (Host::new("desk"), Host::new("laptop"));
        desk.init();
        forced(&desk, &["open"]);
        let ticket = forced(&desk, &["invite"]);
        let key = laptop.path("home/key");
        forced(&laptop, &["join", ticket.lines().next().unwrap(), "--key-file", key.to_str().unwrap()]);
        fs::write(desk.path("large"), vec![7; 3_000_000]).unwrap();
        forced(&desk, &["put", desk.path("large").to_str().unwrap(), "large"]);
        forced(&laptop, &["open"]);
        let _following = laptop.spawn("follow.log", &["sync", "--follow"]);
        let of = |host: &Host| host.status()["peers"][0].clone();
        until("in step", DEADLINE, || {
            of(&laptop)["transport"] == transport && of(&laptop)["in_sync"] == true
        });
        assert_eq!(of(&desk)["transport"], transport);
        until("the content", DEADLINE, || laptop.status()["waiting"]["files"] == 0);
        assert_eq!(laptop.ok(&["cat", "large"]).len(), 3_000_000);
    }
    let host = Host::new("desk");
    host.init();
    let refused = host.bosr(&["ls"]).env("BOSR_TRANSPORT", "pigeon").output().unwrap();
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && said.contains("BOSR_TRANSPORT"), "{said}");
}

/// The network drops all of TCP, then all of UDP: nobody has to say so.
#[test]
fn each_transport_works_where_the_other_is_blocked() {
    let link = Link::new("1gbit");
    let desk = Host::in_namespace("desk", link.namespace(0));
    let laptop = Host::in_namespace("laptop", link.namespace(1));
    desk.init();
    desk.mount();
    laptop.join(&desk, Some(&format!("{}:4747", Link::ADDRESSES[0])));
    laptop.mount();
    for (blocked, used) in [("tcp", "quic"), ("udp", "tcp")] {
        link.say(&format!("set drop={blocked}"));
        fs::write(desk.mountpoint().join(used), used.repeat(200_000)).unwrap();
        let following = laptop.spawn("follow.log", &["sync", "--follow"]);
        let at = laptop.mountpoint().join(used);
        until(used, DEADLINE, || fs::read(&at).is_ok_and(|read| read == used.repeat(200_000).as_bytes()));
        assert_eq!(laptop.status()["peers"][0]["transport"], used);
        assert_eq!(following.interrupt(), Some(0));
        until("the session's end", DEADLINE, || laptop.status()["peers"][0]["connected"] == false);
        link.say("clear");
    }
}
