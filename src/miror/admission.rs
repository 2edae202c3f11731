//! Who may take part: the device list and the epochs, as the handshake needs them.

use super::secret::SecretBytes;
use serde::{Deserialize, Serialize};

use super::replica::ReplicaError;
use super::ticket::{TicketId, TicketRefusal, TicketSecret};
use crate::crypto::{DeviceKey, DevicePublic, Epoch, EpochId};

/// Epochs tried on a message, and by a dialer, newest first.
pub const EPOCHS_TRIED: usize = 8;

/// What the device list says of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// A device of the vault. (To a device that has just joined, its inviter is one too.)
    Listed,
    /// Was one.
    Revoked,
    /// Not known.
    Unlisted,
}

/// The vault's knowledge of its devices.
pub trait Admission: Send + Sync {
    /// This device's key.
    fn device(&self) -> DeviceKey;

    /// All epochs, the newest first; at least one.
    fn epochs(&self) -> Vec<Epoch>;

    /// What the device list says of `key`. A revocation once merged holds for good.
    fn standing(&self, key: &DevicePublic) -> Standing;

    /// Takes an epoch a peer has given. Durable before it returns.
    fn learn(&self, epoch: Epoch) -> Result<(), ReplicaError>;
}

/// Why a peer is turned away. The number is part of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum Refusal {
    /// Not on the device list.
    #[error("the device is not on the list of the vault's devices (yet)")]
    Unlisted,
    /// Revoked.
    #[error("the device was revoked")]
    Revoked,
    /// Proved an old epoch and may not have the new one.
    #[error(
        "the device is not entitled to the current epoch; if it should be, run `bosr rotate` on one that is"
    )]
    OldEpoch,
    /// Has our own key: a copy of this store.
    #[error("the peer has this device's own key; run `bosr device renew` on the copy")]
    OwnKey,
    /// No epoch in common: another vault.
    #[error("the peer has no key of this vault")]
    NoEpoch,
    /// The ticket.
    #[error("the ticket {0}")]
    Ticket(TicketRefusal),
    /// Too many connections that have not proved anything yet.
    #[error("the peer is busy")]
    Busy,
}

/// The judgement on a peer that has proved `key` and the epoch `used`.
///
/// # Errors
/// A [`Refusal`]. In order, the epoch the peer must be given, if it proved an older one.
pub fn judge(
    admission: &dyn Admission,
    key: &DevicePublic,
    used: &EpochId,
) -> Result<Option<Epoch>, Refusal> {
    if *key == admission.device().public() {
        return Err(Refusal::OwnKey);
    }
    match admission.standing(key) {
        Standing::Listed => {}
        Standing::Revoked => return Err(Refusal::Revoked),
        Standing::Unlisted => return Err(Refusal::Unlisted),
    }
    match admission.epochs().into_iter().next() {
        Some(newest) if newest.id() == *used => Ok(None),
        Some(newest) if newest.entitled().contains(key) => Ok(Some(newest)),
        _ => Err(Refusal::OldEpoch),
    }
}

/// What a device that joins is given.
#[derive(Clone, Serialize, Deserialize)]
pub struct Welcome {
    /// The inviter's device name.
    pub inviter: String,
    /// What `Keyring::for_joiner` gave: vault id, vault secret, epochs.
    pub keyring: SecretBytes,
    /// The name that the joiner is listed under: its own, or one like it if that was taken.
    pub joiner: String,
}

/// The side that gave out a ticket.
pub trait Inviter: Send + Sync {
    /// The secret of a ticket.
    fn secret(&self, ticket: &TicketId) -> Result<TicketSecret, TicketRefusal>;

    /// Spends it for the device that completed the handshake.
    fn spend(&self, ticket: &TicketId, key: &DevicePublic) -> Result<(), TicketRefusal>;

    /// Lists the device, makes that commit durable, and gives what it needs. Asked again for the same key, it
    /// gives the same without listing it twice.
    fn welcome(&self, ticket: &TicketId, key: &DevicePublic, name: &str) -> Result<Welcome, ReplicaError>;
}
