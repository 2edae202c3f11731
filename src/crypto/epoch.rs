//! An epoch of the master key.
//!
//! Each rotation and each revocation of a device makes an epoch; two made at the same time on different devices
//! are both kept. The greatest id is the current one, and everything new is wrapped under it.

use std::fmt;
use std::sync::Arc;

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::cursor::{Cursor, encode_count};
use super::derive::{Key, derive, derive_into, random_key};
use super::device::DevicePublic;
use super::error::CryptoError;
use super::wrap::WrapKey;
use crate::ambient::{self, Entropy};

/// The name of an epoch: a counter, and random bytes that tell apart epochs made at the same time. The order is
/// counter first; the greatest is current.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct EpochId {
    /// One more than the greatest its maker knew; the first is 1.
    pub counter: u32,
    /// Random.
    pub id: [u8; 8],
}

impl EpochId {
    /// Bytes of an encoded one.
    pub const LEN: usize = 12;

    /// Counter (little-endian), then the random bytes.
    pub fn to_bytes(self) -> [u8; Self::LEN] {
        let mut bytes = [0; Self::LEN];
        if let Some((counter, id)) = bytes.split_first_chunk_mut::<4>() {
            *counter = self.counter.to_le_bytes();
            id.copy_from_slice(&self.id);
        }
        bytes
    }

    /// The reverse of [`EpochId::to_bytes`].
    pub fn from_bytes(bytes: &[u8; Self::LEN]) -> Self {
        let [c0, c1, c2, c3, id @ ..] = *bytes;
        EpochId { counter: u32::from_le_bytes([c0, c1, c2, c3]), id }
    }
}

impl fmt::Display for EpochId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.counter, HEXLOWER.encode(&self.id))
    }
}

impl fmt::Debug for EpochId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EpochId({self})")
    }
}

/// An epoch with its key. Cheap to clone.
#[derive(Clone)]
pub struct Epoch(Arc<Inner>);

struct Inner {
    id: EpochId,
    key: Key,
    entitled: Vec<DevicePublic>,
    wrap: WrapKey,
}

/// Bytes of an encoded epoch without the entitled keys.
pub(super) const FIXED_LEN: usize = EpochId::LEN + 32 + 4;

impl Epoch {
    /// A new epoch. `entitled` are the static keys of the devices that may have it: those listed and not
    /// revoked. They are kept sorted, each once.
    pub fn generate(counter: u32, entitled: &[DevicePublic], entropy: &dyn Entropy) -> Self {
        let id = EpochId { counter, id: ambient::random(entropy) };
        let mut entitled = entitled.to_vec();
        entitled.sort_unstable();
        entitled.dedup();
        Self::new(id, random_key(entropy), entitled)
    }

    fn new(id: EpochId, key: Key, entitled: Vec<DevicePublic>) -> Self {
        let wrap = WrapKey::new(&derive(key.as_ref(), b"", b"bosr/1 wrap"));
        Epoch(Arc::new(Inner { id, key, entitled, wrap }))
    }

    /// Its name.
    pub fn id(&self) -> EpochId {
        self.0.id
    }

    /// The static keys of the devices that may have it, sorted.
    pub fn entitled(&self) -> &[DevicePublic] {
        &self.0.entitled
    }

    /// Whether this device may have it.
    pub fn is_entitled(&self, device: &DevicePublic) -> bool {
        self.0.entitled.binary_search(device).is_ok()
    }

    /// The pre-shared key of the peers' handshake.
    pub fn psk(&self) -> Key {
        self.derive(b"", b"bosr/1 peer psk")
    }

    /// What a device announces on the local network on a day (days since the Unix epoch, UTC): 16 bytes that
    /// only holders of the epoch recognise.
    pub fn discovery_tag(&self, day: u32) -> [u8; 16] {
        let mut tag = [0; 16];
        let info = [b"bosr/1 discovery".as_slice(), &day.to_le_bytes()].concat();
        // Fails only for outputs over 8160 bytes.
        let _ = derive_into(self.0.key.as_ref(), b"", &info, &mut tag);
        tag
    }

    /// A key of this epoch for what `info` says.
    pub(super) fn derive(&self, salt: &[u8], info: &[u8]) -> Key {
        derive(self.0.key.as_ref(), salt, info)
    }

    /// The epoch's secret itself, where a formula mixes it with more.
    pub(super) fn key(&self) -> &Key {
        &self.0.key
    }

