//! An epoch of the master key.
//!
//! Each rotation and each revocation of a device makes an epoch; two made at the same time on different devices
//! are both kept. The greatest id is the current one, and everything new is wrapped under it.

use std::fmt;
use std::sync::Arc;

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::cursor::Cursor;
use super::derive::{Key, derive, derive_into};
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
pub(super) const FIXED_LEN: usize = EpochId::LEN + 32 + 2;

impl Epoch {
    /// A new epoch. `entitled` are the static keys of the devices that may have it: those listed and not
    /// revoked. They are kept sorted, each once; 65535 at most.
    pub fn generate(counter: u32, entitled: &[DevicePublic], entropy: &dyn Entropy) -> Self {
        let id = EpochId { counter, id: ambient::random(entropy) };
        let mut entitled = entitled.to_vec();
        entitled.sort_unstable();
        entitled.dedup();
        entitled.truncate(usize::from(u16::MAX));
        Self::new(id, Zeroizing::new(ambient::random(entropy)), entitled)
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

    /// The epoch with its key, to be handed to a device that is entitled to it (over an encrypted channel).
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
        let count = u16::try_from(self.0.entitled.len()).unwrap_or(u16::MAX);
        out.extend_from_slice(&count.to_le_bytes());
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
