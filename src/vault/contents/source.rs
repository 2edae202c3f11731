//! Where the bytes of a new content come from.

use std::io::Read;

use bytes::BytesMut;

use super::ContentsError;
use super::pending::Pending;

/// How much a reader is asked for at once, in bytes: several chunks, so that cutting seldom starts over for
/// want of data.
const READ_AHEAD: usize = 4 * 1024 * 1024;

/// What a source gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Run {
    /// Bytes, appended to those that are pending; at least one.
    Bytes,
    /// So many zeros, at least one, not among them.
    Zeros(u64),
    /// Nothing more, now or later.
    End,
}

/// Gives bytes in order, and zeros without writing them out where it knows of them.
pub(super) trait Source {
    /// Appends the next bytes to `pending`, or says what there is instead.
    fn fill(&mut self, pending: &mut Pending) -> Result<Run, ContentsError>;
}

/// The bytes of a reader.
pub(super) struct ReaderSource<R>(pub(super) R);

impl<R: Read> Source for ReaderSource<R> {
    fn fill(&mut self, pending: &mut Pending) -> Result<Run, ContentsError> {
        let mut buffer = BytesMut::zeroed(READ_AHEAD);
        let mut filled = 0;
        while let Some(space) = buffer.get_mut(filled..).filter(|space| !space.is_empty()) {
            match self.0.read(space) {
                Ok(0) => break,
                Ok(n) => filled += n,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        buffer.truncate(filled);
        pending.push(buffer.freeze());
        Ok(if filled == 0 { Run::End } else { Run::Bytes })
    }
}
