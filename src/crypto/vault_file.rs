//! `vault.toml`: the vault's id, its key slots, and the keyring sealed under a key that each slot wraps.
//!
//! Pure: the store reads and writes the file. Nothing in it is secret in the clear and nothing names a user, a
//! device or a path.

#[cfg(test)]
mod tests;
mod text;

use zeroize::Zeroizing;

use super::derive::{Key, random_key};
use super::error::{CryptoError, VaultFileError};
use super::gcm::Gcm;
use super::id::VaultId;
use super::keyring::Keyring;
use super::slot::{Argon2Cost, SlotId, SlotKind, Stretch, Unlock};
use crate::ambient::{self, Entropy};

/// The format this build writes, and the only one it reads.
const FORMAT: u32 = 1;
/// More slots than anybody has keys.
const MAX_SLOTS: usize = 64;

/// What stands in a `vault.toml`.
#[derive(Clone)]
pub struct VaultFile {
    vault: VaultId,
    slots: Vec<Slot>,
    /// Nonce, ciphertext, tag.
    keyring: Vec<u8>,
}

#[derive(Clone)]
struct Slot {
    id: SlotId,
    stretch: Stretch,
    /// The keyring key under the slot key: nonce, ciphertext, tag.
    wrapped: Vec<u8>,
}

impl VaultFile {
    /// The file of a vault whose first slot opens with `unlock`. The slot's key goes into `keyring`. `cost`
    /// matters to a passphrase only.
    ///
    /// # Errors
    /// A key file that is none, or too little memory for `cost`.
    pub fn create(
        keyring: &mut Keyring,
        unlock: &Unlock,
        cost: Argon2Cost,
        entropy: &dyn Entropy,
    ) -> Result<Self, CryptoError> {
        keyring.slots_mut().clear();
        let mut file = VaultFile { vault: keyring.vault_id(), slots: Vec::new(), keyring: Vec::new() };
        file.add_slot(keyring, unlock, cost, entropy)?;
        Ok(file)
    }

    /// The vault it belongs to.
    pub fn vault_id(&self) -> VaultId {
        self.vault
    }

    /// The slots, in the order in which they were added.
    pub fn slots(&self) -> impl Iterator<Item = (SlotId, SlotKind)> {
        self.slots.iter().map(|slot| (slot.id, slot.stretch.kind()))
    }

    /// The keyring, if `unlock` opens one of the slots.
    ///
    /// # Errors
    /// [`CryptoError::NoSlot`], [`CryptoError::WrongKey`]; [`CryptoError::WrongKeyOrDamaged`] where a slot
    /// opened but the keyring did not; a key file that is none; too little memory.
    pub fn unlock(&self, unlock: &Unlock) -> Result<Keyring, CryptoError> {
        if !self.slots.iter().any(|slot| slot.stretch.kind() == unlock.kind()) {
            return Err(CryptoError::NoSlot(unlock.kind()));
        }
        for slot in &self.slots {
            if let Some(slot_key) = slot.stretch.slot_key(unlock)?
                && let Some(keyring_key) = slot.open(self.vault, &slot_key)
            {
                return self.open_keyring(&keyring_key);
            }
        }
        Err(CryptoError::WrongKey)
    }

    fn open_keyring(&self, key: &Key) -> Result<Keyring, CryptoError> {
        let mut message = Zeroizing::new(self.keyring.clone());
        let bytes = Gcm::new(key)?.open_in_place(&mut message, &keyring_associated(self.vault))?;
        let keyring = Keyring::decode(bytes)?;
        if keyring.vault_id() == self.vault { Ok(keyring) } else { Err(CryptoError::OtherVault) }
    }

