//! First sync of an empty vault from populated ones, over shaped links between network namespaces.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use support::host::Host;
use support::link::Link;
use support::tree;

/// A real tree of 5,000 files and 500 MB arrives whole, and nothing is sent twice.
#[test]
fn an_empty_device_receives_a_real_tree() {
    let link = Link::new("1gbit");
    let a = Host::in_namespace("desk", link.namespace(0));
    let b = Host::in_namespace("laptop", link.namespace(1));
    a.init();
    a.mount();
    tree::fill(&a.mountpoint(), 5_000, 300_000_000);
    // What the sources lack of 500 MB.
    support::shell(&a.mountpoint(), "head -c 200000000 /dev/urandom > more.bin");
    let (files, bytes) = tree::size(&a.mountpoint());
    eprintln!("{files} files with {bytes} bytes");
    assert!(files >= 5_000 && bytes >= 500_000_000, "{files} files with {bytes} bytes are no real tree");
    let listen = format!("{}:4747", Link::ADDRESSES[0]);
    b.join(&a, Some(&listen));
    b.mount();
    b.ok(&["sync"]);
    tree::assert_same_on_both(&a.mountpoint(), &b.mountpoint());
    assert!(!a.root().is_empty());
    assert_eq!(a.root(), b.root());

    let before = link.bytes();
    b.ok(&["sync"]);
    let again = link.bytes() - before;
    eprintln!("a second sync moved {again} bytes");
    assert!(again < 4096, "a second sync moved {again} bytes");
    for host in [&a, &b] {
        host.unmount();
        host.fsck();
    }
}

/// What two devices have comes to a third once, not from each.
#[test]
fn what_two_devices_have_comes_to_a_third_once() {
    const BYTES: u64 = 60_000_000;
    let names = ["desk", "laptop", "tablet"];
    let link = Link::of(&names);
    let mut end = 0..;
    let [desk, laptop, tablet] =
        names.map(|name| Host::in_namespace(name, link.namespace(end.next().unwrap())));
    let listen = format!("{}:4747", link.address(0));
    desk.init();
    desk.mount();
    for host in [&laptop, &tablet] {
        host.join(&desk, Some(&listen));
        host.mount();
    }
    laptop.ok(&["sync"]);
    tablet.ok(&["peer", "add", "laptop", &format!("{}:4747", link.address(1))]);
    // It learns of the laptop from the desk, and syncs with it in the same go.
    tablet.ok(&["sync"]);
    support::shell(&desk.mountpoint(), &format!("head -c {BYTES} /dev/urandom | split -b 1M"));
    laptop.ok(&["sync"]);

    let before = link.bytes_at(2);
    tablet.ok(&["sync"]);
    let moved = link.bytes_at(2) - before;
    eprintln!("{moved} bytes moved for {BYTES}");
    assert!(moved < BYTES * 5 / 4, "{moved} bytes moved for {BYTES}");
    tree::assert_same_on_both(&desk.mountpoint(), &tablet.mountpoint());
    for host in [&desk, &laptop, &tablet] {
        host.unmount();
        host.fsck();
    }
}
