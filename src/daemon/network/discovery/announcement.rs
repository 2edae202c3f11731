//! What is announced on the local network: that something answers at a port, under names made for the occasion,
//! with a tag that says nothing to strangers.
//!
//! The names change with whatever they stand for (the day, the epoch, the port) and at each start, so that they
//! lead from one to the other no more than the tags do.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use data_encoding::HEXLOWER;

use super::tag::Tag;
use crate::ambient::{self, Entropy};

/// The addresses at which a listener answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// All of this machine's.
    All,
    /// All of this machine's that are IPv4.
    AllV4,
    /// One.
    One(IpAddr),
}

/// What there is to be announced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Subject {
    /// Where it answers.
    pub(super) place: Place,
    /// At which port.
    pub(super) port: u16,
    /// The vault's tag.
    pub(super) tag: Tag,
}

impl Subject {
    /// Of a listener; nothing if others cannot reach it.
    pub(super) fn of(bound: SocketAddr, tag: Tag) -> Option<Subject> {
        let place = match bound.ip().to_canonical() {
            ip if ip.is_loopback() => return None,
            IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Place::AllV4,
            ip if ip.is_unspecified() => Place::All,
            ip => Place::One(ip),
        };
        Some(Subject { place, port: bound.port(), tag })
    }
}

/// What is said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Announcement {
    /// The name of the service's instance.
    pub(super) instance: String,
    /// The name of the machine.
    pub(super) host: String,
    /// Of what.
    pub(super) subject: Subject,
}

impl Announcement {
    /// Under new names.
    pub(super) fn of(subject: Subject, entropy: &dyn Entropy) -> Self {
        let name = || HEXLOWER.encode(&ambient::random::<16>(entropy));
        Announcement { instance: name(), host: name(), subject }
    }

    /// Whether a service of this full name is this one.
    pub(super) fn is_called(&self, full: &str) -> bool {
        full.split('.').next() == Some(&self.instance)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ambient::Ambient;

    const TAG: Tag = Tag([1; 16]);

    #[test]
    fn a_listener_is_announced_where_others_reach_it() {
        let place = |bound: &str| Subject::of(bound.parse().unwrap(), TAG).map(|subject| subject.place);
        assert_eq!(place("[::]:4747"), Some(Place::All));
        assert_eq!(place("0.0.0.0:4747"), Some(Place::AllV4));
        assert_eq!(place("[::ffff:0.0.0.0]:4747"), Some(Place::AllV4));
        assert_eq!(place("192.0.2.1:1"), Some(Place::One("192.0.2.1".parse().unwrap())));
        assert_eq!(place("[fd00::1]:1"), Some(Place::One("fd00::1".parse().unwrap())));
        assert_eq!([place("127.0.0.1:4747"), place("[::1]:4747")], [None, None]);
    }

    #[test]
    fn names_are_new_each_time_and_no_longer_than_a_label() {
        let entropy = Ambient::host().entropy;
        let subject = Subject::of("[::]:4747".parse().unwrap(), TAG).unwrap();
        let [first, second] = [(); 2].map(|()| Announcement::of(subject, &*entropy));
        let names = [&first.instance, &first.host, &second.instance, &second.host];
        for (at, name) in names.iter().enumerate() {
            assert!(name.len() == 32 && !names[..at].contains(name));
        }
        let full = format!("{}._bosr._udp.local.", first.instance);
        assert!(first.is_called(&full) && !second.is_called(&full));
    }
}
