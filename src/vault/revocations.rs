//! Revocations for good: a device that a merged state called revoked stays so here, whatever later states say.
//!
//! The vault's state merges like everything in it, so a write that had seen a revocation can drop it again.
//! Each one that was ever merged is therefore kept as a local record, durable with the head that brought it,
//! and said again when the state has lost it.

use super::device::in_devices;
use super::error::Result;
use super::publish::NodeState;
use super::vault::Vault;
use super::{DeviceRecord, NodeId, records};
use crate::crypto::DevicePublic;

impl Vault {
    /// Whether a device was ever shut out.
    pub fn is_revoked(&self, device: &DevicePublic) -> bool {
        self.store.local(&records::revoked(device).0).is_some()
            || self.device_record(device).is_some_and(|record| record.revoked)
    }

    /// Every device that was ever shut out.
    pub fn revoked(&self) -> Vec<DevicePublic> {
        let kept = self.store.locals(records::revoked_prefix());
        let mut all: Vec<DevicePublic> =
            kept.iter().filter_map(|(key, _)| records::revoked_device(key)).collect();
        let listed = self.devices().into_iter().filter(|record| record.revoked);
        all.extend(listed.map(|record| DevicePublic(record.public)));
        all.sort_unstable();
        all.dedup();
        all
    }

    /// The devices that may have what the vault holds from now on: listed, and never shut out.
    pub fn members(&self) -> Vec<DeviceRecord> {
        let revoked = self.revoked();
        let mut devices = self.devices();
        devices.retain(|record| revoked.binary_search(&DevicePublic(record.public)).is_err());
        devices
    }

    /// Says again in the vault's state what it has lost of the revocations merged here. True if there was any.
    ///
    /// # Errors
    /// As [`Vault::edit`].
    pub fn restore_revocations(&self) -> Result<bool> {
        let mut any = false;
        for device in self.revoked() {
            if self.device_record(&device).is_some_and(|record| !record.revoked) {
                self.revoke_device(&device)?;
                any = true;
            }
        }
        Ok(any)
    }

    /// Keeps a revocation made here.
    pub(super) fn keep_revocation(&self, device: &DevicePublic) -> Result<()> {
        let position = self.store.set_local(vec![records::revoked(device)])?;
        Ok(self.store.sync_log(position)?)
    }
}

/// The records that keep the revocations among the changes a merge brings.
pub(super) fn revocations_in(changes: &[(NodeId, NodeState)]) -> Vec<records::Change> {
    let nodes = changes.iter().filter_map(|(_, node)| node.as_ref());
    let devices = nodes.filter(|node| node.places.iter().any(|(_, place)| in_devices(place)));
    let revoked = devices.filter_map(|node| DeviceRecord::of_node(node)).filter(|record| record.revoked);
    revoked.map(|record| records::revoked(&DevicePublic(record.public))).collect()
}
