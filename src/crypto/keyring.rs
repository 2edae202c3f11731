//! Everything secret that a device knows about its vault.
//!
//! Encoded (little-endian): version `1` (1 byte), vault id (16), vault secret (32), epoch count (2), epochs
//! (see [`Epoch::encode`]), and, unless it is for a joiner, device secret (32), slot count (2), and for each
//! slot its id (8) and key (32). A byte before the epochs says which of the two it is.

use std::collections::BTreeMap;

use zeroize::Zeroizing;

use super::content::ContentKeys;
use super::cursor::Cursor;
use super::derive::Key;
use super::device::{DeviceKey, DevicePublic};
use super::epoch::{self, Epoch, EpochId};
use super::error::CryptoError;
use super::id::VaultId;
use super::slot::SlotId;
use crate::ambient::{self, Entropy};

const VERSION: u8 = 1;
/// What an encoded keyring is for: its own device, or one that joins.
const OWN: u8 = 1;
const JOINER: u8 = 2;
/// Bytes before the epochs: version, part, vault id, vault secret, epoch count.
const HEAD_LEN: usize = 1 + 1 + 16 + 32 + 2;

/// The vault secret, the epochs, this device's key, and the keys of the vault file's slots.
#[derive(Clone)]
pub struct Keyring {
    vault: VaultId,
    secret: Key,
    content: ContentKeys,
    /// By id, so the last is current. Never empty.
    epochs: BTreeMap<EpochId, Epoch>,
    current: Epoch,
    device: DeviceKey,
    slots: BTreeMap<SlotId, Key>,
}

impl Keyring {
    /// The keyring of a new vault on its first device.
    pub fn generate(entropy: &dyn Entropy) -> Self {
        let device = DeviceKey::generate(entropy);
        let first = Epoch::generate(1, &[device.public()], entropy);
        let secret = Zeroizing::new(ambient::random(entropy));
        Self::assemble(VaultId(ambient::random(entropy)), secret, first, device)
    }

    fn assemble(vault: VaultId, secret: Key, epoch: Epoch, device: DeviceKey) -> Self {
        Keyring {
            vault,
            content: ContentKeys::new(&secret),
            secret,
            epochs: BTreeMap::from([(epoch.id(), epoch.clone())]),
            current: epoch,
            device,
            slots: BTreeMap::new(),
        }
    }

    /// The vault it opens.
    pub fn vault_id(&self) -> VaultId {
        self.vault
    }

    /// What names content.
    pub fn content_keys(&self) -> &ContentKeys {
        &self.content
    }

    /// This device's key.
    pub fn device(&self) -> &DeviceKey {
        &self.device
    }

    /// All epochs, the newest (current) first.
    pub fn epochs(&self) -> impl Iterator<Item = &Epoch> {
        self.epochs.values().rev()
    }

    /// The greatest epoch: what everything new is wrapped under.
    pub fn current(&self) -> &Epoch {
        &self.current
    }

    /// The epoch of this id.
    ///
    /// # Errors
    /// [`CryptoError::UnknownEpoch`].
    pub fn epoch(&self, id: &EpochId) -> Result<&Epoch, CryptoError> {
        self.epochs.get(id).ok_or(CryptoError::UnknownEpoch(*id))
    }

    /// A new epoch, greater than all here, not yet added: it must be durable in the vault file before use.
    pub fn next_epoch(&self, entitled: &[DevicePublic], entropy: &dyn Entropy) -> Epoch {
        Epoch::generate(self.current.id().counter.saturating_add(1), entitled, entropy)
    }

    /// Adds an epoch, made here or given by a peer. False if it was there.
    pub fn add_epoch(&mut self, epoch: Epoch) -> bool {
        if self.epochs.contains_key(&epoch.id()) {
            return false;
        }
        if epoch.id() > self.current.id() {
            self.current = epoch.clone();
        }
        self.epochs.insert(epoch.id(), epoch);
        true
    }

    /// Takes a new device key: this copy of the vault becomes a device of its own.
    pub fn renew_device(&mut self, entropy: &dyn Entropy) {
        self.device = DeviceKey::generate(entropy);
    }

    pub(super) fn slots(&self) -> &BTreeMap<SlotId, Key> {
        &self.slots
    }

    pub(super) fn slots_mut(&mut self) -> &mut BTreeMap<SlotId, Key> {
        &mut self.slots
    }

