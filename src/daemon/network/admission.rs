//! Who may take part in replication: the vault's device list and its epochs.

use std::sync::Arc;

use parking_lot::Mutex;

use crate::ambient::Entropy;
use crate::crypto::{DeviceKey, DevicePublic, Epoch, Keyring};
use crate::miror::admission::{Admission, Standing};
use crate::miror::replica::ReplicaError;
use crate::store::disk::Disk;
use crate::store::{Store, StoreError};
use crate::vault::Vault;

/// The local record of the device that invited this one: it counts as listed until the list has come.
const INVITER: &[u8] = b"daemon/inviter/1";

/// The vault's knowledge of its devices.
pub struct VaultAdmission {
    vault: Arc<Vault>,
    disk: Arc<dyn Disk>,
    entropy: Arc<dyn Entropy>,
    /// The keys in use here. The store has the same.
    keyring: Mutex<Arc<Keyring>>,
}

impl VaultAdmission {
    /// Of an open vault whose vault file is on `disk`.
    pub fn new(vault: Arc<Vault>, disk: Arc<dyn Disk>, entropy: Arc<dyn Entropy>) -> Self {
        let keyring = vault.store().keyring();
        VaultAdmission { vault, disk, entropy, keyring: Mutex::new(keyring) }
    }

    /// The keys.
    pub fn keyring(&self) -> Arc<Keyring> {
        self.keyring.lock().clone()
    }

    /// Makes an epoch durable in the vault file, then uses it.
    fn add(&self, epoch: Epoch) -> Result<(), StoreError> {
        let mut current = self.keyring.lock();
        let mut keyring = Keyring::clone(&current);
        if !keyring.add_epoch(epoch) {
            return Ok(());
        }
        let mut file = Store::vault_file(&*self.disk)?;
        file.reseal(&keyring, self.entropy.as_ref())?;
        Store::write_vault_file(&*self.disk, &file)?;
        let keyring = Arc::new(keyring);
        self.vault.store().set_keyring(keyring.clone());
        *current = keyring;
        Ok(())
    }

    fn is_inviter(&self, key: &DevicePublic) -> bool {
        self.vault.store().local(INVITER).is_some_and(|inviter| inviter == key.0)
    }
}

/// Remembers who invited this device.
pub fn trust_inviter(store: &Store, inviter: &DevicePublic) -> Result<(), StoreError> {
    let position = store.set_local(vec![(INVITER.to_vec(), Some(inviter.0.to_vec()))])?;
    store.sync_log(position)
}

impl Admission for VaultAdmission {
    fn device(&self) -> DeviceKey {
        self.keyring().device().clone()
    }

    fn epochs(&self) -> Vec<Epoch> {
        self.keyring().epochs().cloned().collect()
    }

    fn standing(&self, key: &DevicePublic) -> Standing {
        match self.vault.device_record(key) {
            Some(record) if record.revoked => Standing::Revoked,
            Some(_) => Standing::Listed,
            None if self.is_inviter(key) => Standing::Listed,
            None => Standing::Unlisted,
        }
    }

    fn learn(&self, epoch: Epoch) -> Result<(), ReplicaError> {
        self.add(epoch).map_err(|error| match error {
            StoreError::Full => ReplicaError::Full,
            error => ReplicaError::Store(error.to_string()),
        })
    }
}
