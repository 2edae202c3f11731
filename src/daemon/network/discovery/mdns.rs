//! The shell over `mdns-sd`: a thread of its own that speaks mDNS on the machine's networks.
//!
//! Not on the loopback: what is announced is for other machines.

use std::net::{SocketAddr, SocketAddrV6};
use std::time::Duration;

use mdns_sd::{IfKind, Receiver, ResolvedService, ScopedIp, ServiceDaemon, ServiceEvent, ServiceInfo};

use super::announcement::{Announcement, Place, Subject};
use super::tag::Tag;

/// The type of the service.
const SERVICE: &str = "_bosr._udp.local.";
/// The name of the tag in the service's TXT record.
const TAG: &str = "tag";
/// Seconds between two looks at the machine's addresses.
const ADDRESS_INTERVAL: u32 = 2;
/// Addresses of one service that are looked at.
const MOST_ADDRESSES: usize = 32;
/// Timers that take as much memory as a record, or less.
const TIMERS_IN_A_RECORD: u64 = 64;
/// How long the thread may take to answer.
const ANSWER_WAIT: Duration = Duration::from_secs(1);

/// What happened to a service of ours.
#[derive(Debug)]
pub(super) enum Found {
    /// It is there, or is there otherwise than before.
    Here {
        /// Its name.
        name: String,
        /// Where it says it answers.
        addresses: Vec<SocketAddr>,
        /// Its tag.
        tag: Tag,
    },
    /// It has gone, by its own word or for lack of one.
    Gone(String),
}

/// mDNS, until it is dropped.
pub(super) struct Mdns {
    daemon: ServiceDaemon,
    /// The full name of the service that is announced.
    announced: Option<String>,
    browsing: Option<Receiver<ServiceEvent>>,
}

impl Mdns {
    /// Nothing is said and nothing looked for yet.
    pub(super) fn start() -> mdns_sd::Result<Self> {
        let daemon = ServiceDaemon::new()?;
        let mdns = Mdns { daemon, announced: None, browsing: None };
        mdns.daemon.disable_interface(vec![IfKind::LoopbackV4, IfKind::LoopbackV6])?;
        mdns.daemon.set_ip_check_interval(ADDRESS_INTERVAL)?;
        Ok(mdns)
    }

    /// Announces this, and nothing else any more.
    pub(super) fn announce(&mut self, announcement: &Announcement) -> mdns_sd::Result<()> {
        self.retract()?;
        let info = service(announcement)?;
        let name = info.get_fullname().to_owned();
        self.daemon.register(info)?;
        self.announced = Some(name);
        Ok(())
    }

    /// Says goodbye for what is announced.
    pub(super) fn retract(&mut self) -> mdns_sd::Result<()> {
        match self.announced.take() {
            Some(name) => self.daemon.unregister(&name).map(drop),
            None => Ok(()),
        }
    }

    /// Looks for services of ours, or does so no more.
    pub(super) fn browse(&mut self, wanted: bool) -> mdns_sd::Result<()> {
        match (wanted, self.browsing.is_some()) {
            (true, false) => self.browsing = Some(self.daemon.browse(SERVICE)?),
            (false, true) => {
                self.browsing = None;
                self.daemon.stop_browse(SERVICE)?;
            }
            (true, true) | (false, false) => {}
        }
        Ok(())
    }

    /// What happens next; never, while nothing is looked for. `None` once no more is told: too much happened.
    pub(super) async fn next(&self) -> Option<Found> {
        let Some(events) = &self.browsing else { return std::future::pending().await };
        loop {
            match events.recv_async().await.ok()? {
                ServiceEvent::ServiceResolved(service) => {
                    if let Some(found) = here(&service) {
                        return Some(found);
                    }
                }
                ServiceEvent::ServiceRemoved(_, name) => return Some(Found::Gone(name)),
                ServiceEvent::SearchStopped(_) => return None,
                _ => {}
            }
        }
    }

    /// Records of others that it keeps, and timers for them, which are small: it sets itself no bound. `None` if it
    /// does not say.
    pub(super) async fn records(&self) -> Option<u64> {
        let asked = self.daemon.get_metrics().ok()?;
        let told = tokio::time::timeout(ANSWER_WAIT, asked.recv_async()).await.ok()?.ok()?;
        let weight = |(name, count): (&String, &i64)| match name.as_str() {
            "timer" => count.unsigned_abs() / TIMERS_IN_A_RECORD,
            name if name.starts_with("cached-") => count.unsigned_abs(),
            _ => 0,
        };
        Some(told.iter().map(weight).sum())
    }

    /// Says goodbye and ends.
    pub(super) async fn end(self) {
        if let Ok(ended) = self.daemon.shutdown() {
            let _ = tokio::time::timeout(ANSWER_WAIT, ended.recv_async()).await;
        }
    }
}

impl Drop for Mdns {
    fn drop(&mut self) {
        // Fails if it has ended already.
        let _ = self.daemon.shutdown();
    }
}

fn service(announcement: &Announcement) -> mdns_sd::Result<ServiceInfo> {
    let Announcement { instance, host, subject: Subject { place, port, tag } } = announcement;
    let properties = [(TAG, tag.text())];
    let host = format!("{host}.local.");
    let new =
        |addresses: &str| ServiceInfo::new(SERVICE, instance, &host, addresses, *port, properties.as_slice());
    let mut info = match place {
        Place::All => new("")?.enable_addr_auto(),
        Place::AllV4 => {
            let mut info = new("")?.enable_addr_auto();
            info.set_interfaces(vec![IfKind::IPv4]);
            info
        }
        Place::One(ip) => new(&ip.to_string())?,
    };
    // Nobody else has such a name.
    info.set_requires_probe(false);
    Ok(info)
}

fn here(service: &ResolvedService) -> Option<Found> {
    let tag = Tag::parse(service.get_property_val(TAG)??)?;
    let addresses = service.get_addresses().iter().take(MOST_ADDRESSES);
    let addresses = addresses.filter_map(|ip| address(ip, service.get_port())).collect();
    Some(Found::Here { name: service.get_fullname().to_owned(), addresses, tag })
}

/// With the interface where an address needs it to mean something.
fn address(ip: &ScopedIp, port: u16) -> Option<SocketAddr> {
    match ip {
        ScopedIp::V4(v4) => Some(SocketAddr::from((*v4.addr(), port))),
        ScopedIp::V6(v6) => {
            let local = v6.addr().is_unicast_link_local();
            let interface = if local { v6.scope_id().index } else { 0 };
            Some(SocketAddrV6::new(*v6.addr(), port, 0, interface).into())
        }
        _ => None,
    }
}
