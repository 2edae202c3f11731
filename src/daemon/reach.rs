//! How a command reaches a vault: through its owner if it has one; else it starts one in the background, or
//! opens the vault itself for as long as it runs.

use std::sync::Arc;
use std::time::Duration;

use super::client::{Client, Connector};
use super::error::DaemonError;
use super::handoff;
use super::owner::{Owner, Role};
use super::paths::Paths;
use super::target::Target;
use crate::ambient::Ambient;
use crate::crypto::Keyring;
use crate::store::lock::{Holder, StoreLock};

/// How long somebody who holds the lock may take to answer: it is opening the vault, or ending.
const ANSWER_WAIT: Duration = Duration::from_secs(5);
/// How often to look again meanwhile.
const ANSWER_POLL: Duration = Duration::from_millis(20);

/// What a command needs of whoever has the vault open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Anybody will do; if there is nobody, this process opens the vault.
    Anybody,
    /// Somebody who stays when this command has ended.
    Owner,
    /// Somebody who stays; if there is nobody, this process.
    OwnerHere,
}

/// A vault that was reached.
pub struct Reached {
    /// To speak to it.
    pub client: Client,
    /// The owner in this process, if nobody else had the vault open.
    inside: Option<Owner>,
}

impl Reached {
    /// Returns once nobody needs an owner in this process any more; at once if it is elsewhere.
    pub async fn unused(&self) {
        if let Some(owner) = &self.inside {
            owner.leases().unused().await;
        }
    }

    /// Ends an owner in this process in good order; others stay.
    pub async fn close(self) -> Result<(), DaemonError> {
        let Reached { client, inside } = self;
        drop(client);
        match inside {
            Some(owner) => owner.close().await,
            None => Ok(()),
        }
    }
}

/// How to open a vault that nobody has open.
pub struct Opening<'a> {
    /// Reads the key and unlocks.
    pub unlock: &'a dyn Fn() -> Result<Keyring, DaemonError>,
    /// Where an owner listens, if the command line says so.
    pub listen: Option<String>,
    /// Clock and randomness.
    pub ambient: Ambient,
}

/// Reaches the vault.
pub async fn reach(target: &Target, need: Need, opening: &Opening<'_>) -> Result<Reached, DaemonError> {
    let mut keyring = None;
    let begun = opening.ambient.clock.monotonic();
    loop {
        let holder = match holder(target)? {
            Some(holder) => holder,
            None => {
                let keyring: &Arc<Keyring> = match &keyring {
                    Some(keyring) => keyring,
                    None => keyring.insert(Arc::new((opening.unlock)()?)),
                };
                match open(target, need, keyring, opening).await {
                    Ok(Some(reached)) => return Ok(reached),
                    // Somebody was quicker, or the owner just started is to be asked.
                    Ok(None) | Err(DaemonError::InUse { .. }) => None,
                    Err(error) => return Err(error),
                }
            }
        };
        if let Some(client) = ask(target, need, holder.as_ref()).await {
            return Ok(Reached { client, inside: None });
        }
        if opening.ambient.clock.monotonic().saturating_sub(begun) > ANSWER_WAIT {
            let pid = holder.map(|holder| holder.pid);
            return Err(DaemonError::InUse { store: target.store_shown(), pid });
        }
        tokio::time::sleep(ANSWER_POLL).await;
    }
}

/// Who has the vault open: nobody, somebody unknown, somebody known.
fn holder(target: &Target) -> Result<Option<Option<Holder>>, DaemonError> {
    if !target.exists() {
        return Err(DaemonError::NotInitialised { store: target.store_shown() });
    }
    StoreLock::holder(&target.store).map_err(|error| DaemonError::setup(target.store_shown(), &error))
}

/// Opens a vault that nobody has open; in the background, it is then to be asked.
async fn open(
    target: &Target,
    need: Need,
    keyring: &Arc<Keyring>,
    opening: &Opening<'_>,
) -> Result<Option<Reached>, DaemonError> {
    match need {
        Need::Owner => handoff::start(target, keyring, opening.listen.as_deref()).map(|()| None),
        Need::Anybody | Need::OwnerHere => {
            let role = if need == Need::Anybody { Role::Command } else { Role::Stays };
            let (listen, ambient) = (opening.listen.clone(), opening.ambient.clone());
            let owner = Owner::begin(target, keyring.clone(), listen, role, ambient).await?;
            let client = owner.client().await?;
            Ok(Some(Reached { client, inside: Some(owner) }))
        }
    }
}

/// Connects to whoever has the vault open, if it answers and is of the kind that is needed.
async fn ask(target: &Target, need: Need, holder: Option<&Holder>) -> Option<Client> {
    let socket = holder?.socket.clone()?;
    let client = Client::connect(Connector::Socket(socket), target.store_shown()).await.ok()?;
    (need == Need::Anybody || client.hello.stays).then_some(client)
}

/// The owner of the vault, if it has one that answers: for commands that ask for nothing else.
pub async fn ask_owner(target: &Target) -> Result<Option<Client>, DaemonError> {
    let Some(holder) = holder(target)? else { return Ok(None) };
    Ok(ask(target, Need::Anybody, holder.as_ref()).await)
}

/// The owners of all vaults of this user that answer.
pub async fn every_owner(paths: &Paths) -> Vec<Client> {
    let mut clients = Vec::new();
    for socket in paths.sockets() {
        let shown = socket.display().to_string();
        clients.extend(Client::connect(Connector::Socket(socket), shown).await.ok());
    }
    clients
}
