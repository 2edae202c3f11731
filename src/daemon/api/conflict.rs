//! What stands beside its name, and what is to stay of it.

use serde::{Deserialize, Serialize};

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
