//! This machine as a new device of a vault elsewhere.

use std::sync::Arc;

use super::create::create_store;
use super::error::{DaemonError, chain};
use super::network::{PeerBook, transports, trust_inviter};
use super::news::News;
use super::opening::{OpenVault, store_error, vault_error};
use super::target::Target;
use crate::ambient::Ambient;
use crate::crypto::{DeviceKey, DevicePublic, Keyring, Unlock};
use crate::miror::admission::{Refusal, Welcome};
use crate::miror::dialling;
use crate::miror::handshake::{HandshakeError, join as shake_hands};
use crate::miror::quic::Quic;
use crate::miror::ticket::Ticket;
use crate::vault::Vault;

/// How long the inviter may take: it makes a commit meanwhile.
const WELCOME_WAIT: std::time::Duration = std::time::Duration::from_secs(40);
/// What an inviter without a name is called.
const NAMELESS: &str = "inviter";

/// Reads a ticket, and whether it may still be good.
pub fn parse_ticket(text: &str, ambient: &Ambient) -> Result<Ticket, DaemonError> {
    let ticket = Ticket::parse(text);
    let ticket = ticket.and_then(|ticket| ticket.check_time(ambient.clock.wall()).map(|()| ticket));
    ticket.map_err(|error| DaemonError::Ticket { reason: error.to_string() })
}

/// What came of joining: the names of two devices in the vault.
#[derive(Debug)]
pub struct Joined {
    /// This one.
    pub device: String,
    /// The one that had made the ticket.
    pub peer: String,
}

/// Joins with a ticket, and asks to be called `device`.
pub async fn join(
    target: &Target,
    ticket: &Ticket,
    unlock: Unlock,
    device: &str,
    ambient: &Ambient,
) -> Result<Joined, DaemonError> {
    let key = DeviceKey::generate(ambient.entropy.as_ref());
    let found = present(ticket, &key, device, ambient).await?;
    let (target, ambient) = (target.clone(), ambient.clone());
    let made = tokio::task::spawn_blocking(move || {
        make(&target, key, &found, &unlock, ambient)
            .map(|()| Joined { peer: found.name(), device: found.welcome.joiner })
    });
    made.await.unwrap_or_else(|error| Err(DaemonError::internal("joining the vault", &error)))
}

/// An inviter that has welcomed us.
pub(super) struct Found {
    /// Its key.
    pub(super) key: DevicePublic,
    /// What it gave.
    pub(super) welcome: Welcome,
    /// Where it was found, and where else it may be.
    pub(super) addresses: Vec<String>,
}

impl Found {
    fn name(&self) -> String {
        if self.welcome.inviter.is_empty() { NAMELESS.to_owned() } else { self.welcome.inviter.clone() }
    }
}

/// Presents the ticket at each of its addresses until one answers.
pub(super) async fn present(
    ticket: &Ticket,
    key: &DeviceKey,
    device: &str,
    ambient: &Ambient,
) -> Result<Found, DaemonError> {
    let (mut causes, transports) = (Vec::new(), transports()?);
    let quic = Quic::new().map_err(|error| DaemonError::internal("making a certificate", &error))?;
    for address in &ticket.addresses {
        let stream = match dialling::connect(address, transports, &quic).await {
            Ok(stream) => stream,
            Err(error) => {
                causes.push(format!("{address}: {error}"));
                continue;
            }
        };
        let shaken =
            tokio::time::timeout(WELCOME_WAIT, shake_hands(stream, ticket, key, device, &ambient.entropy));
        match shaken.await.unwrap_or(Err(HandshakeError::Slow)) {
            Ok((inviter, welcome)) => {
                let others = ticket.addresses.iter().filter(|other| *other != address);
                let addresses = std::iter::once(address).chain(others).cloned().collect();
                return Ok(Found { key: inviter, welcome, addresses });
            }
            Err(HandshakeError::RefusedByPeer(Refusal::Ticket(why))) => {
                return Err(DaemonError::Ticket { reason: why.to_string() });
            }
            Err(HandshakeError::RefusedByPeer(why)) => {
                return Err(DaemonError::Refusal { peer: address.clone(), reason: why.to_string() });
            }
            Err(error) => causes.extend(chain(&error).into_iter().map(|cause| format!("{address}: {cause}"))),
        }
    }
    Err(DaemonError::Unreachable { peer: "the device that made the ticket".to_owned(), causes })
}

/// Makes the store of this device: no state yet, but keys, and where to fetch it.
fn make(
    target: &Target,
    key: DeviceKey,
    found: &Found,
    unlock: &Unlock,
    ambient: Ambient,
) -> Result<(), DaemonError> {
    let keyring = Keyring::from_inviter(found.welcome.keyring.as_slice(), key)
        .map_err(|error| DaemonError::internal("taking over the keys", &error))?;
    let (store, keyring, _lock) = create_store(target, keyring, unlock, &ambient)?;
    trust_inviter(&store, &found.key).map_err(|error| store_error(target, error))?;
    let vault: Arc<Vault> = Vault::create_joining(store, keyring.device().public(), ambient)
        .map_err(|error| vault_error("making the vault", error))?;
    let book = PeerBook::new(vault.clone(), News::default());
    let remembered = book.found(&found.name(), &found.key, found.addresses.clone());
    remembered.map_err(|error| store_error(target, error))?;
    OpenVault::made(vault)?.close()
}
