//! What was done, and what differs.

use serde::{Deserialize, Serialize};

use super::entry::EntryKind;

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
