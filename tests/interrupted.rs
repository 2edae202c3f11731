//! A transfer that is killed on either side, again and again, completes, resending at most what was in flight.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::time::Duration;

use support::host::Host;
use support::link::Link;
use support::{shell, tree, until, until_or};

/// What the receiver may have in flight, in bytes: the most that the window it grants a peer grows to.
const WINDOW: u64 = 64 << 20;
const SIZE: u64 = 500_000_000;
const BREAKS: u64 = 12;

/// Breaks at pseudo-random moments of a 500 MB transfer: the sender killed, the receiver killed, the cable pulled,
/// in turn.
#[test]
fn a_killed_transfer_goes_on_where_it_was() {
    let link = Link::new("1gbit");
    let a = Host::in_namespace("desk", link.namespace(0));
    let b = Host::in_namespace("laptop", link.namespace(1));
    a.init();
    a.mount();
    b.join(&a, Some(&format!("{}:4747", Link::ADDRESSES[0])));
    shell(&a.mountpoint(), &format!("head -c {SIZE} /dev/urandom > large.bin"));
    b.mount();
    let start = link.bytes();
    for kill in 0..BREAKS {
        let goal = start + SIZE / (BREAKS + 1) * (kill + 1) + (kill * 7919 * 104_729) % (SIZE / 20);
        let sync = b.spawn("sync.log", &["sync"]);
        let tell = || {
            let said = std::fs::read_to_string(b.path("sync.log")).unwrap_or_default();
            let (moved, status) = (link.bytes() - start, [a.status(), b.status()]);
            format!("kill {kill}, {moved} of {} bytes\n{said}\n{status:#?}", goal - start)
        };
        until_or("some progress", Duration::from_secs(30), || link.bytes() >= goal, tell);
        match kill % 3 {
            2 => {
                link.cut();
                drop(sync);
                link.mend();
            }
            end => {
                let victim = if end == 0 { &a } else { &b };
                victim.kill_owner();
                drop(sync);
                victim.mount();
            }
        }
    }
    b.ok(&["sync"]);
    until("equal roots", Duration::from_secs(30), || a.root() == b.root());
    tree::assert_same_on_both(&a.mountpoint(), &b.mountpoint());
    let moved = link.bytes() - start;
    eprintln!("{moved} bytes for {SIZE}, with {BREAKS} breaks");
    assert!(moved < SIZE / 100 * 105 + BREAKS * WINDOW, "{moved} bytes crossed the wire");
    for host in [&a, &b] {
        host.unmount();
        host.fsck();
    }
}
