//! What goes over the control socket, and what `--json` prints. Schemas only grow: a field is never renamed,
//! removed or given another meaning.
//!
//! Names of files are bytes to the system and text to JSON: a name that is not UTF-8 is shown with
//! replacement characters, and its exact bytes stand beside it in hexadecimal.

mod conflict;
mod device;
mod entry;
mod explanation;
mod history;
mod state;
mod sync;

use serde::{Deserialize, Serialize};

pub use conflict::{Conflict, Decided, Keep};
pub use device::{
    Device, Invitation, InvitationRequest, KeySlot, NewKey, RenewalRequest, Renewed, Rotation,
    RotationRequest,
};
pub use entry::{Entry, EntryKind, Name, Stored};
pub use explanation::{Act, Decision, Explanation, KeptNode, Picked};
pub use history::{Change, Difference, LogEntry, LogEvent, Restored, What};
pub use state::{PeerStatus, Status, Transfer, Waiting};
pub use sync::{Amount, PeerAddress, PeerSynced, Peers, SyncProgress, Synced};

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
