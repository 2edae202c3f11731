//! The peers of a vault: its other devices, and where they are reached.
//!
//! Addresses come from `peer add`, from the ticket this device joined with, from the configuration, and from
//! sessions that a peer dialled. They are kept as local records of the store: sealed, and never sent. Those that are
//! found on the local network come before them, and are not kept.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::super::config::VaultConfig;
use super::super::error::DaemonError;
use super::super::news::News;
use super::address::with_port;
use crate::crypto::DevicePublic;
use crate::miror::replicator::PeerAddress;
use crate::store::{Store, StoreError};
use crate::vault::Vault;

/// Records of addresses: the prefix and the alias.
const PREFIX: &[u8] = b"daemon/peer/1/";
/// Where a device that dialled us said it answers: the prefix and its key.
const SEEN: &[u8] = b"daemon/seen/1/";
/// More than anybody calls a machine.
const MAX_ALIAS_BYTES: usize = 64;

/// A source of the peers as they are known now.
pub(super) type KnownPeers = Arc<dyn Fn() -> Vec<Peer> + Send + Sync>;

/// What is kept of a peer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Record {
    addresses: Vec<String>,
    key: Option<[u8; 32]>,
}

/// A peer as it is known now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// What it is called: by the user, else in the vault.
    pub alias: String,
    /// `host:port`, the likeliest first; none if it has only ever dialled us, and does not answer itself.
    pub addresses: Vec<String>,
    /// Its key, if it has been met.
    pub key: Option<DevicePublic>,
    /// The first address was found on the local network.
    pub found: bool,
}

impl Peer {
    fn new(alias: String, addresses: Vec<String>, key: Option<DevicePublic>) -> Self {
        Peer { alias, addresses, key, found: false }
    }

    /// With the places where its device was found on the local network before all others.
    pub(super) fn found_at(mut self, places: impl FnOnce(&DevicePublic) -> Vec<String>) -> Self {
        let places = self.key.as_ref().map(places).unwrap_or_default();
        self.found = !places.is_empty();
        self.addresses.retain(|address| !places.contains(address));
        self.addresses.splice(..0, places);
        self
    }

    /// For the replicator.
    pub fn dialled(&self) -> PeerAddress {
        PeerAddress { addresses: self.addresses.clone(), key: self.key }
    }
}

/// Where the peers are.
pub struct PeerBook {
    vault: Arc<Vault>,
    /// Told when what is written here changes.
    news: News,
}

impl PeerBook {
    /// Of an open vault; `news` is told of changes.
    pub fn new(vault: Arc<Vault>, news: News) -> Self {
        PeerBook { vault, news }
    }

    /// All peers by alias: those with an address, then the devices of the vault that have none.
    pub fn peers(&self, settings: &VaultConfig) -> Vec<Peer> {
        let mut peers: BTreeMap<String, Peer> = BTreeMap::new();
        for (alias, address) in &settings.peers {
            // An address that is none is an error where the configuration is read for an action.
            let addresses = with_port(address).into_iter().collect();
            peers.insert(alias.clone(), Peer::new(alias.clone(), addresses, None));
        }
        for (alias, record) in self.records() {
            let peer = peers.entry(alias.clone()).or_insert(Peer::new(alias, Vec::new(), None));
            peer.addresses.extend(record.addresses);
            peer.key = record.key.map(DevicePublic);
        }
        let own = self.vault.device();
        // Who was shut out, or is this device itself (before it took a new key), is no peer whatever its address.
        let revoked = self.vault.revoked();
        peers.retain(|_, peer| peer.key.is_none_or(|key| key != own && revoked.binary_search(&key).is_err()));
        for device in self.vault.members() {
            let key = DevicePublic(device.public);
            if key == own || peers.values().any(|peer| peer.key == Some(key)) {
                continue;
            }
            let free = std::iter::successors(Some(device.name), |name| Some(format!("{name}'")));
            let alias = free.into_iter().find(|name| !peers.contains_key(name)).unwrap_or_default();
            peers.insert(alias.clone(), Peer::new(alias, Vec::new(), Some(key)));
        }
        for peer in peers.values_mut() {
            let seen = peer.key.and_then(|key| self.seen_at(&key));
            peer.addresses.extend(seen.filter(|seen| !peer.addresses.contains(seen)));
        }
        peers.into_values().collect()
    }

