//! The network between two hosts: a rate, and whatever else a test wants to happen to it.

use bosr_netlab::command::obey;
use bosr_netlab::{Lab, Plan};

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

    /// Bytes that have crossed the cable so far, both ways.
    pub(crate) fn bytes(&self) -> u64 {
        let (sent, received) = self.lab.traffic(0).unwrap();
        sent + received
    }
}
