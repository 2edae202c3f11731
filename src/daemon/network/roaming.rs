//! Follows this machine from network to network: sessions over an address that has gone end, and when one has come
//! peers are dialled anew: what could not be reached there may be reached here.

use std::io;
use std::net::IpAddr;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::time::Duration;

use nix::sys::socket::{AddressFamily, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, socket};
use tokio::net::UnixDatagram;
use tokio::task::JoinHandle;

use super::Followings;
use super::listening::interface_addresses;
use crate::miror::replicator::Replicator;

/// How long the kernel's news are let come together: an address comes with its routes, and is of no use before them.
const SETTLING: Duration = Duration::from_millis(300);

/// Runs until it is dropped.
pub(super) struct Roaming(JoinHandle<()>);

impl Roaming {
    /// Begins. Without news from the kernel peers are dialled after their waits, as ever.
    pub(super) fn start(followings: Arc<Followings>, replicator: Replicator) -> Self {
        Roaming(tokio::spawn(async move {
            if let Err(error) = roam(&followings, &replicator).await {
                tracing::warn!(%error, "the kernel tells of no change of this machine's addresses");
            }
        }))
    }
}

impl Drop for Roaming {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn roam(followings: &Followings, replicator: &Replicator) -> io::Result<()> {
    let news = AddressNews::subscribe()?;
    let mut known = interface_addresses();
    loop {
        news.come().await?;
        tokio::time::sleep(SETTLING).await;
        let now = interface_addresses();
        if now != known {
            tracing::debug!(count = now.len(), "the addresses of this machine have changed");
        }
        replicator.end_over(&beyond(&known, &now));
        if !beyond(&now, &known).is_empty() {
            followings.nudge_all();
        }
        known = now;
    }
}

/// The kernel's word that an address or an interface of this machine has changed. A datagram socket like others: only
/// its family has no type of its own.
struct AddressNews(UnixDatagram);

impl AddressNews {
    /// `RTMGRP_LINK`, `RTMGRP_IPV4_IFADDR`, `RTMGRP_IPV6_IFADDR` of rtnetlink(7).
    const GROUPS: u32 = 0x1 | 0x10 | 0x100;

    fn subscribe() -> io::Result<Self> {
        let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
        let route = SockProtocol::NetlinkRoute;
        let socket = socket(AddressFamily::Netlink, SockType::Raw, flags, route)?;
        bind(socket.as_raw_fd(), &NetlinkAddr::new(0, Self::GROUPS))?;
        Ok(AddressNews(UnixDatagram::from_std(socket.into())?))
    }

    /// Returns when something has changed since the last time; what, is for who asks to look up.
    async fn come(&self) -> io::Result<()> {
        let mut message = [0; 8192];
        match self.0.recv(&mut message).await {
            // More has come than the kernel keeps: that is news too.
            Err(error) if error.raw_os_error() != Some(nix::libc::ENOBUFS) => return Err(error),
            _ => {}
        }
        while self.0.try_recv(&mut message).is_ok() {}
        Ok(())
    }
}

/// Those of `some` that are not among `others`.
fn beyond(some: &[IpAddr], others: &[IpAddr]) -> Vec<IpAddr> {
    some.iter().filter(|address| !others.contains(address)).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_and_what_went_are_told_apart() {
        let list = |hosts: &[u8]| hosts.iter().map(|host| [10, 0, 0, *host].into()).collect::<Vec<_>>();
        let known = list(&[1, 2]);
        let came_and_went = |now: &[u8]| [beyond(&list(now), &known), beyond(&known, &list(now))];
        assert_eq!(came_and_went(&[2, 1]), [list(&[]), list(&[])]);
        assert_eq!(came_and_went(&[1]), [list(&[]), list(&[2])]);
        assert_eq!(came_and_went(&[1, 3, 2]), [list(&[3]), list(&[])]);
        assert_eq!(came_and_went(&[3]), [list(&[3]), list(&[1, 2])]);
    }
}
