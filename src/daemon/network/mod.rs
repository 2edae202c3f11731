//! The vault and its peers: who they are, where they are and how they are found, who may come in, and the sessions
//! with them.

mod acquaintances;
mod address;
mod admission;
mod book;
mod discovery;
mod fetching;
mod following;
mod guarding;
mod inviter;
mod listening;
mod meter;
mod publishing;
mod roaming;
mod rotation;
mod start;

pub use acquaintances::Acquaintances;
pub use address::{DEFAULT_PORT, Listen, with_port};
pub use admission::{VaultAdmission, trust_inviter};
pub use book::{Peer, PeerBook};
pub use fetching::SessionFetch;
pub use following::{Followings, Wanted};
pub use guarding::Guard;
pub use inviter::VaultInviter;
pub use listening::{Listening, reachable};
pub use meter::Meter;
pub use publishing::Publisher;
pub use rotation::{Plan, Rotated, Rotation};
pub use start::{Network, transports};

/// Hands `bytes` to all that decodes here.
#[cfg(any(test, feature = "testing"))]
pub(super) fn feed(bytes: &[u8]) {
    discovery::feed(bytes);
}
