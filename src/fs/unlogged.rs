//! Which of a file's writes are not in the journal yet.
//!
//! After a crash a file is as after a prefix of the requests made on it. So writes go to the journal in the
//! order they came, or all at once within a content. This keeps the order while the writes do not overlap:
//! then their bytes can still be told apart in the edits. Once two overlap (or they are many), only a
//! content that holds them all can be logged: the writes are *tangled*.

/// Above this, writing a content is cheaper than logging the bytes twice; also bounds a burst of journal
/// entries.
const MOST_BYTES: u64 = 1 << 20;

/// As many pieces are logged one by one.
const MOST_PIECES: usize = 256;

/// The writes since the last that was logged.
#[derive(Debug, Default)]
pub(super) struct Unlogged {
    /// Offset and length of each, in the order they came; a write that continues the last one grows it.
    pieces: Vec<(u64, u64)>,
    bytes: u64,
    tangled: bool,
}

impl Unlogged {
    /// A write came. False if it overlaps one that is not logged: then those before it should be logged
    /// first, if they can be ([`is_tangled`](Self::is_tangled)), before it is noted.
    pub(super) fn fits(&self, offset: u64, length: u64) -> bool {
        self.tangled || !self.pieces.iter().any(|(at, len)| *at < offset + length && offset < at + len)
    }

    /// Notes a write.
    pub(super) fn note(&mut self, offset: u64, length: u64) {
        if self.tangled {
            return;
        }
        if !self.fits(offset, length) {
            return self.tangle();
        }
        match self.pieces.last_mut() {
            Some((at, len)) if *at + *len == offset => *len += length,
            _ => self.pieces.push((offset, length)),
        }
        self.bytes += length;
        if self.bytes > MOST_BYTES || self.pieces.len() > MOST_PIECES {
            self.tangle();
        }
    }

    /// The next log must be of a whole content.
    pub(super) fn tangle(&mut self) {
        self.tangled = true;
        self.pieces = Vec::new();
    }

    /// Whether only a whole content can be logged.
    pub(super) fn is_tangled(&self) -> bool {
        self.tangled
    }

    /// Whether everything is logged.
    pub(super) fn is_empty(&self) -> bool {
        !self.tangled && self.pieces.is_empty()
    }

    /// The pieces to log, in order. Everything counts as logged from here on.
    pub(super) fn take(&mut self) -> Vec<(u64, u64)> {
        std::mem::take(self).pieces
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_apart_keep_their_order() {
        let mut unlogged = Unlogged::default();
        for (at, len) in [(100, 10), (0, 10), (10, 5), (50, 1)] {
            assert!(unlogged.fits(at, len));
            unlogged.note(at, len);
        }
        assert!(!unlogged.is_tangled());
        assert_eq!(unlogged.take(), [(100, 10), (0, 15), (50, 1)]);
        assert!(unlogged.is_empty());
    }

    #[test]
    fn an_overlap_tangles() {
        let mut unlogged = Unlogged::default();
        unlogged.note(0, 10);
        assert!(!unlogged.fits(9, 2) && unlogged.fits(10, 2));
        unlogged.note(9, 2);
        assert!(unlogged.is_tangled() && !unlogged.is_empty());
        assert_eq!(unlogged.take(), []);
        assert!(!unlogged.is_tangled());
    }

    #[test]
    fn much_is_logged_as_a_content() {
        let mut unlogged = Unlogged::default();
        unlogged.note(0, MOST_BYTES);
        assert!(!unlogged.is_tangled());
        unlogged.note(MOST_BYTES, 1);
        assert!(unlogged.is_tangled());
    }
}
