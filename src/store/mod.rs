//! The log, the journal, the index, recovery.