    /// Remembers an address that a person gave. If a device of the vault has that name, it is that device's.
    pub fn add(&self, alias: &str, address: &str) -> Result<(), DaemonError> {
        let plain = |c: char| !c.is_control() && !c.is_whitespace();
        if alias.is_empty() || alias.len() > MAX_ALIAS_BYTES || !alias.chars().all(plain) {
            return Err(DaemonError::BadAlias { alias: alias.to_owned() });
        }
        let address = with_port(address)?;
        if self.record(alias).is_some_and(|record| !record.addresses.is_empty()) {
            return Err(DaemonError::PeerExists { alias: alias.to_owned() });
        }
        let device = self.vault.devices().into_iter().find(|device| device.name == alias);
        let key = device.map(|device| device.public);
        self.write(alias, Some(&Record { addresses: vec![address], key })).map_err(|error| failed(&error))
    }

    /// Forgets an address. The device stays a device of the vault.
    pub fn remove(&self, alias: &str) -> Result<(), DaemonError> {
        if self.record(alias).is_none() {
            return Err(DaemonError::UnknownPeer { alias: alias.to_owned() });
        }
        self.write(alias, None).map_err(|error| failed(&error))
    }

    /// Remembers where a device of the vault was found.
    pub fn found(&self, alias: &str, key: &DevicePublic, addresses: Vec<String>) -> Result<(), StoreError> {
        self.write(alias, Some(&Record { addresses, key: Some(key.0) }))
    }

    /// Remembers who answers at the address of `alias`.
    pub fn met(&self, alias: &str, key: &DevicePublic) -> Result<(), StoreError> {
        let record = self.record(alias).unwrap_or_default();
        if record.key == Some(key.0) {
            return Ok(());
        }
        self.write(alias, Some(&Record { key: Some(key.0), ..record }))
    }

    /// Remembers where a device answers that has dialled us.
    pub fn seen(&self, key: &DevicePublic, address: &str) -> Result<(), StoreError> {
        if self.seen_at(key).is_some_and(|known| known == address) {
            return Ok(());
        }
        self.vault.store().set_local(vec![(seen_key(key), Some(address.as_bytes().to_vec()))])?;
        self.news.tell();
        Ok(())
    }

    fn seen_at(&self, key: &DevicePublic) -> Option<String> {
        String::from_utf8(self.vault.store().local(&seen_key(key))?).ok()
    }

    fn records(&self) -> Vec<(String, Record)> {
        let found = self.vault.store().locals(PREFIX);
        let read = found.iter().filter_map(|(key, value)| {
            let alias = String::from_utf8(key.get(PREFIX.len()..)?.to_vec()).ok()?;
            Some((alias, postcard::from_bytes(value).ok()?))
        });
        read.collect()
    }

    fn record(&self, alias: &str) -> Option<Record> {
        let bytes = self.vault.store().local(&[PREFIX, alias.as_bytes()].concat())?;
        postcard::from_bytes(&bytes).ok()
    }

    fn write(&self, alias: &str, record: Option<&Record>) -> Result<(), StoreError> {
        let value = record.map(|record| postcard::to_stdvec(record).unwrap_or_default());
        let store: &Store = self.vault.store();
        let position = store.set_local(vec![([PREFIX, alias.as_bytes()].concat(), value)])?;
        self.news.tell();
        store.sync_log(position)
    }
}

fn seen_key(device: &DevicePublic) -> Vec<u8> {
    [SEEN, &device.0].concat()
}

fn failed(error: &StoreError) -> DaemonError {
    match error {
        StoreError::Full => DaemonError::Full,
        error => DaemonError::internal("remembering the peer", error),
    }
}
