//! The object envelope.
//!
//! An object's plaintext is compressed where that helps, sealed in segments under a data key of its own, and
//! that key is wrapped under an epoch. The body's associated data is what never changes about an object (kind,
//! flags, plain length, id) and not the epoch or the wrap, so that wraps can be renewed without touching bodies.

mod compress;
mod header;
mod open;
mod rewrap;
mod seal;
mod segments;
#[cfg(test)]
mod tests;

pub use header::{HEADER_LEN, ObjectHeader, SealedObject};
pub use open::{likely_place, open, open_range, open_verified};
pub use rewrap::{rewrap_for_session, rewrap_from_session, rewrap_under};
pub use seal::{seal, seal_named};