    /// The whole of it, for the vault file and for handing it to the owner process.
    pub fn encode(&self) -> Zeroizing<Vec<u8>> {
        let tail = 32 + 2 + 40 * self.slots.len();
        let mut out = self.encode_shared(OWN, tail);
        out.extend_from_slice(self.device.secret().as_slice());
        out.extend_from_slice(&u16::try_from(self.slots.len()).unwrap_or(u16::MAX).to_le_bytes());
        for (id, key) in &self.slots {
            out.extend_from_slice(&id.0);
            out.extend_from_slice(key.as_slice());
        }
        out
    }

    /// What a new device is given: vault id, vault secret and epochs, not this device's key and slots.
    pub fn for_joiner(&self) -> Zeroizing<Vec<u8>> {
        self.encode_shared(JOINER, 0)
    }

    /// Head and epochs. The room for `tail` more bytes is taken at once: growing would leave copies of secrets
    /// behind.
    fn encode_shared(&self, part: u8, tail: usize) -> Zeroizing<Vec<u8>> {
        let epochs: usize = self.epochs.values().map(Epoch::encoded_len).sum();
        let mut out = Zeroizing::new(Vec::with_capacity(HEAD_LEN + epochs + tail));
        out.extend_from_slice(&[VERSION, part]);
        out.extend_from_slice(&self.vault.0);
        out.extend_from_slice(self.secret.as_slice());
        out.extend_from_slice(&u16::try_from(self.epochs.len()).unwrap_or(u16::MAX).to_le_bytes());
        for epoch in self.epochs.values() {
            epoch.encode_into(&mut out);
        }
        out
    }

    /// The reverse of [`Keyring::encode`].
    ///
    /// # Errors
    /// [`CryptoError::Malformed`] for anything else.
    pub fn decode(bytes: &[u8]) -> Result<Self, CryptoError> {
        let mut cursor = Cursor::new(bytes, "keyring");
        let shared = Shared::decode(&mut cursor, OWN)?;
        let device = DeviceKey::from_secret(Zeroizing::new(*cursor.array()?));
        let mut slots = BTreeMap::new();
        for _ in 0..cursor.count(40)? {
            let id = SlotId(*cursor.array()?);
            if slots.last_key_value().is_some_and(|(last, _)| *last >= id) {
                return Err(cursor.malformed());
            }
            slots.insert(id, Zeroizing::new(*cursor.array()?));
        }
        cursor.end()?;
        Ok(Keyring { slots, ..shared.with_device(device) })
    }

    /// The keyring of a device that joins, from what an inviter's [`Keyring::for_joiner`] gave.
    ///
    /// # Errors
    /// [`CryptoError::Malformed`] for anything else.
    pub fn from_inviter(bytes: &[u8], device: DeviceKey) -> Result<Self, CryptoError> {
        let mut cursor = Cursor::new(bytes, "keyring for a joiner");
        let shared = Shared::decode(&mut cursor, JOINER)?;
        cursor.end()?;
        Ok(shared.with_device(device))
    }
}

/// What all devices of a vault have in common.
struct Shared {
    vault: VaultId,
    secret: Key,
    first: Epoch,
    more: Vec<Epoch>,
}

impl Shared {
    fn decode(cursor: &mut Cursor<'_>, part: u8) -> Result<Self, CryptoError> {
        if cursor.array()? != &[VERSION, part] {
            return Err(cursor.malformed());
        }
        let vault = VaultId(*cursor.array()?);
        let secret = Zeroizing::new(*cursor.array()?);
        let count = cursor.count(epoch::FIXED_LEN)?;
        if count == 0 {
            return Err(cursor.malformed());
        }
        let first = Epoch::decode_from(cursor)?;
        let mut last = first.id();
        let mut more = Vec::with_capacity(count - 1);
        for _ in 1..count {
            let epoch = Epoch::decode_from(cursor)?;
            if epoch.id() <= last {
                return Err(cursor.malformed());
            }
            last = epoch.id();
            more.push(epoch);
        }
        Ok(Shared { vault, secret, first, more })
    }

    fn with_device(self, device: DeviceKey) -> Keyring {
        let mut keyring = Keyring::assemble(self.vault, self.secret, self.first, device);
        for epoch in self.more {
            keyring.add_epoch(epoch);
        }
        keyring
    }
}
