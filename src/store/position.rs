//! Places in the log and in the journal.

use std::fmt;

/// A place in the log: a segment and a byte in it, as one number that grows as the log does. What is
/// durable, what a journal frame needs and what the index covers are all said by a position: everything
/// *before* it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogPosition(u64);

impl LogPosition {
    /// Before everything.
    pub const START: LogPosition = LogPosition(0);

    /// The byte `offset` of a segment. Segments count from 1.
    pub const fn new(segment: u32, offset: u32) -> Self {
        LogPosition((segment as u64) << 32 | offset as u64)
    }

    /// The number of the segment.
    pub const fn segment(self) -> u32 {
        (self.0 >> 32) as u32
    }

    /// The byte in the segment.
    pub const fn offset(self) -> u32 {
        self.0 as u32
    }

    /// So many bytes further on in the segment.
    pub const fn plus(self, bytes: u32) -> Self {
        LogPosition::new(self.segment(), self.offset().saturating_add(bytes))
    }

    /// As it stands in frames and in the index.
    pub const fn to_u64(self) -> u64 {
        self.0
    }

    /// From [`LogPosition::to_u64`].
    pub const fn from_u64(raw: u64) -> Self {
        LogPosition(raw)
    }
}

impl fmt::Display for LogPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.segment(), self.offset())
    }
}

/// The number of a journal entry: 1 for the first of a store, one more for each after it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JournalSeq(pub u64);

impl JournalSeq {
    /// The one after.
    pub(crate) const fn next(self) -> Self {
        JournalSeq(self.0 + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_order_by_segment_then_offset() {
        let sorted = [
            LogPosition::START,
            LogPosition::new(1, 0),
            LogPosition::new(1, u32::MAX),
            LogPosition::new(2, 0),
            LogPosition::new(2, 64),
        ];
        assert!(sorted.is_sorted());
        for position in sorted {
            assert_eq!(LogPosition::from_u64(position.to_u64()), position);
            assert_eq!(LogPosition::new(position.segment(), position.offset()), position);
        }
        assert_eq!(LogPosition::new(3, 77).to_string(), "3:77");
    }
}
