//! Tickets given out by this device, and the welcome of those who come with one.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;

use super::super::keys::VaultKeys;
use crate::ambient::{Ambient, WallNanos};
use crate::crypto::DevicePublic;
use crate::miror::admission::{Inviter, Welcome};
use crate::miror::replica::ReplicaError;
use crate::miror::ticket::{Ticket, TicketBook, TicketId, TicketRefusal, TicketSecret};
use crate::vault::{Vault, VaultError};

/// Names tried for a new device whose own is taken.
const NAMES_TRIED: u32 = 1000;
/// What a device whose own name is empty is called.
const NAMELESS: &str = "device";

/// The side that gives out tickets.
pub struct VaultInviter {
    vault: Arc<Vault>,
    keys: Arc<VaultKeys>,
    ambient: Ambient,
    book: Mutex<TicketBook>,
    spent: Mutex<HashMap<TicketId, DevicePublic>>,
}

impl VaultInviter {
    /// Of an open vault. Tickets are kept in memory: they end with this process.
    pub fn new(vault: Arc<Vault>, keys: Arc<VaultKeys>, ambient: Ambient) -> Self {
        VaultInviter { vault, keys, ambient, book: Mutex::default(), spent: Mutex::default() }
    }

    /// Gives out a ticket, good for `lifetime`; none if too many are open.
    pub fn issue(&self, addresses: Vec<String>, lifetime: WallNanos) -> Option<Ticket> {
        let now = self.ambient.clock.wall();
        self.book.lock().issue(addresses, now, lifetime, self.ambient.entropy.as_ref())
    }

    /// Whether somebody may still come with a ticket.
    pub fn is_open(&self) -> bool {
        self.book.lock().is_open(self.ambient.clock.wall())
    }

    /// Who has joined with a ticket.
    pub fn spent_by(&self, ticket: &TicketId) -> Option<DevicePublic> {
        self.spent.lock().get(ticket).copied()
    }

    /// Lists the device under the name it asks for, or one like it.
    fn list(&self, key: &DevicePublic, name: &str) -> Result<(), VaultError> {
        if self.vault.device_record(key).is_some() {
            return Ok(());
        }
        let plain: String = name.chars().filter(|c| !c.is_control() && *c != '/').collect();
        let plain = if plain.trim().is_empty() { NAMELESS } else { plain.trim() };
        let numbered = (2..NAMES_TRIED).map(|number| format!("{plain}-{number}"));
        for name in std::iter::once(plain.to_owned()).chain(numbered) {
            match self.vault.add_device(&name, *key) {
                Err(VaultError::Exists) => continue,
                listed => return listed,
            }
        }
        Err(VaultError::Exists)
    }
}

impl Inviter for VaultInviter {
    fn secret(&self, ticket: &TicketId) -> Result<TicketSecret, TicketRefusal> {
        self.book.lock().secret(ticket, self.ambient.clock.wall())
    }

    fn spend(&self, ticket: &TicketId, key: &DevicePublic) -> Result<(), TicketRefusal> {
        self.book.lock().spend(ticket, key, self.ambient.clock.wall())
    }

    fn welcome(&self, ticket: &TicketId, key: &DevicePublic, name: &str) -> Result<Welcome, ReplicaError> {
        let listed = self.list(key, name).and_then(|()| self.vault.commit());
        listed.map_err(|error| match error {
            VaultError::Full => ReplicaError::Full,
            error => ReplicaError::Store(error.to_string()),
        })?;
        self.spent.lock().insert(*ticket, *key);
        let name = |key| self.vault.device_record(key).map(|record| record.name).unwrap_or_default();
        Ok(Welcome {
            inviter: name(&self.vault.device()),
            keyring: self.keys.keyring().for_joiner().into(),
            joiner: name(key),
        })
    }
}
