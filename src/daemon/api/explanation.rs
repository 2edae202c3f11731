//! Why a merge came out as it did.

use serde::{Deserialize, Serialize};

use crate::merge::explain::{Did, Why};

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
