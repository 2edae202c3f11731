//! kill -9 of a mount's owner: what fsync returned from is there afterwards. (Power cuts are in `durability`: the
//! page cache survives a kill.)
#![allow(clippy::disallowed_methods, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::fs;
use std::io::Write;
use std::time::Duration;

use support::host::Host;
use support::until;

/// Five rounds: a writer fsyncs line after line, the owner is killed, the mount is made again over the dead one.
#[test]
fn what_was_synced_survives_the_owner() {
    let host = Host::new("desk");
    host.init();
    host.mount();
    let path = host.mountpoint().join("log");
    let mut synced = Vec::new();
    for round in 0..5 {
        let mut file = fs::OpenOptions::new().create(true).append(true).open(&path).unwrap();
        for line in 0..20 * (round + 1) {
            let line = format!("round {round} line {line}\n");
            file.write_all(line.as_bytes()).unwrap();
            file.sync_data().unwrap();
            synced.extend(line.into_bytes());
        }
        host.kill_owner();
        assert!(file.write_all(b"to nobody").is_err(), "a dead mount takes no writes");
        drop(file);
        host.mount();
        until("the file", Duration::from_secs(10), || path.exists());
        assert_eq!(String::from_utf8_lossy(&fs::read(&path).unwrap()), String::from_utf8_lossy(&synced));
    }
    host.unmount();
    host.fsck();
}
