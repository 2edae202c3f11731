//! What only this replica knows, kept as local records of the store: keys and encodings.
//!
//! Bytes: `docs/specs/vault-format.md`, "Local records". All are versioned by their key's last segment being
//! new whenever a layout changes; an unknown key is left alone.
#![deny(clippy::indexing_slicing)]

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::commit::CommitId;
use super::error::{Result, VaultError};
use super::journal::JournalMark;
use super::missing::{Shown, Version};
use super::{NodeId, ReplicaId, Stamp};
use crate::crypto::{DevicePublic, ObjectId};

/// A change of one local record, as the store takes it.
pub(super) type Change = (Vec<u8>, Option<Vec<u8>>);

/// The last commit that is this replica's state.
pub(super) const HEAD: &[u8] = b"vault/head/1";
/// Who this replica is.
pub(super) const IDENTITY: &[u8] = b"vault/identity/1";
/// The highest own lamport that was ever offered to a peer.
pub(super) const OFFERED: &[u8] = b"vault/offered/1";
/// What the head holds of the journal.
pub(super) const JOURNAL: &[u8] = b"vault/journal/1";
/// Before the key of a device: the last state merged from it.
const MERGED: &[u8] = b"vault/merged/1/";
/// Before the key of a device: it was revoked, for good.
const REVOKED: &[u8] = b"vault/revoked/1/";
/// Before a node id and a stamp: what the file shows while that version is on the way.
const WAITING: &[u8] = b"vault/waiting/1/";

/// Who this replica is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Identity {
    /// The device's public key.
    pub(super) device: [u8; 32],
    /// Which life of the device this is: drawn anew when a store was copied or restored.
    pub(super) epoch: u64,
}

impl Identity {
    /// The id that this replica's stamps carry.
    pub(super) fn replica(&self) -> ReplicaId {
        let mut hasher = blake3::Hasher::new_derive_key("bosr 2026-01 replica id");
        hasher.update(&self.device);
        hasher.update(&self.epoch.to_le_bytes());
        let mut id = [0; 8];
        hasher.finalize_xof().fill(&mut id);
        ReplicaId(id)
    }
}

/// The record that makes `commit` the head.
pub(super) fn head(commit: &CommitId) -> Change {
    (HEAD.to_vec(), Some(commit.0.0.to_vec()))
}

/// The commit a head or merged-state record names.
pub(super) fn commit_id(bytes: &[u8]) -> Result<CommitId> {
    let id = <[u8; 32]>::try_from(bytes).map_err(|_| damaged("a commit id"))?;
    Ok(CommitId(ObjectId(id)))
}

/// The record of who this replica is.
pub(super) fn identity(identity: &Identity) -> Result<Change> {
    Ok((IDENTITY.to_vec(), Some(encode(identity)?)))
}

/// The record of the highest own lamport offered.
pub(super) fn offered(lamport: u64) -> Change {
    (OFFERED.to_vec(), Some(lamport.to_le_bytes().to_vec()))
}

/// The record of what the head holds of the journal.
pub(super) fn journal(mark: &JournalMark) -> Result<Change> {
    Ok((JOURNAL.to_vec(), Some(encode(mark)?)))
}

/// The lamport in [`OFFERED`].
pub(super) fn lamport(bytes: &[u8]) -> Result<u64> {
    Ok(u64::from_le_bytes(bytes.try_into().map_err(|_| damaged("a lamport"))?))
}

/// The record of the last state merged from `device`.
pub(super) fn merged(device: &DevicePublic, commit: &CommitId) -> Change {
    (merged_key(device), Some(commit.0.0.to_vec()))
}

/// The key of [`merged`].
pub(super) fn merged_key(device: &DevicePublic) -> Vec<u8> {
    [MERGED, device.0.as_slice()].concat()
}

/// What [`merged`] records begin with.
pub(super) fn merged_prefix() -> &'static [u8] {
    MERGED
}

/// The device a [`merged`] record is about.
pub(super) fn merged_device(key: &[u8]) -> Option<DevicePublic> {
    key.strip_prefix(MERGED)?.try_into().ok().map(DevicePublic)
}

/// The record that `device` was revoked.
pub(super) fn revoked(device: &DevicePublic) -> Change {
    ([REVOKED, device.0.as_slice()].concat(), Some(Vec::new()))
}

/// What [`revoked`] records begin with.
pub(super) fn revoked_prefix() -> &'static [u8] {
    REVOKED
}

