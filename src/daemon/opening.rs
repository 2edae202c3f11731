//! Opening and closing the vault in a store: blocking, on threads of their own.

use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;

use data_encoding::HEXLOWER;

use super::error::{DaemonError, chain};
use super::target::Target;
use crate::ambient::{Ambient, files};
use crate::crypto::{Keyring, VaultId};
use crate::store::disk::OsDisk;
use crate::store::mark::{self, Continuity};
use crate::store::{Store, StoreError};
use crate::vault::open::{Life, OpenReport};
use crate::vault::{Vault, VaultError};

/// A vault that is open, with the threads that commit and flush for it.
pub struct OpenVault {
    /// The vault.
    pub vault: Arc<Vault>,
    /// What opening it found.
    pub report: OpenReport,
    threads: Vec<JoinHandle<()>>,
}

impl OpenVault {
    /// Opens the vault of `target`. The caller holds the lock of its store.
    pub fn open(target: &Target, keyring: Arc<Keyring>, ambient: &Ambient) -> Result<OpenVault, DaemonError> {
        let disk = Arc::new(OsDisk::new(&target.store));
        let life = life(target, &disk, keyring.vault_id(), ambient)?;
        let (store, recovery) =
            Store::open_with(disk, keyring, ambient.clone(), target.settings.store_options())
                .map_err(|e| store_error(target, e))?;
        let opened = Vault::open(Arc::new(store), recovery, life, ambient.clone());
        let (vault, report) = opened.map_err(|error| vault_error("opening the vault", error))?;
        for (node, error) in &report.lost {
            tracing::warn!(?node, %error, "what was written before the last end could not be put back");
        }
        Self::with_threads(vault, report)
    }

    /// A vault that was just made.
    pub fn made(vault: Arc<Vault>) -> Result<OpenVault, DaemonError> {
        Self::with_threads(vault, OpenReport::default())
    }

    fn with_threads(vault: Arc<Vault>, report: OpenReport) -> Result<OpenVault, DaemonError> {
        let spawn = |name: &str, run: fn(&Arc<Vault>)| {
            let vault = vault.clone();
            std::thread::Builder::new().name(name.to_owned()).spawn(move || run(&vault))
        };
        let committer = spawn("bosr-commit", Vault::run_committer);
        let flusher = spawn("bosr-flush", Vault::run_flusher);
        match (committer, flusher) {
            (Ok(committer), Ok(flusher)) => {
                Ok(OpenVault { vault, report, threads: vec![committer, flusher] })
            }
            (Err(error), _) | (_, Err(error)) => {
                vault.stop();
                Err(DaemonError::internal("opening the vault", &error))
            }
        }
    }

    /// Commits what is left, makes everything durable, closes the store.
    pub fn close(self) -> Result<(), DaemonError> {
        self.vault.stop();
        for thread in self.threads {
            // One that panicked has said so; what matters is what follows.
            let _ = thread.join();
        }
        self.vault.close().map_err(|error| vault_error("closing the vault", error))
    }
}

/// Whether the store is the one this machine last had open, or a copy.
pub fn life(target: &Target, disk: &OsDisk, vault: VaultId, ambient: &Ambient) -> Result<Life, DaemonError> {
    let state = target.paths.open_mark(&HEXLOWER.encode(&vault.0));
    let failed = |error| DaemonError::setup(state.display().to_string(), &error);
    files::make_folder(state.parent().unwrap_or(Path::new("/")), 0o700).map_err(failed)?;
    match mark::renew(disk, &state, ambient.entropy.as_ref()).map_err(failed)? {
        Continuity::Same | Continuity::New => Ok(Life::Same),
        Continuity::Broken => Ok(Life::New),
    }
}

/// An error of the store as it opens.
pub fn store_error(target: &Target, error: StoreError) -> DaemonError {
    match error {
        StoreError::Full => DaemonError::Full,
        StoreError::Damaged(_) | StoreError::Foreign => DaemonError::Damaged {
            what: format!("the store {}", target.store_shown()),
            causes: chain(&error),
        },
        _ => DaemonError::setup(format!("the store {}", target.store_shown()), &error),
    }
}

/// An error of the vault while doing `what`.
pub fn vault_error(what: &str, error: VaultError) -> DaemonError {
    match error {
        VaultError::Full => DaemonError::Full,
        VaultError::Damaged(_) => {
            DaemonError::Damaged { what: "the vault".to_owned(), causes: chain(&error) }
        }
        _ => DaemonError::internal(what, &error),
    }
}

/// An error of the vault about the thing at `path`.
pub fn path_error(path: &[u8], error: VaultError) -> DaemonError {
    let path = shown(path);
    match error {
        VaultError::NotFound => DaemonError::NoSuchPath { path },
        VaultError::NotDirectory => DaemonError::NotDirectory { path },
        VaultError::IsDirectory => DaemonError::IsDirectory { path },
        VaultError::Missing(_) | VaultError::Unreachable => DaemonError::ContentMissing { path },
        VaultError::NotPermitted(reason) | VaultError::Invalid(reason) => {
            DaemonError::Refused { path, reason: reason.to_owned() }
        }
        error @ (VaultError::NameTooLong | VaultError::TooLarge(_)) => {
            DaemonError::Refused { path, reason: error.to_string() }
        }
        error => vault_error(&format!("working on {path}"), error),
    }
}

/// A path for people: from the root, with one slash between names.
pub fn shown(path: &[u8]) -> String {
    let names = path.split(|byte| *byte == b'/').filter(|name| !name.is_empty());
    let shown: String = names.map(|name| format!("/{}", String::from_utf8_lossy(name))).collect();
    if shown.is_empty() { "/".to_owned() } else { shown }
}
