//! Everything secret that a device knows about its vault.
//!
//! Encoded (integers little-endian): version `1` (1 byte); part (1): `1` for a device's own, `2` for a joiner's;
//! vault id (16); vault secret (32); epoch count (4); epochs in ascending order (see [`Epoch::encode`]). A
//! device's own goes on with device secret (32), slot count (4), and for each slot, in ascending order, its id
//! (8) and key (32).

use std::collections::BTreeMap;

use zeroize::Zeroizing;

use super::content::ContentKeys;
use super::cursor::{Cursor, encode_count};
use super::derive::{Key, random_key};
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
const HEAD_LEN: usize = 1 + 1 + 16 + 32 + 4;

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
        let secret = random_key(entropy);
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
    pub fn renew_device(&mut self, device: DeviceKey) {
        self.device = device;
    }

    pub(super) fn slots(&self) -> &BTreeMap<SlotId, Key> {
        &self.slots
    }

    pub(super) fn slots_mut(&mut self) -> &mut BTreeMap<SlotId, Key> {
        &mut self.slots
    }

    /// The whole of it, for the vault file and for handing it to the owner process.
    pub fn encode(&self) -> Zeroizing<Vec<u8>> {
        let tail = 32 + 4 + 40 * self.slots.len();
        let mut out = self.encode_shared(OWN, tail);
        out.extend_from_slice(self.device.secret().as_slice());
        out.extend_from_slice(&encode_count(self.slots.len()));
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
        out.extend_from_slice(&encode_count(self.epochs.len()));
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

#[cfg(test)]
mod tests {
    use data_encoding::HEXLOWER;
    use proptest::prelude::*;

    use super::*;
    use crate::crypto::fixture;

    fn with(epochs: u8, slots: u8) -> Keyring {
        let (mut keyring, entropy) = fixture::keyring();
        for n in 0..epochs {
            let entitled = [keyring.device().public(), DevicePublic([n; 32])];
            let next = keyring.next_epoch(&entitled, &entropy);
            keyring.add_epoch(next);
        }
        for n in 0..slots {
            keyring.slots_mut().insert(SlotId([n; 8]), random_key(&entropy));
        }
        keyring
    }

    #[test]
    fn known_bytes() {
        let public = "8f40c5adb68f25624ae5b214ea767a6ec94d829d3d7b5e1ad1ba6f3e2138285f";
        let key_40_to_71: String = (40..72).map(|b: u8| format!("{b:02x}")).collect();
        let secret_72_to_103: String = (72..104).map(|b: u8| format!("{b:02x}")).collect();
        let device_0_to_31: String = (0..32).map(|b: u8| format!("{b:02x}")).collect();
        let shared = |part| {
            format!(
                "01{part}68696a6b6c6d6e6f7071727374757677{secret_72_to_103}01000000\
                 010000002021222324252627{key_40_to_71}01000000{public}"
            )
        };
        let keyring = with(0, 0);
        assert_eq!(HEXLOWER.encode(&keyring.for_joiner()), shared("02"));
        assert_eq!(HEXLOWER.encode(&keyring.encode()), format!("{}{device_0_to_31}00000000", shared("01")));
    }

    #[test]
    fn the_greatest_epoch_is_current_in_whatever_order_they_come() {
        let (mut keyring, entropy) = fixture::keyring();
        let (second, third) = (Epoch::generate(2, &[], &entropy), Epoch::generate(3, &[], &entropy));
        assert!(keyring.add_epoch(third.clone()));
        assert!(keyring.add_epoch(second));
        assert!(!keyring.add_epoch(third.clone()));
        assert_eq!(keyring.current().id(), third.id());
        let counters: Vec<u32> = keyring.epochs().map(|epoch| epoch.id().counter).collect();
        assert_eq!(counters, [3, 2, 1]);
        assert_eq!(keyring.next_epoch(&[], &entropy).id().counter, 4);
    }

    #[test]
    fn a_joiner_gets_the_vault_but_not_the_device() {
        let inviter = with(2, 1);
        let device = DeviceKey::generate(&fixture::Counting::default());
        let joiner = Keyring::from_inviter(&inviter.for_joiner(), device.clone()).unwrap();
        assert_eq!(joiner.vault_id(), inviter.vault_id());
        assert_eq!(joiner.device().public(), device.public());
        assert_eq!(joiner.content_keys().gear_seed(), inviter.content_keys().gear_seed());
        assert!(joiner.epochs().map(Epoch::id).eq(inviter.epochs().map(Epoch::id)));
        assert!(joiner.slots().is_empty());
        assert!(Keyring::decode(&inviter.for_joiner()).is_err());
        assert!(Keyring::from_inviter(&inviter.encode(), device).is_err());
    }

    /// One keyring, one encoding: epochs and slots stand in ascending order, each once.
    #[test]
    fn lists_out_of_order_are_refused() {
        let keyring = with(1, 2);
        let bytes = keyring.encode();
        let first = keyring.epochs().last().unwrap().encoded_len();
        let second = keyring.current().encoded_len();
        let mut swapped = bytes.clone();
        swapped[HEAD_LEN..HEAD_LEN + first + second].rotate_left(first);
        assert!(Keyring::decode(&swapped).is_err());

        let slots = bytes.len() - 80;
        let mut swapped = bytes.clone();
        swapped[slots..].rotate_left(40);
        assert!(Keyring::decode(&swapped).is_err());
        let mut twice = bytes;
        twice.copy_within(slots..slots + 8, slots + 40);
        assert!(Keyring::decode(&twice).is_err());
    }

    proptest! {
        #[test]
        fn decodes_what_it_encodes_and_no_other_length(epochs in 0u8..4, slots in 0u8..4, extra: u8) {
            let keyring = with(epochs, slots);
            let bytes = keyring.encode();
            let decoded = Keyring::decode(&bytes).unwrap();
            prop_assert_eq!(decoded.encode(), bytes.clone());
            prop_assert_eq!(decoded.current().id(), keyring.current().id());
            for len in 0..bytes.len() {
                prop_assert!(Keyring::decode(&bytes[..len]).is_err());
            }
            prop_assert!(Keyring::decode(&[&bytes[..], &[extra]].concat()).is_err());
        }

        #[test]
        fn mangled_bytes_never_panic(at: proptest::sample::Index, byte: u8, noise: Vec<u8>) {
            let mut bytes = with(2, 2).encode();
            let at = at.index(bytes.len());
            bytes[at] = byte;
            let _ = Keyring::decode(&bytes);
            let _ = Keyring::decode(&noise);
        }
    }
}
