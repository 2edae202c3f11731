//! Labs as they are: real namespaces, real packets. Needs root.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use bosr_netlab::command::obey;
use bosr_netlab::{Lab, Plan};

/// Long enough for any machine.
const DEADLINE: Duration = Duration::from_secs(60);

fn lab() -> Lab {
    assert!(nix::unistd::geteuid().is_root(), "this test makes network namespaces: run it as root");
    Lab::up(&Plan::default()).unwrap()
}

/// Both ends of a TCP connection from the first host to the second.
fn connection(lab: &Lab) -> (TcpStream, TcpStream) {
    let listener = lab.on(1, || TcpListener::bind("0.0.0.0:5000").unwrap()).unwrap();
    let here = lab.on(0, || TcpStream::connect((lab.address(1), 5000)).unwrap()).unwrap();
    let there = listener.accept().unwrap().0;
    for end in [&here, &there] {
        end.set_nodelay(true).unwrap();
        end.set_read_timeout(Some(DEADLINE)).unwrap();
    }
    (here, there)
}

/// Sends a byte there and back, and gives the time it took.
fn round_trip((here, there): &mut (TcpStream, TcpStream)) -> Duration {
    let began = Instant::now();
    here.write_all(&[1]).unwrap();
    there.read_exact(&mut [0]).unwrap();
    there.write_all(&[2]).unwrap();
    here.read_exact(&mut [0]).unwrap();
    began.elapsed()
}

/// A delay is never shorter than asked for, holds for connections that stand, and can be taken back.
#[test]
fn a_delay_comes_and_goes_under_a_connection_that_stands() {
    let lab = lab();
    let mut connection = connection(&lab);
    round_trip(&mut connection);
    obey(&lab, "set rtt=100ms").unwrap();
    for _ in 0..3 {
        let took = round_trip(&mut connection);
        assert!(took >= Duration::from_millis(100), "{took:?}");
    }
    obey(&lab, "set from=a delay=150ms").unwrap();
    assert!(round_trip(&mut connection) >= Duration::from_millis(200));
    assert!(lab.show().contains("a to b: delay=150ms"), "{}", lab.show());
    obey(&lab, "clear").unwrap();
    let quick = |_| round_trip(&mut connection) < Duration::from_millis(100);
    assert!((0..100).any(quick), "the delay is gone");
}

/// What is sent arrives whole over a network that loses and mixes up packets, large ones taken apart.
#[test]
fn bytes_survive_loss_reordering_and_jitter() {
    let lab = lab();
    obey(&lab, "set delay=1ms jitter=1ms loss=1% reorder=1%").unwrap();
    let (mut here, mut there) = connection(&lab);
    let sent: Vec<u8> =
        (0..20_000_000u32).map(|place| (place.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let received = std::thread::scope(|scope| {
        let receiving = scope.spawn(|| {
            let mut received = Vec::new();
            there.read_to_end(&mut received).unwrap();
            received
        });
        here.write_all(&sent).unwrap();
        drop(here);
        receiving.join().unwrap()
    });
    assert!(received == sent, "{} bytes of {}", received.len(), sent.len());
    let shown = lab.show();
    let lost = |line: &str| line.contains("a to b") && !line.contains("lost=0 ");
    assert!(shown.lines().any(lost), "{shown}");
}

#[test]
fn silence_is_one_way_where_asked_and_ends() {
    let lab = lab();
    let (here, there) = lab
        .on(0, || UdpSocket::bind("0.0.0.0:5000").unwrap())
        .unwrap()
        .connect_to(lab.on(1, || UdpSocket::bind("0.0.0.0:5000").unwrap()).unwrap(), &lab);
    let crosses = |from: &UdpSocket, to: &UdpSocket| {
        from.send(b"x").unwrap();
        to.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
        to.recv(&mut [0; 8]).is_ok()
    };
    obey(&lab, "cut from=a").unwrap();
    assert!(!crosses(&here, &there) && crosses(&there, &here));
    obey(&lab, "mend").unwrap();
    assert!((0..50).any(|_| crosses(&here, &there)));
    obey(&lab, "set drop=udp").unwrap();
    while there.recv(&mut [0; 8]).is_ok() {}
    assert!(!crosses(&here, &there));
    round_trip(&mut connection(&lab));
}

/// Joins two UDP sockets.
trait ConnectTo: Sized {
    fn connect_to(self, other: Self, lab: &Lab) -> (Self, Self);
}

impl ConnectTo for UdpSocket {
    fn connect_to(self, other: UdpSocket, lab: &Lab) -> (UdpSocket, UdpSocket) {
        self.connect((lab.address(1), 5000)).unwrap();
        other.connect((lab.address(0), 5000)).unwrap();
        (self, other)
    }
}

#[test]
fn what_is_not_understood_changes_nothing() {
    let lab = lab();
    let before = lab.show();
    for odd in [
        "",
        "set",
        "set fast",
        "set speed=1",
        "set from=q delay=1ms",
        "cut delay=1ms",
        "unplug q",
        "show a",
        "drop",
    ] {
        assert!(odd == "set" || obey(&lab, odd).is_err(), "{odd}");
    }
    assert_eq!(lab.show(), before);
}

/// A lab goes with its process, also when that is killed: then the next lab takes it down.
#[test]
fn nothing_stays_behind() {
    let netlab = env!("CARGO_BIN_EXE_netlab");
    let gone = |tag: &str| !fs::exists(format!("/run/netns/{tag}.a")).unwrap();
    for end in ["input", "kill"] {
        let mut serving =
            Command::new(netlab).arg("serve").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut tag = String::new();
        let mut said = serving.stdout.take().unwrap();
        while !tag.ends_with('\n') {
            let mut byte = [0];
            said.read_exact(&mut byte).unwrap();
            tag.push(char::from(byte[0]));
        }
        assert!(!gone(tag.trim()));
        match end {
            "input" => drop(serving.stdin.take()),
            _ => serving.kill().unwrap(),
        }
        serving.wait().unwrap();
        let next = (end == "kill").then(lab);
        assert!(gone(tag.trim()), "after {end}");
        drop(next);
    }
}
