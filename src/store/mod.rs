//! The log, the journal, the index, recovery.

pub mod disk;
