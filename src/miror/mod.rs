//! Replication: two replicas of a vault made equal over a network.
//!
//! Pure core, thin shells. [`session`] is the protocol as a state machine without socket, task, clock or
//! randomness; `message` and `codec` are its language, [`replica`] what it asks of a store. Around it:
//! [`noise`] and [`handshake`] (who is at the other end), [`tcp`], [`quic`] and [`dialling`] (how to get there), `wire`
//! (bytes to messages), [`claims`] (which peer brings what), `driver`
//! (one session on one link), [`replicator`] (all sessions of a vault), [`ticket`] and [`admission`] (who may
//! take part).
//!
//! `docs/specs/mirror-protocol.md` is the specification; the limits it names are in [`limits`].

pub mod admission;
mod backoff;
pub mod claims;
pub mod codec;
pub mod dialling;
mod doors;
mod driver;
pub mod handshake;
pub mod limits;
pub mod link;
pub mod message;
pub mod noise;
pub mod pace;
pub mod quic;
pub mod replica;
pub mod replicator;
mod secret;
pub mod session;
pub mod session_log;
pub mod tcp;
pub mod ticket;
pub mod vault_replica;
mod wire;

pub use secret::SecretBytes;

#[cfg(any(test, feature = "testing"))]
#[allow(clippy::indexing_slicing, clippy::missing_panics_doc, clippy::panic)]
pub mod testing;

#[cfg(test)]
mod simulation_tests;

/// Hands `bytes` to all that decodes here.
#[cfg(any(test, feature = "testing"))]
pub(crate) fn feed(bytes: &[u8]) {
    let _ = codec::decode(bytes);
    let _ = quic::fuzz(bytes);
    let _ = ticket::Ticket::parse(&String::from_utf8_lossy(bytes));
    handshake::feed(bytes);
    session_log::feed(bytes);
    vault_replica::feed(bytes);
}
