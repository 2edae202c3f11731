//! A device list in memory.

use parking_lot::Mutex;

use crate::ambient::Entropy;
use crate::crypto::{DeviceKey, DevicePublic, Epoch};
use crate::miror::admission::{Admission, Inviter, Standing, Welcome};
use crate::miror::replica::ReplicaError;
use crate::miror::ticket::{TicketBook, TicketId, TicketRefusal, TicketSecret};

/// A device list, epochs and tickets in memory.
pub struct MemoryDevices {
    device: DeviceKey,
    epochs: Mutex<Vec<Epoch>>,
    listed: Mutex<Vec<DevicePublic>>,
    revoked: Mutex<Vec<DevicePublic>>,
    /// Its tickets; their time is 0.
    pub tickets: Mutex<TicketBook>,
}

impl MemoryDevices {
    /// A device with these epochs, newest first, that knows nobody.
    pub fn new(entropy: &dyn Entropy, epochs: &[Epoch]) -> Self {
        MemoryDevices {
            device: DeviceKey::generate(entropy),
            epochs: Mutex::new(epochs.to_vec()),
            listed: Mutex::default(),
            revoked: Mutex::default(),
            tickets: Mutex::default(),
        }
    }

    /// Its public key.
    pub fn public(&self) -> DevicePublic {
        self.device.public()
    }

    /// Puts a device on the list.
    pub fn list(&self, key: DevicePublic) {
        self.listed.lock().push(key);
    }

    /// Revokes a device.
    pub fn revoke(&self, key: DevicePublic) {
        self.revoked.lock().push(key);
    }
}

impl Admission for MemoryDevices {
    fn device(&self) -> DeviceKey {
        self.device.clone()
    }

    fn epochs(&self) -> Vec<Epoch> {
        self.epochs.lock().clone()
    }

    fn standing(&self, key: &DevicePublic) -> Standing {
        if self.revoked.lock().contains(key) {
            Standing::Revoked
        } else if self.listed.lock().contains(key) {
            Standing::Listed
        } else {
            Standing::Unlisted
        }
    }

    fn learn(&self, epoch: Epoch) -> Result<(), ReplicaError> {
        let mut epochs = self.epochs.lock();
        epochs.push(epoch);
        epochs.sort_by_key(|epoch| std::cmp::Reverse(epoch.id()));
        Ok(())
    }
}

impl Inviter for MemoryDevices {
    fn secret(&self, ticket: &TicketId) -> Result<TicketSecret, TicketRefusal> {
        self.tickets.lock().secret(ticket, 0)
    }

    fn spend(&self, ticket: &TicketId, key: &DevicePublic) -> Result<(), TicketRefusal> {
        self.tickets.lock().spend(ticket, key, 0)
    }

    fn welcome(&self, _: &TicketId, key: &DevicePublic, name: &str) -> Result<Welcome, ReplicaError> {
        self.list(*key);
        let keyring = zeroize::Zeroizing::new(format!("keyring for {name}").into_bytes());
        Ok(Welcome { inviter: "inviter".into(), keyring: keyring.into(), joiner: String::new() })
    }
}
