//! The devices of the vault: who they are, shutting one out, a new key for this one; and rotation.

use data_encoding::HEXLOWER;

use super::super::api::{self, RenewalRequest, Renewed, RotationRequest, VERSION};
use super::super::error::DaemonError;
use super::super::join::{self, Found};
use super::super::keys::VaultKeys;
use super::super::network::{PeerBook, Plan, Rotated};
use super::super::news::News;
use super::super::opening::vault_error;
use super::super::updates::Reporter;
use super::Service;
use crate::crypto::{DeviceKey, DevicePublic, Keyring};
use crate::vault::{DeviceRecord, Vault, VaultError};

/// Letters of a key that are enough to mean it.
const KEY_LETTERS: usize = 8;
/// Names tried for a device whose own is taken.
const NAMES_TRIED: u32 = 1000;

impl Service {
    /// Every device of the vault, those shut out included.
    pub async fn devices(&self) -> Result<Vec<api::Device>, DaemonError> {
        let sessions = self.network.replicator.sessions();
        let keyring = self.network.keys.keyring();
        let own = keyring.device().public();
        let shown = move |vault: &Vault, record: DeviceRecord| {
            let key = DevicePublic(record.public);
            api::Device {
                version: VERSION,
                name: record.name,
                key: HEXLOWER.encode(&record.public),
                own: key == own,
                revoked: vault.is_revoked(&key),
                entitled: keyring.current().is_entitled(&key),
                connected: sessions.iter().any(|session| session.peer == key),
            }
        };
        self.on_vault(move |vault| {
            let mut devices: Vec<_> =
                vault.devices().into_iter().map(|record| shown(vault, record)).collect();
            devices.sort_by(|a, b| (&a.name, &a.key).cmp(&(&b.name, &b.key)));
            Ok(devices)
        })
        .await
    }

    /// Shuts a device out, named or by the first letters of its key.
    pub async fn revoke_device(&self, device: &str) -> Result<api::Rotation, DaemonError> {
        let (rotation, keys) = (self.network.rotation.clone(), self.network.keys.clone());
        let wanted = device.to_owned();
        let (name, rotated) = self
            .on_vault(move |vault| {
                let found = find(vault, &wanted)?;
                if found.public == keys.keyring().device().public().0 {
                    return Err(DaemonError::OwnDevice { device: found.name });
                }
                let rotated = rotation.revoke(&DevicePublic(found.public))?;
                Ok((found.name, rotated))
            })
            .await?;
        self.network.replicator.hand_over(&rotated.epoch);
        Ok(api::Rotation { revoked: Some(name), ..made(rotated) })
    }

    /// Makes a new epoch of the master key, or says what that would be.
    pub async fn rotate(&self, request: RotationRequest) -> Result<api::Rotation, DaemonError> {
        let rotation = self.network.rotation.clone();
        if request.dry_run {
            return self.on_vault(move |_| Ok(planned(&rotation.plan()?))).await;
        }
        let rotated = self.on_vault(move |_| rotation.rotate()).await?;
        self.network.replicator.hand_over(&rotated.epoch);
        Ok(made(rotated))
    }

    /// Takes a new device key: this store is a copy of another device's and becomes a device of its own.
    ///
    /// The new key has to be known to some other device before it is used. With a ticket that is the one that
    /// made it; without, this one lists itself and syncs under the old key with whoever takes it.
    pub async fn renew_device(&self, request: RenewalRequest) -> Result<Renewed, DaemonError> {
        if self.stays() {
            return Err(DaemonError::IsOpen { store: self.target.store_shown() });
        }
        let key = DeviceKey::generate(&*self.ambient.entropy);
        let name = request.name.clone().unwrap_or_else(|| format!("{}-2", self.own_name()));
        let (name, told) = match &request.ticket {
            Some(ticket) => self.introduce(ticket, &key, &name).await?,
            None => self.list_and_sync(&key, &name).await?,
        };
        let (keys, public) = (self.network.keys.clone(), key.public());
        // The key last: cut off before, the store goes on under the old one, and nothing has two owners.
        self.on_vault(move |vault| {
            let became = vault.publishing().become_device(public);
            became.map_err(|error| vault_error("taking the new key", error))?;
            let changed = keys.change(|file, keyring, entropy| {
                keyring.renew_device(key);
                file.reseal(keyring, entropy)
            });
            changed.map_err(|error| DaemonError::internal("keeping the new key", &error))
        })
        .await?;
        Ok(Renewed { version: VERSION, name, key: HEXLOWER.encode(&public.0), told })
    }

    fn own_name(&self) -> String {
        let own = self.vault.device_record(&self.vault.device());
        own.map_or_else(super::super::create::default_device, |record| record.name)
    }

