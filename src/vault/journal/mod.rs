//! The journal of a vault: operations that are not in a durable commit yet, and file data that is not in an
//! operation yet.
//!
//! [`Entry`] is what is written, [`Journal`] writes it and knows what may be retired, [`Replay`] puts it
//! back after a crash. The store below owns frames, order, durability and the two files.

mod dirty;
mod entry;
mod packed;
mod replay;
mod writer;

pub use dirty::DirtyRun;
pub use entry::{Base, DirtyChange, DirtyId, Entry, Folded, MAX_ENTRY_BYTES};
pub use packed::Packed;
pub(super) use replay::{Leftover, Replay};
pub(super) use writer::{Ends, Journal, JournalMark};
