//! First sync of an empty vault from a populated one, over a shaped link between two network namespaces.
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
