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

/// How long somebody who holds the lock and listens may take to answer.
const ANSWER_WAIT: Duration = Duration::from_secs(5);
/// How long a vault may be on its way (opening, or ending) before people are told what is waited for.
const TELL_AFTER: Duration = Duration::from_secs(1);
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
    /// Tells a person that the process of this id, which is opening or closing the vault, is waited for.
    pub waiting: &'a dyn Fn(u32),
}

/// Reaches the vault. Waits for a process that is opening or closing it, however long that takes.
pub async fn reach(target: &Target, need: Need, opening: &Opening<'_>) -> Result<Reached, DaemonError> {
    let mut keyring = None;
    let mut patience = Patience::new(opening);
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
        if patience.ends(holder.as_ref()) {
            let pid = holder.map(|holder| holder.pid);
            return Err(DaemonError::InUse { store: target.store_shown(), pid });
        }
        tokio::time::sleep(ANSWER_POLL).await;
    }
}

/// How long a vault was waited for.
struct Patience<'a> {
    opening: &'a Opening<'a>,
    begun: Duration,
    /// Since when its holder has not answered although it listens.
    silent: Duration,
    told: bool,
}

impl<'a> Patience<'a> {
    fn new(opening: &'a Opening<'a>) -> Self {
        let now = opening.ambient.clock.monotonic();
        Patience { opening, begun: now, silent: now, told: false }
    }

    /// Whether it has been long enough.
    fn ends(&mut self, holder: Option<&Holder>) -> bool {
        let now = self.opening.ambient.clock.monotonic();
        if let Some(Holder { pid, socket: None }) = holder {
            self.silent = now;
            if !self.told && now.saturating_sub(self.begun) > TELL_AFTER {
                (self.opening.waiting)(*pid);
                self.told = true;
            }
        }
        now.saturating_sub(self.silent) > ANSWER_WAIT
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

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

    use super::*;
    use crate::ambient::{Clock, WallNanos};

    #[derive(Debug, Default)]
    struct Moved(AtomicU64);

    impl Clock for Moved {
        fn wall(&self) -> WallNanos {
            0
        }

        fn monotonic(&self) -> Duration {
            Duration::from_secs(self.0.load(Ordering::SeqCst))
        }
    }

    #[test]
    fn a_vault_on_its_way_is_waited_for_and_a_silent_one_is_not() {
        let (clock, told) = (Arc::new(Moved::default()), AtomicU32::new(0));
        let opening = Opening {
            unlock: &|| Err(DaemonError::NoKey { store: String::new() }),
            listen: None,
            ambient: Ambient { clock: clock.clone(), ..Ambient::host() },
            waiting: &|pid| {
                told.fetch_add(pid, Ordering::SeqCst);
            },
        };
        let on_its_way = Holder { pid: 7, socket: None };
        let silent = Holder { pid: 7, socket: Some("/s".into()) };
        let mut patience = Patience::new(&opening);
        for _ in 0..1000 {
            clock.0.fetch_add(1, Ordering::SeqCst);
            assert!(!patience.ends(Some(&on_its_way)));
        }
        assert_eq!(told.load(Ordering::SeqCst), 7, "told once");
        clock.0.fetch_add(ANSWER_WAIT.as_secs(), Ordering::SeqCst);
        assert!(!patience.ends(Some(&silent)));
        clock.0.fetch_add(1, Ordering::SeqCst);
        assert!(patience.ends(Some(&silent)) && patience.ends(None));
    }
}