    /// Adds a slot, in the file and in `keyring`.
    ///
    /// # Errors
    /// As [`VaultFile::create`], and [`CryptoError::OtherVault`]. On an error nothing is changed.
    pub fn add_slot(
        &mut self,
        keyring: &mut Keyring,
        unlock: &Unlock,
        cost: Argon2Cost,
        entropy: &dyn Entropy,
    ) -> Result<SlotId, CryptoError> {
        if self.slots.len() >= MAX_SLOTS {
            return Err(VaultFileError::SlotCount(MAX_SLOTS + 1, MAX_SLOTS).into());
        }
        let salt = ambient::random(entropy);
        let stretch = match unlock {
            Unlock::Passphrase(_) => Stretch::Passphrase { salt, cost },
            Unlock::KeyFile(_) => Stretch::KeyFile { salt },
        };
        let key = stretch.slot_key(unlock)?.ok_or(CryptoError::NoSlot(unlock.kind()))?;
        let id = SlotId(ambient::random(entropy));
        let mut next = (self.clone(), keyring.clone());
        next.0.slots.push(Slot { id, stretch, wrapped: Vec::new() });
        next.1.slots_mut().insert(id, key);
        next.0.reseal(&next.1, entropy)?;
        (*self, *keyring) = next;
        Ok(id)
    }

    /// Removes a slot, in the file and in `keyring`, and changes the keyring key, so that who has the removed
    /// key and an old copy of the file cannot open the new one.
    ///
    /// # Errors
    /// [`CryptoError::UnknownSlot`], [`CryptoError::LastSlot`], [`CryptoError::OtherVault`]. On an error
    /// nothing is changed.
    pub fn remove_slot(
        &mut self,
        keyring: &mut Keyring,
        id: SlotId,
        entropy: &dyn Entropy,
    ) -> Result<(), CryptoError> {
        if !self.slots.iter().any(|slot| slot.id == id) {
            return Err(CryptoError::UnknownSlot(id));
        }
        if self.slots.len() == 1 {
            return Err(CryptoError::LastSlot);
        }
        let mut next = (self.clone(), keyring.clone());
        next.0.slots.retain(|slot| slot.id != id);
        next.1.slots_mut().remove(&id);
        next.0.reseal(&next.1, entropy)?;
        (*self, *keyring) = next;
        Ok(())
    }

    /// Seals `keyring` (which has changed: an epoch more, say) under a new keyring key, and wraps that for all
    /// slots.
    ///
    /// # Errors
    /// [`CryptoError::OtherVault`]; [`CryptoError::UnknownSlot`] if the keyring lacks the key of a slot. On an
    /// error nothing is changed.
    pub fn reseal(&mut self, keyring: &Keyring, entropy: &dyn Entropy) -> Result<(), CryptoError> {
        if keyring.vault_id() != self.vault {
            return Err(CryptoError::OtherVault);
        }
        let keyring_key = random_key(entropy);
        let mut slots = self.slots.clone();
        for slot in &mut slots {
            let slot_key = keyring.slots().get(&slot.id).ok_or(CryptoError::UnknownSlot(slot.id))?;
            let associated = slot.associated(self.vault);
            slot.wrapped = Gcm::new(slot_key)?.seal(keyring_key.as_slice(), &associated, entropy)?;
        }
        let associated = keyring_associated(self.vault);
        self.keyring = Gcm::new(&keyring_key)?.seal(&keyring.encode(), &associated, entropy)?;
        self.slots = slots;
        Ok(())
    }
}

impl Slot {
    /// What binds a slot to its vault: `bosr slot`, format, vault id, slot id, parameters.
    fn associated(&self, vault: VaultId) -> Vec<u8> {
        let mut bytes = associated(b"bosr slot", vault);
        bytes.extend_from_slice(&self.id.0);
        self.stretch.encode_into(&mut bytes);
        bytes
    }

    fn open(&self, vault: VaultId, slot_key: &Key) -> Option<Key> {
        let mut message = Zeroizing::new(self.wrapped.clone());
        let opened = Gcm::new(slot_key).ok()?.open_in_place(&mut message, &self.associated(vault)).ok()?;
        Some(Zeroizing::new(*opened.first_chunk()?))
    }
}

/// What binds the keyring to its vault: `bosr keyring`, format, vault id.
fn keyring_associated(vault: VaultId) -> Vec<u8> {
    associated(b"bosr keyring", vault)
}

fn associated(what: &[u8], vault: VaultId) -> Vec<u8> {
    [what, &FORMAT.to_le_bytes(), &vault.0].concat()
}
