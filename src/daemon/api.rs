//! What goes over the control socket, and what `--json` prints. Schemas only grow: a field is never renamed,
//! removed or given another meaning.
//!
//! Names of files are bytes to the system and text to JSON: a name that is not UTF-8 is shown with
//! replacement characters, and its exact bytes stand beside it in hexadecimal.

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};

use crate::merge::explain::{Did, Why};
use crate::miror::SecretBytes;

/// The version of these schemas.
pub const VERSION: u32 = 1;

/// Who answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// Version of the schemas.
    pub version: u32,
    /// The process.
    pub pid: u32,
    /// Whether it stays as long as there are mounts and leases; else it is a command that ends when done.
    pub stays: bool,
}

/// A path or name in a vault.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Name {
    /// For people.
    #[serde(rename = "name")]
    pub text: String,
    /// The bytes in hexadecimal, if the text does not tell them.
    #[serde(rename = "name_bytes", default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<String>,
}

impl Name {
    /// From the bytes.
    pub fn new(bytes: &[u8]) -> Self {
        match std::str::from_utf8(bytes) {
            Ok(text) => Name { text: text.to_owned(), bytes: None },
            Err(_) => Name {
                text: String::from_utf8_lossy(bytes).into_owned(),
                bytes: Some(HEXLOWER.encode(bytes)),
            },
        }
    }
}

/// What kind of thing a name in the vault stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs, reason = "the kinds of POSIX")]
pub enum EntryKind {
    File,
    Directory,
    Symlink,
    Fifo,
    Socket,
    CharDevice,
    BlockDevice,
}

/// One line of `ls`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its name in its directory.
    #[serde(flatten)]
    pub name: Name,
    /// What it is.
    pub kind: EntryKind,
    /// Permission bits.
    pub mode: u32,
    /// Number of names.
    pub links: u32,
    /// User.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Bytes.
    pub size: u64,
    /// Last change of the content, nanoseconds since 1970.
    pub mtime: i64,
    /// Where a symlink points.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// Whether it is the losing side of a conflict, shown as a tombstone file.
    pub tombstone: bool,
}

/// A file that was stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stored {
    /// Its path in the vault.
    #[serde(flatten)]
    pub name: Name,
    /// Bytes.
    pub size: u64,
}

/// `status`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// Version of the schema.
    pub version: u32,
    /// Name or store of the vault.
    pub vault: String,
    /// The vault's id.
    pub id: String,
    /// What this device is called.
    pub device: String,
    /// The store's folder.
    pub store: String,
    /// Root of the trie, in hexadecimal: equal on replicas that agree.
    pub root: String,
    /// The head commit, in hexadecimal.
    pub commit: String,
    /// Files, directories and everything else in the vault.
    pub nodes: u64,
    /// The process that has the vault open in the background.
    pub owner: Option<u32>,
    /// Where it listens.
    pub listen: Option<String>,
    /// Where it is mounted.
    pub mounts: Vec<String>,
    /// The peers.
    pub peers: Vec<PeerStatus>,
    /// Content that is not here yet.
    pub waiting: Waiting,
    /// Bytes on disk, with the whole history.
    pub history: u64,
    /// Conflicts that wait for a person.
    pub conflicts: u64,
    /// What is under way.
    pub transfer: Transfer,
}

/// A peer in `status` and `peer list`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerStatus {
    /// What it is called.
    pub alias: String,
    /// Where it is reached, if that is known.
    pub address: Option<String>,
    /// Whether there is a session with it.
    pub connected: bool,
    /// `tcp` or `quic`, while connected.
    pub transport: Option<String>,
    /// Whether it is known to have the state that is here.
    pub in_sync: bool,
}

/// Content that is not here yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiting {
    /// Files that wait.
    pub files: u64,
    /// Bytes they miss.
    pub bytes: u64,
}

/// What goes over the network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Transfer {
    /// Bytes a second, received.
    pub received_rate: f64,
    /// Bytes a second, sent.
    pub sent_rate: f64,
    /// Bytes received since the vault was opened.
    pub received: u64,
    /// Bytes sent since the vault was opened.
    pub sent: u64,
}

/// One conflict.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conflict {
    /// Version of the schema.
    pub version: u32,
    /// The file.
    pub path: String,
    /// The tombstone file beside it, with the version that lost.
    pub tombstone: String,
    /// The device that wrote it.
    pub device: String,
    /// When, in the vault's order.
    pub stamp: String,
    /// The rule that decided.
    pub rule: String,
    /// The bytes of `path` in hexadecimal, if the text does not tell them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path_bytes: Option<String>,
    /// The same of `tombstone`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tombstone_bytes: Option<String>,
}

/// Which version of a conflict is to stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Keep {
    /// What has the name.
    Current,
    /// The tombstone, in its place.
    Tombstone,
    /// Both, as files of their own.
    Both,
}

