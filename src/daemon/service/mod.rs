//! What can be done with an open vault. One method for each action of the control API; they do the work
//! with an owner and without.

mod check;
mod conflicts;
mod devices;
mod entries;
mod explain;
mod files;
mod history;
mod mounts;
mod network;
mod peers;
mod slots;
mod status;

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::task::spawn_blocking;

use super::config::VaultConfig;
use super::error::DaemonError;
use super::lease::{Lease, LeaseKind, Leases};
use super::network::{Listen, Network};
use super::opening::OpenVault;
use super::owner::Role;
use super::socket::Stop;
use super::target::Target;
use crate::ambient::Ambient;
use crate::crypto::Keyring;
use crate::store::disk::OsDisk;
use crate::vault::Vault;

pub use files::NewFile;
use mounts::Mounts;

/// An open vault and everything that runs for it.
pub struct Service {
    target: Target,
    role: Role,
    leases: Arc<Leases>,
    stop: Stop,
    ambient: Ambient,
    settings: Arc<Mutex<VaultConfig>>,
    vault: Arc<Vault>,
    /// Taken when it closes.
    open: Mutex<Option<OpenVault>>,
    opened: Mutex<Option<Lease>>,
    mounts: Mounts,
    network: Network,
}

impl Service {
    /// Opens the vault. The caller holds its lock.
    pub async fn open(
        target: &Target,
        keyring: Arc<Keyring>,
        listen: Option<String>,
        role: Role,
        leases: Arc<Leases>,
        stop: Stop,
        ambient: Ambient,
    ) -> Result<Arc<Service>, DaemonError> {
        let asked = listen.or_else(|| target.settings.listen.clone());
        let listen = Listen::parse(asked.as_deref())?;
        let settings = Arc::new(Mutex::new(target.settings.clone()));
        let (place, surroundings) = (target.clone(), ambient.clone());
        let open = blocking(move || OpenVault::open(&place, keyring, &surroundings)).await?;
        let vault = open.vault.clone();
        let disk = Arc::new(OsDisk::new(&target.store));
        let network = Network::start(vault.clone(), disk, listen, settings.clone(), ambient.clone())?;
        let service = Service {
            target: target.clone(),
            role,
            leases,
            stop,
            ambient,
            settings,
            vault,
            open: Mutex::new(Some(open)),
            opened: Mutex::new(None),
            mounts: Mounts::new(),
            network,
        };
        if let Err(error) = service.listen_if_expected().await {
            let _ = service.close().await;
            return Err(error);
        }
        Ok(Arc::new(service))
    }

    /// An owner answers the other devices of its vault, if there are any.
    async fn listen_if_expected(&self) -> Result<(), DaemonError> {
        if self.stays() && !self.known_peers().is_empty() {
            self.network.listening.begin(&self.network.replicator).await?;
        }
        Ok(())
    }

    /// Whether it stays as long as there are leases.
    pub fn stays(&self) -> bool {
        self.role == Role::Stays
    }

    /// `bosr open`: a lease of its own.
    pub fn keep_open(&self) -> Result<(), DaemonError> {
        *self.opened.lock() = Some(self.lease(LeaseKind::Open)?);
        Ok(())
    }

    /// A reason to stay, unless this owner ends: the next is to be asked then.
    fn lease(&self, kind: LeaseKind) -> Result<Lease, DaemonError> {
        let gone = || DaemonError::OwnerGone { store: self.target.store_shown() };
        self.leases.take(kind).ok_or_else(gone)
    }

    /// `bosr close`.
    pub fn let_close(&self) {
        self.opened.lock().take();
    }

    /// Other settings from the configuration: they hold from now on.
    pub fn configure(&self, settings: VaultConfig) {
        *self.settings.lock() = settings.clone();
        // Tells those who follow, who look at the settings then.
        self.network.configure(&settings);
    }

    /// Ends everything that runs and closes the vault. All that was stored is durable then.
    pub async fn close(&self) -> Result<(), DaemonError> {
        self.end_mounts().await;
        self.network.close().await;
        let Some(open) = self.open.lock().take() else { return Ok(()) };
        blocking(move || open.close()).await
    }

    /// Does blocking work on the vault.
    async fn on_vault<R: Send + 'static>(
        &self,
        work: impl FnOnce(&Arc<Vault>) -> Result<R, DaemonError> + Send + 'static,
    ) -> Result<R, DaemonError> {
        let vault = self.vault.clone();
        blocking(move || work(&vault)).await
    }
}

/// Does work that may wait for the disk where waiting harms nobody.
async fn blocking<R: Send + 'static>(
    work: impl FnOnce() -> Result<R, DaemonError> + Send + 'static,
) -> Result<R, DaemonError> {
    spawn_blocking(work).await.unwrap_or_else(|error| Err(DaemonError::internal("the work", &error)))
}
