//! The handshake over a stream, and the limits a peer is held to before it is admitted.
//!
//! In the clear: the prologue, then frames of a length (2 bytes, big-endian), a type (1 byte) and a body. What
//! follows message 3 is encrypted; the first such frame of each side is its [`Verdict`] on the other.
//! [`dial`] and [`greet`] are the two ends; [`join`] is the dialling end of a device that joins, [`identify`] of one
//! that only asks who answers.
//!
//! Callers bound the time; this module bounds the bytes.
#![deny(clippy::indexing_slicing)]

mod clear;
mod dialer;
mod error;
mod joining;
mod listener;
#[cfg(test)]
mod tests;
mod verdict;

pub use clear::UNADMITTED_BYTES;
pub use dialer::{dial, identify};
pub use error::HandshakeError;
pub use joining::{JoinGreeted, join};
pub use listener::{Greeted, Greeting, greet};
pub(super) use verdict::Verdict;

/// Hands `bytes` to all that decodes here.
#[cfg(any(test, feature = "testing"))]
pub(super) fn feed(bytes: &[u8]) {
    let _ = Verdict::read(bytes);
    let _ = clear::read_refusal(bytes);
    joining::feed(bytes);
}