/// The device a [`revoked`] record is about.
pub(super) fn revoked_device(key: &[u8]) -> Option<DevicePublic> {
    key.strip_prefix(REVOKED)?.try_into().ok().map(DevicePublic)
}

/// The record that a version is not wholly here and its file meanwhile shows `shown` (its real size if
/// `None`).
pub(super) fn waiting(version: &Version, shown: &Option<Shown>) -> Result<Change> {
    Ok((waiting_key(version), Some(encode(shown)?)))
}

/// The record that a version waits no more.
pub(super) fn arrived(version: &Version) -> Change {
    (waiting_key(version), None)
}

/// What [`waiting`] records begin with.
pub(super) fn waiting_prefix() -> &'static [u8] {
    WAITING
}

/// Reads a [`waiting`] record.
pub(super) fn read_waiting(key: &[u8], value: &[u8]) -> Result<(Version, Option<Shown>)> {
    let parts = key.strip_prefix(WAITING).and_then(|rest| rest.split_first_chunk::<16>());
    let version = parts.and_then(|(node, rest)| {
        let (lamport, rest) = rest.split_first_chunk::<8>()?;
        let replica = ReplicaId(rest.try_into().ok()?);
        Some((NodeId(*node), Stamp { lamport: u64::from_be_bytes(*lamport), replica }))
    });
    Ok((version.ok_or_else(|| damaged("a version"))?, decode(value)?))
}

fn waiting_key((node, stamp): &Version) -> Vec<u8> {
    [WAITING, &node.0, &stamp.lamport.to_be_bytes(), &stamp.replica.0].concat()
}

fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>> {
    postcard::to_stdvec(value).map_err(|_| VaultError::Inconsistent("a local record must encode"))
}

/// Reads a record that [`encode`] wrote.
pub(super) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    match postcard::take_from_bytes(bytes) {
        Ok((value, [])) => Ok(value),
        _ => Err(damaged("a record")),
    }
}

/// Hands `bytes` to all that decodes here.
#[cfg(any(test, feature = "testing"))]
pub(super) fn feed(bytes: &[u8]) {
    let _ = decode::<Identity>(bytes);
    let _ = decode::<JournalMark>(bytes);
    let _ = (commit_id(bytes), lamport(bytes), merged_device(bytes), revoked_device(bytes));
    let (key, value) = bytes.split_at(bytes.len() / 2);
    let _ = read_waiting(key, value);
}

fn damaged(what: &str) -> VaultError {
    VaultError::Damaged(format!("local records: {what} does not decode"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_bytes() {
        let identity = Identity { device: [1; 32], epoch: 0 };
        assert_eq!(identity.replica().to_string(), "0a49c4131e142c2f");
        assert_ne!(identity.replica(), Identity { epoch: 1, ..identity }.replica());
        let stamp = Stamp { lamport: 2, replica: ReplicaId([3; 8]) };
        let (key, value) = waiting(&(NodeId([4; 16]), stamp), &None).unwrap();
        let expected = [b"vault/waiting/1/".to_vec(), vec![4; 16], vec![0, 0, 0, 0, 0, 0, 0, 2], vec![3; 8]];
        assert_eq!(key, expected.concat());
        assert_eq!(value, Some(vec![0]));
        assert_eq!(offered(258).1, Some(vec![2, 1, 0, 0, 0, 0, 0, 0]));
    }

    #[test]
    fn records_come_back_and_cut_ones_do_not() {
        let version = (NodeId([4; 16]), Stamp { lamport: 2, replica: ReplicaId([3; 8]) });
        let shown = Some(Shown { stamps: vec![version.1], content: super::super::Content::Empty });
        let (key, value) = waiting(&version, &shown).unwrap();
        let value = value.unwrap();
        assert_eq!(read_waiting(&key, &value).unwrap(), (version, shown));
        for cut in 0..key.len() {
            assert!(read_waiting(&key[..cut], &value).is_err());
        }
        for cut in 0..value.len() {
            assert!(read_waiting(&key, &value[..cut]).is_err());
        }
        let (key, value) = merged(&DevicePublic([5; 32]), &CommitId(ObjectId([6; 32])));
        assert_eq!(merged_device(&key), Some(DevicePublic([5; 32])));
        let value = value.unwrap();
        assert_eq!(commit_id(&value).unwrap(), CommitId(ObjectId([6; 32])));
        assert!(commit_id(&value[1..]).is_err() && lamport(&value).is_err());
    }
}
