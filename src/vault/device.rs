//! Device records: what the vault's state says about the devices it belongs to.
//!
//! A record is the data of a node under [`NodeId::DEVICES`]; it merges like any other. Records are never
//! shown in the tree, never displaced, never pruned. Versions of one record that stand side by side are read
//! together, so that nothing one device says (a new replica id, a revocation) hides what another said.
#![deny(clippy::indexing_slicing)]

use serde::{Deserialize, Serialize};

use super::ReplicaId;
use super::contents::Content;
use super::node::{Data, Node, NodeId, Place};

/// The longest name of a device, in bytes.
pub const MAX_DEVICE_NAME: usize = 64;

/// First byte of an encoded record.
const VERSION: u8 = 1;

/// One device of the vault.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceRecord {
    /// What its owner calls it; at most [`MAX_DEVICE_NAME`] bytes.
    pub name: String,
    /// Its X25519 static public key.
    pub public: [u8; 32],
    /// The replica ids of its lives, in the order it took them.
    pub replicas: Vec<ReplicaId>,
    /// Whether it was shut out of the vault.
    pub revoked: bool,
}

impl DeviceRecord {
    /// The record as the data of its node.
    pub fn to_data(&self) -> Data {
        let body = postcard::to_stdvec(self).unwrap_or_default();
        let bytes = std::iter::once(VERSION).chain(body).collect();
        Data::Content(Content::Inline(bytes))
    }

    /// The record that `data` is, if it is one.
    pub fn from_data(data: &Data) -> Option<DeviceRecord> {
        let Data::Content(Content::Inline(bytes)) = data else { return None };
        let (version, body) = bytes.split_first()?;
        let (record, rest) = postcard::take_from_bytes::<DeviceRecord>(body).ok()?;
        (*version == VERSION && rest.is_empty() && record.name.len() <= MAX_DEVICE_NAME).then_some(record)
    }

    /// The record that `node` holds, if it is a device node: the winner's name and key, everyone's replicas,
    /// and revoked if anyone says so.
    pub fn of_node(node: &Node) -> Option<DeviceRecord> {
        let placed = node.places.iter().any(|(_, place)| in_devices(place));
        let mut records = node.data.iter().rev().filter_map(|(_, data)| DeviceRecord::from_data(data));
        let mut record = records.next().filter(|_| placed)?;
        for other in records {
            record.revoked |= other.revoked;
            let more = other.replicas.into_iter().filter(|id| !record.replicas.contains(id));
            let more: Vec<_> = more.collect();
            record.replicas.extend(more);
        }
        Some(record)
    }
}

/// Whether a place is one of a device record.
pub(super) fn in_devices(place: &Place) -> bool {
    place.slot().0 == NodeId::DEVICES
}
