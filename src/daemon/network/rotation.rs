//! New epochs of the master key, and devices shut out.
//!
//! The epoch comes first and is durable before it is used; the revocation follows in the vault's state. Cut off
//! in between, the device is not entitled to the epoch and gets nothing new; the other way round it would have
//! been entitled for as long as nobody noticed.

use std::sync::Arc;

use super::super::error::DaemonError;
use super::super::keys::VaultKeys;
use super::super::opening::vault_error;
use crate::crypto::{DevicePublic, Epoch, EpochId};
use crate::store::StoreError;
use crate::vault::{DeviceRecord, Vault};

/// What a rotation is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The epoch until now.
    pub from: EpochId,
    /// The devices that may have the new one.
    pub entitled: Vec<DeviceRecord>,
}

/// A rotation that was made.
#[derive(Clone)]
pub struct Rotated {
    /// What it was to do.
    pub plan: Plan,
    /// The new epoch.
    pub epoch: Epoch,
}

/// Makes epochs.
pub struct Rotation {
    vault: Arc<Vault>,
    keys: Arc<VaultKeys>,
}

impl Rotation {
    /// Of an open vault.
    pub fn new(vault: Arc<Vault>, keys: Arc<VaultKeys>) -> Self {
        Rotation { vault, keys }
    }

    /// What [`Rotation::rotate`] would do.
    ///
    /// # Errors
    /// [`DaemonError::NotMember`]: this device does not know the others yet, or is shut out itself.
    pub fn plan(&self) -> Result<Plan, DaemonError> {
        let entitled = self.vault.members();
        let own = self.keys.keyring().device().public();
        if !entitled.iter().any(|device| device.public == own.0) {
            return Err(DaemonError::NotMember { revoked: self.vault.is_revoked(&own) });
        }
        Ok(Plan { from: self.keys.keyring().current().id(), entitled })
    }

    /// Makes an epoch for every device that is listed and was never shut out.
    ///
    /// # Errors
    /// As [`Rotation::plan`]; of the disk.
    pub fn rotate(&self) -> Result<Rotated, DaemonError> {
        self.rotate_for(self.plan()?)
    }

    fn rotate_for(&self, plan: Plan) -> Result<Rotated, DaemonError> {
        let devices: Vec<_> = plan.entitled.iter().map(|device| DevicePublic(device.public)).collect();
        let made = self.keys.change(|file, keyring, entropy| {
            let epoch = keyring.next_epoch(&devices, entropy);
            keyring.add_epoch(epoch.clone());
            file.reseal(keyring, entropy).map(|()| epoch)
        });
        let epoch = made.map_err(|error| match error {
            StoreError::Full => DaemonError::Full,
            error => DaemonError::internal("making a new key", &error),
        })?;
        tracing::info!(epoch = %epoch.id(), "a new epoch");
        Ok(Rotated { plan, epoch })
    }

    /// Shuts a device out: a new epoch without it, the revocation, and a commit with it, durable.
    ///
    /// # Errors
    /// As [`Rotation::rotate`]. The device may be without the new epoch and not revoked then: do it again.
    pub fn revoke(&self, device: &DevicePublic) -> Result<Rotated, DaemonError> {
        let mut plan = self.plan()?;
        plan.entitled.retain(|entitled| entitled.public != device.0);
        let rotated = self.rotate_for(plan)?;
        let failed = |error| vault_error("revoking the device", error);
        self.vault.revoke_device(device).map_err(failed)?;
        self.vault.commit().map_err(failed)?;
        Ok(rotated)
    }

    /// Whether a device that was shut out may have the current epoch.
    pub fn is_due(&self) -> bool {
        let keyring = self.keys.keyring();
        self.vault.revoked().iter().any(|device| keyring.current().is_entitled(device))
    }
}
