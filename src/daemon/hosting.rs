//! The vaults of a configuration, hosted by one process: `mirord`.
//!
//! Each is opened, listens, is mounted where the configuration says, and is kept in step with its peers. Read
//! again, the configuration opens what is new, closes what is gone, and changes the settings of the rest.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use futures_util::StreamExt;
use tokio::task::JoinHandle;

use super::api::{MountRequest, Peers, SyncProgress};
use super::client::Client;
use super::config::{Config, ConfigError, VaultConfig};
use super::error::{DaemonError, chain};
use super::key_source::KeySource;
use super::lease::{Lease, LeaseKind};
use super::owner::{Owner, Role};
use super::paths::{Paths, VaultRef};
use super::target::Target;
use super::updates::Update;
use crate::ambient::Ambient;

/// The vaults this process hosts.
pub struct Hosting {
    paths: Paths,
    config_file: PathBuf,
    listen: Option<String>,
    ambient: Ambient,
    vaults: BTreeMap<String, Hosted>,
}

struct Hosted {
    owner: Owner,
    settings: VaultConfig,
    following: Option<JoinHandle<()>>,
    _lease: Option<Lease>,
}

impl Hosting {
    /// None yet. `listen` is where they listen, if the environment says so.
    pub fn new(paths: Paths, config_file: PathBuf, listen: Option<String>, ambient: Ambient) -> Self {
        Hosting { paths, config_file, listen, ambient, vaults: BTreeMap::new() }
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.vaults.len()
    }

    /// Brings what is hosted in line with the configuration. One vault that cannot be hosted does not keep the
    /// others from it: what went wrong is given by name.
    ///
    /// # Errors
    /// A configuration that cannot be read: nothing changed then.
    pub async fn load(&mut self) -> Result<Vec<(String, DaemonError)>, ConfigError> {
        let config = Config::load(&self.config_file)?;
        let gone: Vec<String> =
            self.vaults.keys().filter(|name| !config.vaults.contains_key(*name)).cloned().collect();
        let mut failed = Vec::new();
        for name in gone {
            if let Some(vault) = self.vaults.remove(&name)
                && let Err(error) = vault.close().await
            {
                failed.push((name, error));
            }
        }
        for (name, settings) in &config.vaults {
            let outcome = match self.vaults.get_mut(name) {
                Some(vault) => vault.change(settings.clone()).await,
                None => self.begin(&config, name).await,
            };
            failed.extend(outcome.err().map(|error| (name.clone(), error)));
        }
        Ok(failed)
    }

    async fn begin(&mut self, config: &Config, name: &str) -> Result<(), DaemonError> {
        let target = Target::new(self.paths.clone(), config, &VaultRef::Name(name.to_owned()));
        target.vault_file()?;
        let keyring = Arc::new(target.unlock(&key(&target)?)?);
        let owner =
            Owner::begin(&target, keyring, self.listen.clone(), Role::Stays, self.ambient.clone()).await?;
        let lease = owner.leases().take(LeaseKind::Open);
        let mut vault = Hosted { owner, settings: VaultConfig::default(), following: None, _lease: lease };
        let outcome = vault.change(target.settings).await;
        self.vaults.insert(name.to_owned(), vault);
        outcome
    }

    /// Ends all of them in good order.
    pub async fn close(self) -> Vec<(String, DaemonError)> {
        let mut failed = Vec::new();
        for (name, vault) in self.vaults {
            failed.extend(vault.close().await.err().map(|error| (name, error)));
        }
        failed
    }
}

impl Hosted {
    /// Lets other settings hold: peers, mounts, whether it follows.
    async fn change(&mut self, settings: VaultConfig) -> Result<(), DaemonError> {
        self.owner.service().configure(settings.clone());
        let client = self.owner.client().await?;
        self.follow(settings.follow.unwrap_or(true)).await?;
        let mounted = change_mounts(&client, &self.settings, &settings).await;
        self.settings = settings;
        mounted
    }

    async fn follow(&mut self, wanted: bool) -> Result<(), DaemonError> {
        match (wanted, self.following.is_some()) {
            (true, false) => {
                let client = self.owner.client().await?;
                let mut updates = client.keep_in_step(&Peers::default()).await?;
                self.following = Some(tokio::spawn(async move {
                    let _client = client;
                    while let Some(update) = updates.next().await {
                        tell(&update);
                    }
                }));
            }
            (false, true) => {
                if let Some(following) = self.following.take() {
                    following.abort();
                }
            }
            (true, true) | (false, false) => {}
        }
        Ok(())
    }

    async fn close(self) -> Result<(), DaemonError> {
        if let Some(following) = self.following {
            following.abort();
        }
        self.owner.close().await
    }
}

/// Mounts what is new and unmounts what is gone; the first failure, after all was tried.
async fn change_mounts(client: &Client, old: &VaultConfig, new: &VaultConfig) -> Result<(), DaemonError> {
    let mut outcome = Ok(());
    for gone in old.mounts.iter().filter(|mount| !new.mounts.contains(mount)) {
        outcome = outcome.and(client.unmount(gone.dir.display().to_string().as_bytes()).await);
    }
    for mount in new.mounts.iter().filter(|mount| !old.mounts.contains(mount)) {
        let dir = mount.dir.canonicalize().unwrap_or_else(|_| mount.dir.clone());
        let options = mount.options.iter().cloned().collect();
        outcome = outcome.and(client.mount(&MountRequest { dir: dir.display().to_string(), options }).await);
    }
    outcome
}

fn key(target: &Target) -> Result<crate::crypto::Unlock, DaemonError> {
    let environment = |name: &str| std::env::var_os(name);
    let source = KeySource::choose(None, &environment, &target.settings)
        .and_then(|source| source.map(|source| source.read()).transpose());
    let failed = |error: &dyn std::error::Error| DaemonError::Key {
        message: error.to_string(),
        causes: chain(error).into_iter().skip(1).collect(),
    };
    source.map_err(|error| failed(&error))?.ok_or_else(|| DaemonError::NoKey { store: target.store_shown() })
}

/// Peers come and go: for the log. Their names are no content, but not for everybody either.
fn tell(update: &Update<SyncProgress, ()>) {
    match update {
        Update::Progress(SyncProgress { event: Some(event), .. }) => tracing::info!(event, "a peer"),
        Update::Failed(error) => tracing::warn!(%error, "following has ended"),
        Update::Progress(_) | Update::Done(()) => {}
    }
}
