//! Stamps: when an operation happened in the order of the vault, and which operation it was, at once.
//!
//! Invariant (kept by [`super::Tree`] and by "durable before offered"): no two operations of a vault ever
//! have one stamp.

use std::fmt;

use serde::{Deserialize, Serialize};

/// One life of one device: 8 bytes made of the device's public key and a counter of its lives.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ReplicaId(pub [u8; 8]);

impl fmt::Display for ReplicaId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for ReplicaId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The time and the identity of an operation. Ordered by lamport, then replica: the greater stamp is the
/// later writer.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Stamp {
    /// Greater than every lamport its replica had seen. The first is 1.
    pub lamport: u64,
    /// Who made the operation.
    pub replica: ReplicaId,
}

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.lamport, self.replica)
    }
}

impl fmt::Debug for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
