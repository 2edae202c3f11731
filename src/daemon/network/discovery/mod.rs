//! Devices of the vault that are found on the local network, by mDNS.
//!
//! A listener announces that it is there, under random names, with a [`tag`] that only holders of an epoch
//! recognise. Whoever follows looks for such announcements, asks each who it is ([`neighbours`]), and has the
//! devices that have proved it dialled ([`super::Followings`]). Nothing is believed for being announced: the
//! handshake admits, here as anywhere.
//!
//! [`tag`], [`announcement`], [`allowance`] and [`neighbours`] are plain code without clock, randomness or socket;
//! `mdns` is the shell over the network, `running` the task that connects them.

mod allowance;
mod announcement;
mod mdns;
mod neighbours;
mod running;
mod tag;

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::super::config::VaultConfig;
use super::super::error::DaemonError;
use super::super::keys::VaultKeys;
use super::book::KnownPeers;
use super::{Followings, Listening};
use crate::ambient::Ambient;
use crate::crypto::DevicePublic;
use crate::miror::replicator::Replicator;
use neighbours::Neighbours;
use running::Running;

/// What turns it on or off, whatever the configuration says.
const SWITCH: &str = "BOSR_DISCOVERY";
/// How long saying goodbye may take.
const GOODBYE_WAIT: Duration = Duration::from_secs(2);

/// Whether the environment turns it on or off.
pub(super) fn forced() -> Result<Option<bool>, DaemonError> {
    parse(std::env::var(SWITCH).ok().as_deref())
}

fn parse(text: Option<&str>) -> Result<Option<bool>, DaemonError> {
    match text.map(str::trim) {
        None | Some("") => Ok(None),
        Some("on") => Ok(Some(true)),
        Some("off") => Ok(Some(false)),
        Some(other) => Err(DaemonError::Setup {
            what: SWITCH.to_owned(),
            causes: vec![format!("{other:?} is neither on nor off")],
        }),
    }
}

/// Whether it is on: as the environment says, else as the configuration does.
pub(super) fn is_on(forced: Option<bool>, settings: &VaultConfig) -> bool {
    forced.or(settings.discovery).unwrap_or(true)
}

/// What discovery works with.
pub(super) struct Parts {
    /// For the epochs.
    pub(super) keys: Arc<VaultKeys>,
    /// What is to be announced.
    pub(super) listening: Arc<Listening>,
    /// Who wants to know what is found.
    pub(super) followings: Arc<Followings>,
    /// Asks those that are found.
    pub(super) replicator: Replicator,
    /// The other devices of the vault.
    pub(super) peers: KnownPeers,
    /// Whether it is on, unless the environment says so.
    pub(super) settings: Arc<Mutex<VaultConfig>>,
    /// Whether it is on, if the environment says so.
    pub(super) forced: Option<bool>,
    /// Time and randomness.
    pub(super) ambient: Ambient,
}

impl Parts {
    fn is_on(&self) -> bool {
        is_on(self.forced, &self.settings.lock())
    }
}

/// Where devices of the vault were found. Cheap to clone.
#[derive(Clone, Default)]
pub(super) struct Nearby(Arc<Mutex<Neighbours>>);

impl Nearby {
    /// Where a device has answered.
    pub(super) fn places(&self, device: &DevicePublic) -> Vec<String> {
        self.0.lock().places(device)
    }
}

/// Runs until it is dropped, or ended in good order.
pub(super) struct Discovery {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Discovery {
    /// Begins. What it finds is to be seen in `nearby`.
    pub(super) fn start(parts: Parts, nearby: &Nearby) -> Self {
        let (stop, stopped) = oneshot::channel();
        let running = Running::new(parts, nearby.0.clone());
        let task = tokio::spawn(running.run(async {
            // Dropped, it stops as well.
            let _ = stopped.await;
        }));
        Discovery { stop, task }
    }

    /// Says goodbye to the network, and ends.
    pub(super) async fn end(self) {
        drop(self.stop);
        let _ = tokio::time::timeout(GOODBYE_WAIT, self.task).await;
    }
}

/// Hands `bytes` to all that decodes here.
#[cfg(any(test, feature = "testing"))]
pub(super) fn feed(bytes: &[u8]) {
    let _ = tag::Tag::parse(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_says_on_or_off_or_nothing() {
        assert_eq!(parse(None).unwrap(), None);
        assert_eq!([parse(Some("on")).unwrap(), parse(Some(" off")).unwrap()], [Some(true), Some(false)]);
        assert!(matches!(parse(Some("maybe")), Err(DaemonError::Setup { what, .. }) if what == SWITCH));
    }
}