    pub(super) fn wrap(&self) -> &WrapKey {
        &self.0.wrap
    }

    /// The epoch with its key, to be handed to a device that is entitled to it (over an encrypted channel):
    /// id (12), key (32), count (4), and the entitled keys (32 each) in ascending order.
    pub fn encode(&self) -> Zeroizing<Vec<u8>> {
        let mut out = Zeroizing::new(Vec::with_capacity(self.encoded_len()));
        self.encode_into(&mut out);
        out
    }

    pub(super) fn encoded_len(&self) -> usize {
        FIXED_LEN + 32 * self.0.entitled.len()
    }

    pub(super) fn encode_into(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0.id.to_bytes());
        out.extend_from_slice(self.0.key.as_slice());
        out.extend_from_slice(&encode_count(self.0.entitled.len()));
        for device in &self.0.entitled {
            out.extend_from_slice(&device.0);
        }
    }

    /// The reverse of [`Epoch::encode`].
    ///
    /// # Errors
    /// [`CryptoError::Malformed`] for anything else.
    pub fn decode(bytes: &[u8]) -> Result<Self, CryptoError> {
        let mut cursor = Cursor::new(bytes, "epoch");
        let epoch = Self::decode_from(&mut cursor)?;
        cursor.end()?;
        Ok(epoch)
    }

    pub(super) fn decode_from(cursor: &mut Cursor<'_>) -> Result<Self, CryptoError> {
        let id = EpochId::from_bytes(cursor.array()?);
        let key = Zeroizing::new(*cursor.array()?);
        let count = cursor.count(32)?;
        let mut entitled = Vec::with_capacity(count);
        for _ in 0..count {
            entitled.push(DevicePublic(*cursor.array()?));
        }
        if !entitled.is_sorted_by(|a, b| a < b) {
            return Err(cursor.malformed());
        }
        Ok(Self::new(id, key, entitled))
    }
}

#[cfg(test)]
mod tests {
    use data_encoding::HEXLOWER;
    use proptest::prelude::*;

    use super::*;
    use crate::crypto::fixture::{self, Counting};

    #[test]
    fn known_answers() {
        let epoch = fixture::keyring().0.current().clone();
        assert_eq!(epoch.id().to_string(), "1-2021222324252627");
        assert_eq!(
            HEXLOWER.encode(epoch.psk().as_slice()),
            "d260f5993f8cdd9fc97323876fad43252a4023ac8a1e1e78616153fb7797e996"
        );
        assert_eq!(HEXLOWER.encode(&epoch.discovery_tag(20_000)), "f602af568868ad443d08dcf1114164f8");
    }

    #[test]
    fn ids_are_ordered_by_counter_first() {
        let id = |counter, byte| EpochId { counter, id: [byte; 8] };
        assert!(id(256, 0) > id(1, 9) && id(1, 9) > id(1, 8));
    }

    fn epoch_of(counter: u32, devices: &[[u8; 32]]) -> Epoch {
        let devices: Vec<_> = devices.iter().copied().map(DevicePublic).collect();
        Epoch::generate(counter, &devices, &Counting::default())
    }

    proptest! {
        #[test]
        fn decodes_what_it_encodes_and_no_other_length(
            counter: u32, devices in proptest::collection::vec(any::<[u8; 32]>(), 0..5), extra: u8,
        ) {
            let epoch = epoch_of(counter, &devices);
            let bytes = epoch.encode();
            prop_assert_eq!(bytes.len(), epoch.encoded_len());
            let decoded = Epoch::decode(&bytes).unwrap();
            prop_assert_eq!(decoded.id(), epoch.id());
            prop_assert_eq!(decoded.entitled(), epoch.entitled());
            prop_assert_eq!(decoded.psk(), epoch.psk());
            prop_assert!(epoch.entitled().iter().all(|device| decoded.is_entitled(device)));
            for len in 0..bytes.len() {
                prop_assert!(Epoch::decode(&bytes[..len]).is_err());
            }
            prop_assert!(Epoch::decode(&[&bytes[..], &[extra]].concat()).is_err());
        }

        #[test]
        fn mangled_bytes_never_panic(bytes: Vec<u8>) {
            let _ = Epoch::decode(&bytes);
        }

        #[test]
        fn ids_survive_their_bytes(counter: u32, id: [u8; 8]) {
            let id = EpochId { counter, id };
            prop_assert_eq!(EpochId::from_bytes(&id.to_bytes()), id);
        }
    }
}