/// A conflict that was decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decided {
    /// What it was.
    #[serde(flatten)]
    pub conflict: Conflict,
    /// What was asked for.
    pub keep: Keep,
    /// Where the version that the tombstone showed is now; none if it was given up.
    pub kept_as: Option<String>,
}

/// One commit of the history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogEntry {
    /// Version of the schema.
    pub version: u32,
    /// The commit, in hexadecimal.
    pub commit: String,
    /// The trie root it names.
    pub root: String,
    /// Its parents.
    pub parents: Vec<String>,
    /// Who made it; none for a merge.
    pub device: Option<String>,
    /// When, nanoseconds since 1970; none for a merge.
    pub time: Option<i64>,
    /// Files, directories and everything else it holds.
    pub nodes: u64,
    /// What it changed; with a path, of that. For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change: Option<String>,
    /// With a path: what happened to it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<LogEvent>,
}

/// Something that happened to a path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogEvent {
    /// Its path then.
    pub path: String,
    /// What.
    pub what: What,
    /// Of a move: its path before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Bytes of a file afterwards.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// Of a conflict: how many versions stand side by side.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub versions: Option<u64>,
    /// Below a directory: how many were added, changed, removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub below: Option<[u64; 3]>,
}

/// What can happen to a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs, reason = "the words of `crate::vault::Happened`")]
pub enum What {
    Created,
    Returned,
    Written,
    Moved,
    Linked,
    Unlinked,
    Removed,
    Attributes,
    Conflicted,
    Decided,
    Merged,
    Below,
}

/// What `restore` did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restored {
    /// Version of the schema.
    pub version: u32,
    /// The commit it was taken from.
    pub commit: String,
    /// What was restored.
    pub path: String,
    /// Where it is now.
    pub to: String,
    /// Names that were not there and are now.
    pub created: u64,
    /// Names that showed something else, or the same under other attributes.
    pub replaced: u64,
    /// Names that were as they are to be.
    pub unchanged: u64,
    /// Names that were left alone: they were not there then, or are tombstones.
    pub left: u64,
    /// The commit with everything as it was before.
    pub before: String,
}

/// Something that differs between two states.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// Version of the schema.
    pub version: u32,
    /// Its path; of what was removed, in the older state.
    pub path: String,
    /// The bytes of `path` in hexadecimal, if the text does not tell them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path_bytes: Option<String>,
    /// In which way.
    pub change: Change,
    /// Its path in the older state, if that was another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Whether it holds something else than before.
    pub content_changed: bool,
    /// What it is.
    pub kind: EntryKind,
    /// Bytes of a file in the older state.
    pub size_before: Option<u64>,
    /// Bytes of a file in the newer state.
    pub size_after: Option<u64>,
    /// Whether it is a tombstone file.
    pub tombstone: bool,
}

/// How two states differ in something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    /// It is new.
    Added,
    /// It is gone.
    Removed,
    /// It holds something else.
    Changed,
    /// It holds the same under other attributes.
    Attributes,
    /// It has another name, or is in another directory.
    Moved,
}

/// Why a merge, or what stands in conflict now, came out as it did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explanation {
    /// Version of the schema.
    pub version: u32,
    /// The merge; none for the conflicts there are now.
    pub commit: Option<String>,
    /// Its two sides.
    pub parents: Vec<String>,
    /// What both sides had a part in, by path.
    pub decisions: Vec<Decision>,
    /// Which versions were kept of each node in which the sides differed: enough to make the merged state
    /// from the two.
    pub nodes: Vec<KeptNode>,
}

/// Something that was decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// Where it is.
    pub path: String,
    /// The bytes of `path` in hexadecimal, if the text does not tell them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path_bytes: Option<String>,
    /// The rule of docs/specs/merge.md; none where nothing stood against anything else.
    pub rule: Option<String>,
    /// Why, in one word.
    pub why: Why,
    /// Why, for people.
    pub text: String,
    /// Who did what.
    pub acts: Vec<Act>,
    /// The tombstone file with the losing version, as the merge left it.
    pub losing: Option<String>,
    /// What chooses otherwise; paths of other programs than `bosr` are relative to the mount.
    pub command: Option<String>,
}

/// What somebody did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Act {
    /// Which of the merge's `parents`; none if that does not tell.
    pub side: Option<usize>,
    /// Who.
    pub device: Option<String>,
    /// When, in the vault's order.
    pub stamp: Option<String>,
    /// When, nanoseconds since 1970: the time of the commit that has it first.
    pub time: Option<i64>,
    /// What.
    pub did: Did,
    /// Bytes of what was written.
    pub size: Option<u64>,
    /// Where it was put.
    pub path: Option<String>,
    /// Whether it counts now.
    pub prevails: bool,
}

