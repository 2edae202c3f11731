//! The devices of the vault, as its state lists them.

use super::changes::Origin;
use super::error::{Result, VaultError};
use super::lives::first_record;
use super::vault::Vault;
use super::{DeviceRecord, NodeId, ReplicaId};
use crate::crypto::DevicePublic;

impl Vault {
    /// Every device, by key.
    pub fn devices(&self) -> Vec<DeviceRecord> {
        self.read(|tree| {
            let mut devices: Vec<DeviceRecord> = tree.devices().map(|(_, record)| record.clone()).collect();
            devices.sort_by_key(|record| record.public);
            devices
        })
    }

    /// What the vault says of one device.
    pub fn device_record(&self, device: &DevicePublic) -> Option<DeviceRecord> {
        self.device_node(device).map(|(_, record)| record)
    }

    /// What people call the device a replica is of; the replica's id in hex if it is not listed.
    pub fn replica_name(&self, replica: &ReplicaId) -> String {
        let name = self.read(|tree| {
            let mut devices = tree.devices();
            devices.find(|(_, record)| record.replicas.contains(replica)).map(|(_, it)| it.name.clone())
        });
        name.unwrap_or_else(|| replica.to_string())
    }

    /// Lists a new device under a name no other has. Not durable until [`Vault::sync`].
    ///
    /// # Errors
    /// [`VaultError::Exists`] if the key is listed already or the name is taken; as [`Vault::edit`].
    pub fn add_device(&self, name: &str, device: DevicePublic) -> Result<()> {
        if self.devices().iter().any(|record| record.public == device.0 || record.name == name) {
            return Err(VaultError::Exists);
        }
        let record = first_record(name, &device.0);
        self.edit(Origin::VAULT, |tree, draw| tree.add_device(&record, draw)).map(drop)
    }

    /// Shuts a device out of the vault, for good: says so in the vault's state and keeps it here. (Keys are the
    /// caller's part.)
    ///
    /// # Errors
    /// [`VaultError::NotFound`] if it is not listed; as [`Vault::edit`].
    pub fn revoke_device(&self, device: &DevicePublic) -> Result<()> {
        let (id, mut record) = self.device_node(device).ok_or(VaultError::NotFound)?;
        self.keep_revocation(device)?;
        record.revoked = true;
        self.edit(Origin::VAULT, |tree, draw| tree.change_device(&id, &record, draw))
    }

    pub(super) fn device_node(&self, device: &DevicePublic) -> Option<(NodeId, DeviceRecord)> {
        self.read(|tree| {
            let mut devices = tree.devices();
            devices.find(|(_, it)| it.public == device.0).map(|(id, record)| (*id, record.clone()))
        })
    }
}