    /// Presents a ticket with the new key, as a device that joins.
    async fn introduce(
        &self,
        ticket: &str,
        key: &DeviceKey,
        name: &str,
    ) -> Result<(String, Vec<String>), DaemonError> {
        let ticket = join::parse_ticket(ticket, &self.ambient)?;
        let found = join::present(&ticket, key, name, &self.ambient).await?;
        let (keys, key) = (self.network.keys.clone(), key.clone());
        let inviter = found.welcome.inviter.clone();
        self.on_vault(move |vault| take_over(vault, &keys, key, &found)).await?;
        Ok((name.to_owned(), vec![inviter]))
    }

    /// Lists the new key in the vault's own state and takes that to whoever still takes the old key.
    async fn list_and_sync(&self, key: &DeviceKey, name: &str) -> Result<(String, Vec<String>), DaemonError> {
        let (public, wanted) = (key.public(), name.to_owned());
        let name = self
            .on_vault(move |vault| {
                list(vault, public, &wanted).map_err(|error| vault_error("listing the new key", error))
            })
            .await?;
        let (reporter, _unheard) = Reporter::channel();
        let synced = self.sync(api::Peers::default(), reporter).await?;
        let (told, failed): (Vec<_>, Vec<_>) =
            synced.peers.into_iter().partition(|peer| peer.error.is_none());
        if told.is_empty() {
            // Listed and never used: out with it again.
            let given_up = move |vault: &std::sync::Arc<Vault>| {
                let revoked = vault.revoke_device(&public).and_then(|()| vault.commit());
                revoked.map(drop).map_err(|error| vault_error("giving up the new key", error))
            };
            self.on_vault(given_up).await?;
            let causes = failed.into_iter().filter_map(|peer| peer.error).map(|error| error.to_string());
            return Err(DaemonError::NobodyTold { causes: causes.collect() });
        }
        Ok((name, told.into_iter().map(|peer| peer.alias).collect()))
    }
}

/// The device of this name, or whose key begins so.
fn find(vault: &Vault, wanted: &str) -> Result<DeviceRecord, DaemonError> {
    let by_key = |record: &DeviceRecord| {
        wanted.len() >= KEY_LETTERS && HEXLOWER.encode(&record.public).starts_with(&wanted.to_lowercase())
    };
    let mut found: Vec<_> =
        vault.devices().into_iter().filter(|record| record.name == wanted || by_key(record)).collect();
    match (found.pop(), found.is_empty()) {
        (Some(only), true) => Ok(only),
        (Some(_), false) => Err(DaemonError::AmbiguousDevice { device: wanted.to_owned() }),
        (None, _) => Err(DaemonError::UnknownDevice { device: wanted.to_owned() }),
    }
}

/// Lists a device under the name it asks for, or one like it.
fn list(vault: &Vault, key: DevicePublic, name: &str) -> Result<String, VaultError> {
    let numbered = (2..NAMES_TRIED).map(|number| format!("{name}-{number}"));
    for name in std::iter::once(name.to_owned()).chain(numbered) {
        match vault.add_device(&name, key) {
            Err(VaultError::Exists) => continue,
            listed => return listed.and_then(|()| vault.commit()).map(|_| name),
        }
    }
    Err(VaultError::Exists)
}

/// Takes what an inviter gave a device that has joined before.
fn take_over(
    vault: &std::sync::Arc<Vault>,
    keys: &VaultKeys,
    key: DeviceKey,
    found: &Found,
) -> Result<(), DaemonError> {
    let given = Keyring::from_inviter(found.welcome.keyring.as_slice(), key)
        .map_err(|error| DaemonError::internal("taking over the keys", &error))?;
    if given.vault_id() != keys.keyring().vault_id() {
        return Err(DaemonError::Ticket { reason: "is of another vault".to_owned() });
    }
    for epoch in given.epochs() {
        let added = keys.add_epoch(epoch.clone());
        added.map_err(|error| DaemonError::internal("taking over the keys", &error))?;
    }
    let book = PeerBook::new(vault.clone(), News::default());
    let found = book.found(&found.welcome.inviter, &found.key, found.addresses.clone());
    found.map_err(|error| DaemonError::internal("remembering the peer", &error))
}

fn planned(plan: &Plan) -> api::Rotation {
    api::Rotation {
        version: VERSION,
        from: plan.from.to_string(),
        epoch: None,
        entitled: plan.entitled.iter().map(|device| device.name.clone()).collect(),
        revoked: None,
    }
}

fn made(rotated: Rotated) -> api::Rotation {
    api::Rotation { epoch: Some(rotated.epoch.id().to_string()), ..planned(&rotated.plan) }
}
