//! The keys that open the vault file.

use data_encoding::HEXLOWER_PERMISSIVE;
use zeroize::Zeroizing;

use super::super::api::{KeySlot, NewKey, VERSION};
use super::super::error::DaemonError;
use super::{Service, blocking};
use crate::crypto::{Argon2Cost, CryptoError, SlotId, SlotKind, Unlock};
use crate::store::StoreError;

impl Service {
    /// The slots there are.
    pub async fn key_slots(&self) -> Result<Vec<KeySlot>, DaemonError> {
        let keys = self.network.keys.clone();
        blocking(move || {
            let file = keys.file().map_err(|error| DaemonError::internal("reading the keys", &error))?;
            Ok(file.slots().map(|(id, kind)| shown(id, kind)).collect())
        })
        .await
    }

    /// Adds a key that opens the vault from now on.
    pub async fn add_key(&self, key: NewKey) -> Result<KeySlot, DaemonError> {
        let keys = self.network.keys.clone();
        let copied = |bytes: &crate::miror::SecretBytes| Zeroizing::new(bytes.as_slice().to_vec());
        let unlock = match &key {
            NewKey::Passphrase(bytes) => Unlock::Passphrase(copied(bytes)),
            NewKey::KeyFile(bytes) => Unlock::KeyFile(copied(bytes)),
        };
        blocking(move || {
            let added = keys.change(|file, keyring, entropy| {
                file.add_slot(keyring, &unlock, Argon2Cost::default(), entropy)
            });
            match added {
                Ok(id) => Ok(shown(id, unlock.kind())),
                Err(StoreError::Crypto(error @ CryptoError::KeyFile(_))) => {
                    Err(DaemonError::setup("the key file", &error))
                }
                Err(error) => Err(DaemonError::internal("adding the key", &error)),
            }
        })
        .await
    }

    /// Removes a key: it opens the vault no more.
    pub async fn remove_key(&self, slot: &str) -> Result<(), DaemonError> {
        let (keys, wanted) = (self.network.keys.clone(), slot.to_owned());
        let unknown = || DaemonError::UnknownSlot { slot: slot.to_owned() };
        let bytes = HEXLOWER_PERMISSIVE.decode(slot.as_bytes()).map_err(|_| unknown())?;
        let id = SlotId(bytes.try_into().map_err(|_| unknown())?);
        blocking(move || match keys.change(|file, keyring, entropy| file.remove_slot(keyring, id, entropy)) {
            Ok(()) => Ok(()),
            Err(StoreError::Crypto(CryptoError::UnknownSlot(_))) => {
                Err(DaemonError::UnknownSlot { slot: wanted })
            }
            Err(StoreError::Crypto(CryptoError::LastSlot)) => Err(DaemonError::LastSlot { slot: wanted }),
            Err(error) => Err(DaemonError::internal("removing the key", &error)),
        })
        .await
    }
}

fn shown(id: SlotId, kind: SlotKind) -> KeySlot {
    KeySlot { version: VERSION, slot: id.to_string(), kind: kind.to_string() }
}