/// Which versions of a node were kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptNode {
    /// The node, in hexadecimal.
    pub node: String,
    /// Of its names.
    pub places: Picked,
    /// Of its attributes.
    pub attr: Picked,
    /// Of its data.
    pub data: Picked,
}

/// Stamps of versions, by the side they were taken from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Picked {
    /// From the first of `parents`, those that both have among them.
    pub first: Vec<String>,
    /// From the second only.
    pub second: Vec<String>,
}

/// A peer to remember.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerAddress {
    /// Where it listens: `HOST[:PORT]`.
    pub address: String,
}

/// A ticket that is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InvitationRequest {
    /// Where to listen for the new device, if the vault does not listen yet.
    pub listen: Option<String>,
    /// How long the ticket is good for, if less than ten minutes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_seconds: Option<u64>,
}

/// A device of the vault.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    /// Version of the schema.
    pub version: u32,
    /// What it is called.
    pub name: String,
    /// Its public key, in hexadecimal.
    pub key: String,
    /// Whether it is the one that answers.
    pub own: bool,
    /// Whether it was shut out.
    pub revoked: bool,
    /// Whether it may have the current epoch. One that joined since has it all the same.
    pub entitled: bool,
    /// Whether there is a session with it.
    pub connected: bool,
}

/// A new epoch, made or planned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rotation {
    /// Version of the schema.
    pub version: u32,
    /// The epoch until now.
    pub from: String,
    /// The new one; none if it was only planned.
    pub epoch: Option<String>,
    /// The names of the devices that may have it.
    pub entitled: Vec<String>,
    /// The device that was shut out, if one was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked: Option<String>,
}

/// A rotation that is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RotationRequest {
    /// Only say what would be done.
    pub dry_run: bool,
}

/// A new device key that is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RenewalRequest {
    /// What the device is to be called from now on.
    pub name: Option<String>,
    /// A ticket of the device that is to be told.
    pub ticket: Option<String>,
}

/// A device key that was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Renewed {
    /// Version of the schema.
    pub version: u32,
    /// What the device is called now.
    pub name: String,
    /// Its public key, in hexadecimal.
    pub key: String,
    /// The devices that know it.
    pub told: Vec<String>,
}

/// A key slot of the vault file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeySlot {
    /// Version of the schema.
    pub version: u32,
    /// Its name, in hexadecimal.
    pub slot: String,
    /// What opens it: `passphrase` or `key-file`.
    pub kind: String,
}

/// A key that is to open the vault. Crosses the control socket, which is its user's alone.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NewKey {
    /// A passphrase.
    Passphrase(SecretBytes),
    /// The bytes of a key file.
    KeyFile(SecretBytes),
}

/// What an invitation reports.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Invitation {
    /// The ticket to hand over.
    Ticket(String),
    /// A device joined with it, under this name.
    Joined(String),
}

/// Which peers an action means: all of them if none is named.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Peers {
    /// Their aliases.
    pub aliases: Vec<String>,
}

/// How far a `sync` is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyncProgress {
    /// With whom.
    pub peer: String,
    /// Bytes received, and to be received as far as is known.
    pub received: Amount,
    /// Bytes sent, and to be sent as far as is known.
    pub sent: Amount,
    /// Objects still on their way.
    pub objects: u64,
    /// What has just happened, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<String>,
}

/// Done, of all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Amount {
    /// Bytes done.
    pub done: u64,
    /// Bytes in all.
    pub total: u64,
}

/// What a `sync` did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Synced {
    /// Version of the schema.
    pub version: u32,
    /// What happened with each peer.
    pub peers: Vec<PeerSynced>,
    /// Conflicts that wait for a person now.
    pub conflicts: u64,
}

/// What a `sync` did with one peer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerSynced {
    /// Which.
    pub alias: String,
    /// Bytes received.
    pub received: u64,
    /// Bytes sent.
    pub sent: u64,
    /// Why it is not in step, if it is not.
    pub error: Option<super::error::DaemonError>,
}

/// Where to mount.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MountRequest {
    /// The folder: absolute.
    pub dir: String,
    /// Mount options.
    pub options: Vec<String>,
}

/// What `fsck` found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checked {
    /// Version of the schema.
    pub version: u32,
    /// What is damaged, a line each.
    pub damage: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_not_text_keeps_its_bytes() {
        assert_eq!(serde_json::to_string(&Name::new("a é".as_bytes())).unwrap(), r#"{"name":"a é"}"#);
        let odd = serde_json::to_string(&Name::new(b"a\xff")).unwrap();
        assert_eq!(odd, "{\"name\":\"a\u{fffd}\",\"name_bytes\":\"61ff\"}");
    }
}
