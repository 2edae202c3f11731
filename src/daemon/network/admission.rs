//! Who may take part in replication: the vault's device list and its epochs.

use std::sync::Arc;

use super::super::keys::VaultKeys;
use crate::crypto::{DeviceKey, DevicePublic, Epoch};
use crate::miror::admission::{Admission, Standing};
use crate::miror::replica::ReplicaError;
use crate::store::{Store, StoreError};
use crate::vault::Vault;

/// The local record of the device that invited this one: it counts as listed until the list has come.
const INVITER: &[u8] = b"daemon/inviter/1";

/// The vault's knowledge of its devices.
pub struct VaultAdmission {
    vault: Arc<Vault>,
    keys: Arc<VaultKeys>,
}

impl VaultAdmission {
    /// Of an open vault.
    pub fn new(vault: Arc<Vault>, keys: Arc<VaultKeys>) -> Self {
        VaultAdmission { vault, keys }
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
        self.keys.keyring().device().clone()
    }

    fn epochs(&self) -> Vec<Epoch> {
        self.keys.keyring().epochs().cloned().collect()
    }

    fn standing(&self, key: &DevicePublic) -> Standing {
        match self.vault.device_record(key) {
            _ if self.vault.is_revoked(key) => Standing::Revoked,
            Some(_) => Standing::Listed,
            None if self.is_inviter(key) => Standing::Listed,
            None => Standing::Unlisted,
        }
    }

    fn learn(&self, epoch: Epoch) -> Result<(), ReplicaError> {
        self.keys.add_epoch(epoch).map_err(|error| match error {
            StoreError::Full => ReplicaError::Full,
            error => ReplicaError::Store(error.to_string()),
        })
    }
}
