//! What someone sees, and can do, who sits on the wire between two devices.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use bosr_netlab::Chance;
use support::host::Host;
use support::tree;

const MARKERS: [&str; 3] = ["MarkedContentQX7", "MarkedNameQX7", "MarkedTargetQX7"];
/// No byte is changed.
const HONEST: u64 = u64::MAX;

/// Sits between a dialler and a listener: records all bytes, and changes one in each connection if told to.
struct Middle {
    address: String,
    recorded: Arc<Mutex<Vec<u8>>>,
    /// Which byte from the listener to the dialler it changes.
    changes: Arc<AtomicU64>,
}

impl Middle {
    fn before(listener: String) -> Middle {
        let own = TcpListener::bind("127.0.0.1:0").unwrap();
        let middle = Middle {
            address: own.local_addr().unwrap().to_string(),
            recorded: Arc::default(),
            changes: Arc::new(AtomicU64::new(HONEST)),
        };
        let (recorded, changes) = (Arc::clone(&middle.recorded), Arc::clone(&middle.changes));
        // Ends with the process: nothing else is to be done then.
        std::thread::spawn(move || {
            for dialler in own.incoming().flatten() {
                let Ok(far) = TcpStream::connect(&listener) else { continue };
                let change = changes.load(Ordering::SeqCst);
                carry(dialler.try_clone().unwrap(), far.try_clone().unwrap(), Arc::clone(&recorded), HONEST);
                carry(far, dialler, Arc::clone(&recorded), change);
            }
        });
        middle
    }
}

/// Carries bytes one way until their end, on a thread of its own.
fn carry(mut from: TcpStream, mut to: TcpStream, recorded: Arc<Mutex<Vec<u8>>>, change: u64) {
    std::thread::spawn(move || {
        let (mut buffer, mut place) = (vec![0; 1 << 16], 0);
        while let Ok(length @ 1..) = from.read(&mut buffer) {
            recorded.lock().unwrap().extend_from_slice(&buffer[..length]);
            if let Some(offset) = change.checked_sub(place).filter(|offset| *offset < length as u64) {
                buffer[usize::try_from(offset).unwrap()] ^= 0x10;
            }
            place += length as u64;
            if to.write_all(&buffer[..length]).is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Write);
    });
}

/// Two mounted devices of a vault; the second knows the first only through a man in the middle.
fn apart() -> (Host, Host, Middle) {
    let (desk, laptop) = (Host::new("desk"), Host::new("laptop"));
    desk.init();
    desk.mount();
    laptop.join(&desk, None);
    let listens = desk.status()["listen"].clone();
    let listens = listens.as_str().or_else(|| listens[0].as_str()).expect("where it listens").to_owned();
    let middle = Middle::before(listens);
    laptop.ok(&["peer", "remove", "desk"]);
    laptop.ok(&["peer", "add", "desk", &middle.address]);
    laptop.mount();
    (desk, laptop, middle)
}

/// Marked names, targets and bytes; the file does not compress, so that only encryption hides the mark.
fn fill(desk: &Host) {
    let mut chance = Chance::new(1);
    let numbers = std::iter::repeat_with(|| chance.number()).take(50_000);
    let mut bytes: Vec<u8> = numbers.flat_map(u64::to_le_bytes).collect();
    for place in [0, 1000, 200_000] {
        bytes[place..place + MARKERS[0].len()].copy_from_slice(MARKERS[0].as_bytes());
    }
    fs::create_dir(desk.mountpoint().join(MARKERS[1])).unwrap();
    fs::write(desk.mountpoint().join(MARKERS[1]).join("MarkedNameQX7.bin"), bytes).unwrap();
    std::os::unix::fs::symlink(MARKERS[2], desk.mountpoint().join("link")).unwrap();
}

fn holds(bytes: &[u8], part: &str) -> bool {
    bytes.windows(part.len()).any(|window| window == part.as_bytes())
}

#[test]
fn a_listener_on_the_wire_reads_nothing() {
    let (desk, laptop, middle) = apart();
    fill(&desk);
    laptop.ok(&["sync"]);
    tree::assert_same_on_both(&desk.mountpoint(), &laptop.mountpoint());
    let recorded = middle.recorded.lock().unwrap();
    assert!(recorded.len() > 400_000, "{} bytes: it went another way", recorded.len());
    assert!(holds(&recorded, "bosr-mirror/1"), "the protocol's name goes in the clear");
    for marker in MARKERS {
        assert!(!holds(&recorded, marker), "{marker}");
    }
    assert!(!holds(&recorded, "laptop"), "names of devices");
}

/// A changed byte anywhere (clear name, handshake, verdict, messages) ends the connection; the vault is as before,
/// and without the man in the middle all is well.
#[test]
fn a_changed_byte_ends_the_connection_and_changes_nothing() {
    let (desk, laptop, middle) = apart();
    fill(&desk);
    for place in [0, 40, 150, 400, 5_000, 300_000] {
        middle.changes.store(place, Ordering::SeqCst);
        let tried = laptop.output(&["sync"]);
        assert_eq!(tried.status.code(), Some(4), "byte {place}: {tried:?}");
        for name in fs::read_dir(laptop.mountpoint()).unwrap().flatten() {
            assert!(desk.mountpoint().join(name.file_name()).symlink_metadata().is_ok(), "{name:?}");
        }
    }
    middle.changes.store(HONEST, Ordering::SeqCst);
    laptop.ok(&["sync", "desk"]);
    tree::assert_same_on_both(&desk.mountpoint(), &laptop.mountpoint());
    for host in [&desk, &laptop] {
        host.unmount();
        host.fsck();
    }
}
