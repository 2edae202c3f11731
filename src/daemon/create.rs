//! A new vault on this machine.

use std::sync::Arc;

use super::error::DaemonError;
use super::opening::{OpenVault, life, store_error, vault_error};
use super::target::Target;
use crate::ambient::Ambient;
use crate::crypto::{Argon2Cost, CryptoError, Keyring, Unlock, VaultFile};
use crate::store::Store;
use crate::store::disk::OsDisk;
use crate::store::lock::StoreLock;
use crate::vault::{AttrPatch, NodeId, Origin, Vault, VaultError};

/// What this device is called unless the user says otherwise: the name of the machine.
pub fn default_device() -> String {
    let host = nix::unistd::gethostname().ok().map(|name| name.to_string_lossy().into_owned());
    let first = host.as_deref().and_then(|name| name.split('.').next()).filter(|name| !name.is_empty());
    first.unwrap_or("device").to_owned()
}

/// Makes a vault of one device at `target`.
pub async fn create(
    target: &Target,
    unlock: Unlock,
    device: &str,
    ambient: &Ambient,
) -> Result<(), DaemonError> {
    let (target, device, ambient) = (target.clone(), device.to_owned(), ambient.clone());
    let made = tokio::task::spawn_blocking(move || {
        let keyring = Keyring::generate(ambient.entropy.as_ref());
        let (store, keyring, _lock) = create_store(&target, keyring, &unlock, &ambient)?;
        let made = Vault::create(store, keyring.device().public(), &device, ambient);
        let failed = |error| vault_error("making the vault", error);
        let vault = made.map_err(failed)?;
        give_root(&vault).map_err(failed)?;
        OpenVault::made(vault)?.close()
    });
    made.await.unwrap_or_else(|error| Err(DaemonError::internal("making the vault", &error)))
}

/// The root directory belongs to whoever made the vault, and is as old.
fn give_root(vault: &Vault) -> Result<(), VaultError> {
    let (uid, gid) = (nix::unistd::geteuid().as_raw(), nix::unistd::getegid().as_raw());
    let mtime = vault.ambient().clock.wall();
    let patch = AttrPatch { uid: Some(uid), gid: Some(gid), mtime: Some(mtime), ..AttrPatch::default() };
    vault.edit(Origin::VAULT, |tree, draw| tree.set_attr(&NodeId::ROOT, &patch, draw))
}

/// Makes the store of a vault with these keys, which `unlock` opens from now on, and takes its lock.
pub(super) fn create_store(
    target: &Target,
    mut keyring: Keyring,
    unlock: &Unlock,
    ambient: &Ambient,
) -> Result<(Arc<Store>, Arc<Keyring>, StoreLock), DaemonError> {
    if target.exists() {
        return Err(DaemonError::AlreadyInitialised { store: target.store_shown() });
    }
    let disk = OsDisk::new(&target.store);
    disk.make_root().map_err(|error| DaemonError::setup(target.store_shown(), &error))?;
    let lock = super::owner::acquire(target)?;
    let file = VaultFile::create(&mut keyring, unlock, Argon2Cost::default(), ambient.entropy.as_ref());
    let file = file.map_err(|error| match error {
        CryptoError::KeyFile(_) => DaemonError::setup("the key file", &error),
        _ => DaemonError::internal("making the keys", &error),
    })?;
    let keyring = Arc::new(keyring);
    let disk = Arc::new(disk);
    life(target, &disk, keyring.vault_id(), ambient)?;
    let options = target.settings.store_options();
    let store = Store::create_with(disk, &file, keyring.clone(), ambient.clone(), options);
    Ok((Arc::new(store.map_err(|error| store_error(target, error))?), keyring, lock))
}
