//! The vault that a command means, with what is settled for it, and how it is unlocked.

use std::path::{Path, PathBuf};

use super::config::{Config, VaultConfig};
use super::error::{DaemonError, chain};
use super::paths::{Paths, VaultRef};
use crate::crypto::{CryptoError, Keyring, Unlock, VaultFile};
use crate::store::disk::OsDisk;
use crate::store::{Store, StoreError};

/// A vault on this machine, open or not, there or not.
#[derive(Clone, Debug)]
pub struct Target {
    /// Its name in the configuration or the data folder, if it has one.
    pub name: Option<String>,
    /// The folder of its store: absolute, and canonical if it exists.
    pub store: PathBuf,
    /// What the configuration says about it.
    pub settings: VaultConfig,
    /// The folders of this user.
    pub paths: Paths,
}

impl Target {
    /// The vault that `vault` means.
    pub fn new(paths: Paths, config: &Config, vault: &VaultRef) -> Self {
        let (name, settings) = config.settings(&paths, vault);
        Target { name, store: config.store(&paths, vault), settings, paths }
    }

    /// For messages and `status`: its name, else its folder.
    pub fn shown(&self) -> String {
        self.name.clone().unwrap_or_else(|| self.store_shown())
    }

    /// The folder for messages.
    pub fn store_shown(&self) -> String {
        self.store.display().to_string()
    }

    /// Whether there is a vault.
    pub fn exists(&self) -> bool {
        self.store.join(VAULT_FILE).symlink_metadata().is_ok()
    }

    /// Its vault file.
    pub fn vault_file(&self) -> Result<VaultFile, DaemonError> {
        if !self.exists() {
            return Err(DaemonError::NotInitialised { store: self.store_shown() });
        }
        let disk = OsDisk::new(&self.store);
        Store::vault_file(&disk).map_err(|error| match error {
            StoreError::Crypto(_) | StoreError::Foreign | StoreError::Damaged(_) => {
                DaemonError::Damaged { what: file_in(&self.store), causes: chain(&error) }
            }
            _ => DaemonError::setup(file_in(&self.store), &error),
        })
    }

    /// Its keys, if `key` opens them.
    pub fn unlock(&self, key: &Unlock) -> Result<Keyring, DaemonError> {
        self.vault_file()?.unlock(key).map_err(|error| match error {
            CryptoError::WrongKey | CryptoError::NoSlot(_) => {
                DaemonError::WrongKey { store: self.store_shown() }
            }
            CryptoError::KeyFile(_) => DaemonError::setup("the key file", &error),
            CryptoError::Memory(_) => DaemonError::internal("unlocking the vault", &error),
            _ => DaemonError::Damaged { what: file_in(&self.store), causes: chain(&error) },
        })
    }
}

const VAULT_FILE: &str = "vault.toml";

fn file_in(store: &Path) -> String {
    store.join(VAULT_FILE).display().to_string()
}
