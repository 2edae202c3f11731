//! The thread that carries frames between the TAP devices of the hosts, as the conditions have it.
//!
//! It runs ahead of ordinary programs (`SCHED_RR`) and does little: what is to go on at once is written from the
//! buffer it was read into; what is to go later waits in one heap, ordered by time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::time::TimeSpec;

use crate::fate::{Fate, Way};
use crate::segment::Frame;
use crate::table::Table;
use crate::{LabError, kernel, system};

/// More than the longest frame.
const BUFFER: usize = 1 << 17;
/// Frames taken from one device before the others have their turn.
const TURN: usize = 64;
/// Bytes that may be under way, in all directions: 2.5 Gbit/s for 400 ms twice over.
const UNDER_WAY: usize = 256 << 20;

/// A running relay; it ends when this is dropped, and its devices with it.
#[derive(Debug)]
pub(crate) struct Relay {
    ending: Option<UnixStream>,
    thread: Option<JoinHandle<()>>,
}

impl Relay {
    /// Starts it, with devices `t0`, `t1`, … in a network namespace.
    pub(crate) fn start(namespace: &str, table: Arc<Table>, seed: u64) -> Result<Relay, LabError> {
        let (ending, ended) = UnixStream::pair().map_err(LabError::system("a socket"))?;
        let namespace = File::open(format!("/run/netns/{namespace}"));
        let namespace = namespace.map_err(LabError::system("the hub"))?;
        let (ready, outcome) = channel();
        let work = move || begin(&namespace, table, seed, &ended, &ready);
        let thread = std::thread::Builder::new().name("relay".into()).spawn(work);
        let thread = thread.map_err(LabError::system("a thread"))?;
        let died = |_| LabError::asked("the relay ended as it began");
        outcome.recv().map_err(died)??;
        Ok(Relay { ending: Some(ending), thread: Some(thread) })
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        drop(self.ending.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn begin(hub: &File, table: Arc<Table>, seed: u64, ended: &UnixStream, ready: &Sender<Result<(), LabError>>) {
    let made = || -> Result<Vec<File>, LabError> {
        kernel::enter_network(hub)?;
        // Where this is not allowed, delays are less exact under load.
        let _ = system::run("chrt", &["--rr", "-p", "1", &nix::unistd::gettid().to_string()]);
        (0..table.hosts).map(|host| kernel::open_tap(&format!("t{host}"))).collect()
    };
    match made() {
        Ok(devices) => {
            let _ = ready.send(Ok(()));
            Carrier::new(devices, table, seed).carry(ended);
        }
        Err(error) => drop(ready.send(Err(error))),
    }
}

/// A frame under way. Ordered by its time, then by its number.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct UnderWay {
    due: Duration,
    number: u64,
    to: usize,
    frame: Vec<u8>,
}

struct Carrier {
    devices: Vec<File>,
    table: Arc<Table>,
    ways: Vec<Way>,
    waiting: BinaryHeap<Reverse<UnderWay>>,
    bytes: usize,
    number: u64,
    began: Instant,
}

impl Carrier {
    fn new(devices: Vec<File>, table: Arc<Table>, seed: u64) -> Carrier {
        let ways = (0..table.hosts * table.hosts)
            .map(|way| Way::new(seed.wrapping_add(way as u64 * 0x5851)))
            .collect();
        let waiting = BinaryHeap::new();
        Carrier { devices, table, ways, waiting, bytes: 0, number: 0, began: Instant::now() }
    }

    fn now(&self) -> Duration {
        self.began.elapsed()
    }

    /// Until the other end of `ended` is closed.
    fn carry(&mut self, ended: &UnixStream) {
        let mut buffer = vec![0; BUFFER];
        loop {
            let pause = self.waiting.peek().map(|next| TimeSpec::from(next.0.due.saturating_sub(self.now())));
            let mut wanted: Vec<PollFd<'_>> =
                self.devices.iter().map(|device| PollFd::new(device.as_fd(), PollFlags::POLLIN)).collect();
            wanted.push(PollFd::new(ended.as_fd(), PollFlags::POLLIN));
            if ppoll(&mut wanted, pause, None).is_err() {
                continue;
            }
            let able: Vec<bool> = wanted.iter().map(|one| one.any().unwrap_or(true)).collect();
            if able.last() == Some(&true) {
                return;
            }
            self.deliver();
            for host in (0..self.devices.len()).filter(|host| able.get(*host) == Some(&true)) {
                self.take(host, &mut buffer);
            }
        }
    }

    /// Sends on what is due.
    fn deliver(&mut self) {
        let now = self.now();
        while self.waiting.peek().is_some_and(|next| next.0.due <= now) {
            let Some(Reverse(next)) = self.waiting.pop() else { return };
            self.bytes -= next.frame.len();
            self.write(next.to, &next.frame);
        }
    }

    /// A device takes a frame at once or, when its host takes no more, not at all.
    fn write(&self, to: usize, frame: &[u8]) {
        if let Some(mut device) = self.devices.get(to) {
            let _ = device.write(frame);
        }
    }

    /// Takes what a host sends.
    fn take(&mut self, host: usize, buffer: &mut [u8]) {
        for _ in 0..TURN {
            let Some(mut device) = self.devices.get(host) else { return };
            let length = match device.read(buffer) {
                Ok(length) => length,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(_) => return,
            };
            let frame = Frame(buffer.get(..length).unwrap_or_default());
            for to in receivers(&frame, host, self.table.hosts) {
                self.send(host, to, &frame);
            }
        }
    }

    fn send(&mut self, from: usize, to: usize, frame: &Frame<'_>) {
        let condition = self.table.direction(from, to).condition;
        let now = self.now();
        let Some(way) = self.ways.get_mut(from * self.table.hosts + to) else { return };
        for fate in way.fates(&condition, frame, now) {
            let (due, segments) = match fate {
                Fate::Lost(segments) => {
                    self.table.change(from, to, |way| way.counts.lost += segments.len() as u64);
                    continue;
                }
                Fate::At(due, segments) => (due, segments),
            };
            let packets = segments.len() as u64;
            let Some(part) = self.queue(to, frame, segments, due, now) else {
                self.table.change(from, to, |way| way.counts.overrun += packets);
                continue;
            };
            self.table.change(from, to, |way| {
                way.counts.packets += packets;
                way.counts.bytes += part as u64;
            });
        }
    }

    /// Sends part of a frame now or later, and gives its length; `None` if too much is under way.
    fn queue(
        &mut self,
        to: usize,
        frame: &Frame<'_>,
        segments: std::ops::Range<usize>,
        due: Duration,
        now: Duration,
    ) -> Option<usize> {
        let at_once = due <= now && self.waiting.is_empty();
        if at_once && segments == (0..frame.segments()) {
            self.write(to, frame.0);
            return Some(frame.0.len());
        }
        let part = frame.part(segments)?;
        let length = part.len();
        if at_once {
            self.write(to, &part);
        } else {
            if self.bytes + length > UNDER_WAY {
                return None;
            }
            self.bytes += length;
            self.number += 1;
            self.waiting.push(Reverse(UnderWay { due, number: self.number, to, frame: part }));
        }
        Some(length)
    }
}

/// The machine address of a host.
pub(crate) fn machine_address(host: usize) -> [u8; 6] {
    [0x02, 0xb0, 0x5a, 0, 0, u8::try_from(host + 1).unwrap_or(u8::MAX)]
}

/// The hosts that a frame goes to: the one it names, or all others.
fn receivers(frame: &Frame<'_>, from: usize, hosts: usize) -> Vec<usize> {
    let to = frame.destination();
    let group = to[0] & 1 == 1;
    (0..hosts).filter(|host| *host != from && (group || to == machine_address(*host))).collect()
}
