//! The end of the log that is still in memory.

use std::sync::Arc;

use super::super::position::LogPosition;

/// Frames appended and not yet written, in two parts: those a write is under way for (or failed for, and will
/// be tried again), and those gathered since.
#[derive(Debug)]
pub(super) struct Tail {
    written: LogPosition,
    leaving: Arc<Vec<u8>>,
    gathering: Vec<u8>,
    /// Room to gather in next, that was used before.
    spare: Vec<u8>,
}

impl Tail {
    pub(super) fn new(end: LogPosition) -> Self {
        Tail { written: end, leaving: Arc::default(), gathering: Vec::new(), spare: Vec::new() }
    }

    pub(super) fn written(&self) -> LogPosition {
        self.written
    }

    pub(super) fn end(&self) -> LogPosition {
        self.written.plus((self.leaving.len() + self.gathering.len()) as u32)
    }

    pub(super) fn gathered(&self) -> usize {
        self.gathering.len()
    }

    pub(super) fn unwritten(&self) -> u64 {
        (self.leaving.len() + self.gathering.len()) as u64
    }

    pub(super) fn push(&mut self, header: &[u8], body: &[u8]) {
        self.gathering.extend_from_slice(header);
        self.gathering.extend_from_slice(body);
    }

    /// What to write next, and where. It stays readable here until [`Tail::wrote`].
    pub(super) fn take_gathered(&mut self) -> Option<(LogPosition, Arc<Vec<u8>>)> {
        if self.leaving.is_empty() {
            if self.gathering.is_empty() {
                return None;
            }
            let room = std::mem::take(&mut self.spare);
            self.leaving = Arc::new(std::mem::replace(&mut self.gathering, room));
        }
        Some((self.written, self.leaving.clone()))
    }

    /// What [`Tail::take_gathered`] gave is in the file.
    pub(super) fn wrote(&mut self, bytes: Arc<Vec<u8>>) {
        self.written = self.written.plus(bytes.len() as u32);
        self.leaving = Arc::default();
        if let Some(mut room) = Arc::into_inner(bytes) {
            room.clear();
            self.spare = room;
        }
    }

    /// `len` bytes at `at`, if they are not in the file yet.
    pub(super) fn read(&self, at: LogPosition, len: usize) -> Option<Vec<u8>> {
        if at.segment() != self.written.segment() {
            return None;
        }
        let start = at.offset().checked_sub(self.written.offset())? as usize;
        let part = match start.checked_sub(self.leaving.len()) {
            None => self.leaving.get(start..start + len),
            Some(start) => self.gathering.get(start..start + len),
        };
        part.map(<[u8]>::to_vec)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_read_from_wherever_they_are() {
        let at = |offset| LogPosition::new(1, offset);
        let mut tail = Tail::new(at(100));
        tail.push(b"ab", b"cd");
        assert_eq!(tail.read(at(100), 4).unwrap(), b"abcd");
        let (place, bytes) = tail.take_gathered().unwrap();
        assert_eq!((place, bytes.as_slice()), (at(100), b"abcd".as_slice()));
        tail.push(b"ef", b"");
        assert_eq!(tail.take_gathered().unwrap().1.as_slice(), b"abcd");
        assert_eq!(tail.read(at(101), 3).unwrap(), b"bcd");
        assert_eq!(tail.read(at(104), 2).unwrap(), b"ef");
        assert_eq!(tail.read(at(99), 1), None);
        tail.wrote(bytes);
        assert_eq!((tail.written(), tail.end()), (at(104), at(106)));
        assert_eq!(tail.read(at(101), 3), None);
        assert_eq!(tail.read(at(104), 2).unwrap(), b"ef");
    }
}
