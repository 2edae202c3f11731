//! The keys in use, and the vault file that keeps them: changed together, the file first.

use std::sync::Arc;

use parking_lot::Mutex;

use crate::ambient::Entropy;
use crate::crypto::{CryptoError, Epoch, Keyring, VaultFile};
use crate::store::disk::Disk;
use crate::store::{Store, StoreError};

/// The keyring of an open vault. The store has the same.
pub struct VaultKeys {
    store: Arc<Store>,
    disk: Arc<dyn Disk>,
    entropy: Arc<dyn Entropy>,
    keyring: Mutex<Arc<Keyring>>,
}

impl VaultKeys {
    /// Of an open store whose vault file is on `disk`.
    pub fn new(store: Arc<Store>, disk: Arc<dyn Disk>, entropy: Arc<dyn Entropy>) -> Self {
        let keyring = store.keyring();
        VaultKeys { store, disk, entropy, keyring: Mutex::new(keyring) }
    }

    /// The keys.
    pub fn keyring(&self) -> Arc<Keyring> {
        self.keyring.lock().clone()
    }

    /// The vault file as it is on disk.
    pub fn file(&self) -> Result<VaultFile, StoreError> {
        Store::vault_file(&*self.disk)
    }

    /// Changes the keyring and the vault file. What `change` made of them is durable before it is used; if it
    /// fails nothing changed.
    pub fn change<R>(
        &self,
        change: impl FnOnce(&mut VaultFile, &mut Keyring, &dyn Entropy) -> Result<R, CryptoError>,
    ) -> Result<R, StoreError> {
        let mut current = self.keyring.lock();
        let (mut file, mut keyring) = (self.file()?, Keyring::clone(&current));
        let done = change(&mut file, &mut keyring, &*self.entropy)?;
        Store::write_vault_file(&*self.disk, &file)?;
        let keyring = Arc::new(keyring);
        self.store.set_keyring(keyring.clone());
        *current = keyring;
        Ok(done)
    }

    /// Takes an epoch, made here or given by a peer.
    pub fn add_epoch(&self, epoch: Epoch) -> Result<(), StoreError> {
        if self.keyring().epoch(&epoch.id()).is_ok() {
            return Ok(());
        }
        self.change(|file, keyring, entropy| {
            keyring.add_epoch(epoch);
            file.reseal(keyring, entropy)
        })
    }

    /// Randomness.
    pub fn entropy(&self) -> &dyn Entropy {
        &*self.entropy
    }
}
