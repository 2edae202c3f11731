//! The network between two hosts: a rate, and whatever else a test wants to happen to it.

use std::net::Ipv4Addr;
use std::process::Command;

use bosr_netlab::command::obey;
use bosr_netlab::{Lab, Plan};

use super::run;

/// Two network namespaces and the cable between them. Dropped, all of it goes.
pub(crate) struct Link {
    lab: Lab,
}

impl Link {
    /// Addresses of the two ends.
    pub(crate) const ADDRESSES: [&'static str; 2] = ["10.77.0.1", "10.77.0.2"];

    /// A cable of `rate` (in the words of `tc`, for instance `1gbit`).
    pub(crate) fn new(rate: &str) -> Link {
        Link { lab: Lab::up(&Plan { rate: Some(rate.to_owned()), ..Plan::default() }).unwrap() }
    }

    /// A network of these hosts.
    pub(crate) fn of(hosts: &[&str]) -> Link {
        let hosts = hosts.iter().map(|host| (*host).to_owned()).collect();
        Link { lab: Lab::up(&Plan { hosts, ..Plan::default() }).unwrap() }
    }

    /// Does something in the network of one end, on a thread of its own.
    pub(crate) fn on<T: Send>(&self, end: usize, work: impl FnOnce() -> T + Send) -> T {
        self.lab.on(end, work).unwrap()
    }

    /// The address that an end was given.
    pub(crate) fn address(&self, end: usize) -> Ipv4Addr {
        self.lab.address(end)
    }

    /// Gives an end another address, as a router does to a device that was away.
    pub(crate) fn renumber(&self, end: usize, address: Ipv4Addr) {
        let eth0 = |words: &str| {
            let words: Vec<_> = words.split_whitespace().collect();
            run(Command::new("ip").args(["-n", self.namespace(end)]).args(words));
        };
        eth0("-4 addr flush dev eth0");
        eth0(&format!("addr add {address}/24 dev eth0"));
    }

    /// The namespace of one end.
    pub(crate) fn namespace(&self, end: usize) -> &str {
        self.lab.namespace(end)
    }

    /// Says something to the network, in the words of `scripts/netlab`: `set delay=50ms loss=1%`, `cut from=a`,
    /// `clear`. The ends are called a and b.
    pub(crate) fn say(&self, line: &str) {
        obey(&self.lab, line).unwrap();
    }

    /// Pulls the cable, which both ends notice.
    pub(crate) fn cut(&self) {
        (0..2).for_each(|end| self.lab.plug(end, false).unwrap());
    }

    /// Puts it back.
    pub(crate) fn mend(&self) {
        (0..2).for_each(|end| self.lab.plug(end, true).unwrap());
    }

    /// Bytes that have crossed the cable of the first host so far, both ways.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes_at(0)
    }

    /// Bytes that have crossed a host's cable so far, both ways.
    pub(crate) fn bytes_at(&self, end: usize) -> u64 {
        let (sent, received) = self.lab.traffic(end).unwrap();
        sent + received
    }
}
