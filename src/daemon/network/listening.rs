//! Whether and where this vault answers peers that dial.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use nix::ifaddrs::getifaddrs;
use nix::net::if_::InterfaceFlags;
use tokio::net::lookup_host;
use tokio::sync::Mutex;

use super::super::error::{DaemonError, chain};
use super::address::{DEFAULT_PORT, Listen};
use crate::miror::replicator::Replicator;
use crate::vault::Vault;

/// The local record of the port this vault listened on last: its peers know it there.
const LAST_PORT: &[u8] = b"daemon/port/1";

/// The listener of one vault. It begins once and stays until the replicator is closed.
pub struct Listening {
    vault: Arc<Vault>,
    asked: Listen,
    bound: Mutex<Option<SocketAddr>>,
}

impl Listening {
    /// Not yet.
    pub fn new(vault: Arc<Vault>, asked: Listen) -> Self {
        Listening { vault, asked, bound: Mutex::new(None) }
    }

    /// Where it is, if it is.
    pub async fn address(&self) -> Option<SocketAddr> {
        *self.bound.lock().await
    }

    /// Begins to listen, unless it does or is not to.
    pub async fn begin(&self, replicator: &Replicator) -> Result<Option<SocketAddr>, DaemonError> {
        self.begin_at(None, replicator).await
    }

    /// As [`Listening::begin`]; if it does not listen yet, at `asked` rather than where it was to.
    pub async fn begin_at(
        &self,
        asked: Option<&Listen>,
        replicator: &Replicator,
    ) -> Result<Option<SocketAddr>, DaemonError> {
        let mut bound = self.bound.lock().await;
        if bound.is_none() {
            *bound = match asked.unwrap_or(&self.asked) {
                Listen::Off => None,
                Listen::Default => Some(by_default(replicator, self.last_port()).await?),
                Listen::At(address) => Some(at(replicator, address).await?),
            };
            if let Some(address) = *bound {
                self.remember_port(address.port());
            }
        }
        Ok(*bound)
    }
}

impl Listening {
    /// The port that peers found this vault at last.
    fn last_port(&self) -> Option<u16> {
        let bytes = self.vault.store().local(LAST_PORT)?;
        Some(u16::from_be_bytes(*bytes.first_chunk()?))
    }

    fn remember_port(&self, port: u16) {
        if self.last_port() == Some(port) {
            return;
        }
        let record = (LAST_PORT.to_vec(), Some(port.to_be_bytes().to_vec()));
        // Not worth failing for: it is only where peers look first.
        if let Err(error) = self.vault.store().set_local(vec![record]) {
            tracing::warn!(%error, "the port could not be remembered");
        }
    }
}

/// At an address that somebody asked for; nothing else will do.
async fn at(replicator: &Replicator, address: &str) -> Result<SocketAddr, DaemonError> {
    let failed =
        |error: std::io::Error| DaemonError::Listen { address: address.to_owned(), causes: chain(&error) };
    let mut last = std::io::Error::other("it names no address of this machine");
    for address in lookup_host(address).await.map_err(failed)? {
        match replicator.listen(address).await {
            Ok(bound) => return Ok(bound),
            Err(error) => last = error,
        }
    }
    Err(failed(last))
}

/// On all addresses; at the port of last time, else the usual one, else any that is free; without IPv6 if
/// there is none.
async fn by_default(replicator: &Replicator, last_port: Option<u16>) -> Result<SocketAddr, DaemonError> {
    let any: [IpAddr; 2] = [Ipv6Addr::UNSPECIFIED.into(), Ipv4Addr::UNSPECIFIED.into()];
    let mut last = None;
    for port in last_port.into_iter().chain([DEFAULT_PORT, 0]) {
        for address in any.map(|ip| SocketAddr::new(ip, port)) {
            match replicator.listen(address).await {
                Ok(bound) if port == 0 => {
                    tracing::warn!(%bound, "port {DEFAULT_PORT} is taken, listening on another");
                    return Ok(bound);
                }
                Ok(bound) => return Ok(bound),
                Err(error) => last = Some(error),
            }
        }
    }
    let causes = last.iter().flat_map(|error| chain(error)).collect();
    Err(DaemonError::Listen { address: format!("[::]:{DEFAULT_PORT}"), causes })
}

/// What others may reach `bound` by, the likeliest first: for an address of all interfaces, those of each, and
/// last this machine's own, for two vaults on one machine.
pub fn reachable(bound: SocketAddr) -> Vec<String> {
    if !bound.ip().is_unspecified() {
        return vec![bound.to_string()];
    }
    let mut found: Vec<IpAddr> = interface_addresses();
    if bound.is_ipv4() {
        found.retain(IpAddr::is_ipv4);
    }
    found.sort_by_key(|ip| (ip.is_loopback(), ip.is_ipv6()));
    found.dedup();
    found.into_iter().map(|ip| SocketAddr::new(ip, bound.port()).to_string()).collect()
}

/// The addresses of this machine that can be of use now.
pub(super) fn interface_addresses() -> Vec<IpAddr> {
    let interfaces = getifaddrs().into_iter().flatten();
    // Running: the cable is in, the radio is connected.
    let usable = InterfaceFlags::IFF_UP | InterfaceFlags::IFF_RUNNING;
    let up = interfaces.filter(|interface| interface.flags.contains(usable));
    let addresses = up.filter_map(|interface| {
        let address = interface.address?;
        let v4 = address.as_sockaddr_in().map(|v4| IpAddr::from(v4.ip()));
        v4.or_else(|| address.as_sockaddr_in6().map(|v6| IpAddr::from(v6.ip())))
    });
    // A link-local address means nothing without its interface.
    addresses.filter(|ip| !matches!(ip, IpAddr::V6(v6) if v6.is_unicast_link_local())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_was_chosen_is_the_one_to_reach() {
        let bound: SocketAddr = "192.0.2.1:7".parse().unwrap();
        assert_eq!(reachable(bound), ["192.0.2.1:7"]);
    }

    #[test]
    fn this_machine_comes_last() {
        let found = reachable("[::]:7".parse().unwrap());
        let first_own =
            found.iter().position(|address| address.starts_with("127.") || address.starts_with("[::1]"));
        let own = |address: &String| address.starts_with("127.") || address.starts_with("[::1]");
        assert!(found.iter().skip(first_own.unwrap_or(found.len())).all(own), "{found:?}");
    }
}
