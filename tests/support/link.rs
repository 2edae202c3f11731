//! A network cable between two namespaces, with a rate, that can be pulled out and put back.

use std::process::Command;

use super::run;

/// Two network namespaces and the cable between them. Dropped, all of it goes.
pub(crate) struct Link {
    names: [String; 2],
}

impl Link {
    /// Addresses of the two ends.
    pub(crate) const ADDRESSES: [&'static str; 2] = ["10.77.0.1", "10.77.0.2"];

    /// A cable of `rate` (in the words of `tc`, for instance `1gbit`).
    pub(crate) fn new(rate: &str) -> Link {
        let id = std::process::id();
        let link = Link { names: [format!("bosr{id}a"), format!("bosr{id}b")] };
        let [a, b] = &link.names;
        for name in &link.names {
            ip(&["netns", "add", name]);
            ip(&["-n", name, "link", "set", "lo", "up"]);
        }
        ip(&["-n", a, "link", "add", "eth0", "type", "veth", "peer", "name", "eth0", "netns", b]);
        for (name, address) in link.names.iter().zip(Self::ADDRESSES) {
            ip(&["-n", name, "addr", "add", &format!("{address}/24"), "dev", "eth0"]);
            ip(&["-n", name, "link", "set", "eth0", "up"]);
            link.shape(name, rate);
        }
        link
    }

    fn shape(&self, name: &str, rate: &str) {
        let words = [
            "-n", name, "qdisc", "add", "dev", "eth0", "root", "tbf", "rate", rate, "burst", "256kb",
            "latency", "40ms",
        ];
        run(Command::new("tc").args(words));
    }

    /// The namespace of one end.
    pub(crate) fn namespace(&self, end: usize) -> &str {
        &self.names[end]
    }

    /// Pulls the cable.
    pub(crate) fn cut(&self) {
        ip(&["-n", &self.names[0], "link", "set", "eth0", "down"]);
    }

    /// Puts it back.
    pub(crate) fn mend(&self) {
        ip(&["-n", &self.names[0], "link", "set", "eth0", "up"]);
    }

    /// Bytes that have crossed the cable so far, both ways.
    pub(crate) fn bytes(&self) -> u64 {
        let read = |counter: &str| {
            let path = format!("/sys/class/net/eth0/statistics/{counter}");
            let words = ["netns", "exec", &self.names[0], "cat", &path];
            run(Command::new("ip").args(words)).trim().parse::<u64>().unwrap()
        };
        read("rx_bytes") + read("tx_bytes")
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        for name in &self.names {
            let _ = Command::new("ip").args(["netns", "del", name]).status();
        }
    }
}

fn ip(words: &[&str]) {
    run(Command::new("ip").args(words));
}
