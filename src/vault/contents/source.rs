//! Where the bytes of a new content come from.

use std::io::Read;

use bytes::BytesMut;

use super::ContentsError;

/// How much a reader is asked for at once, in bytes: several chunks, so that cutting seldom starts over for
/// want of data.
const READ_AHEAD: usize = 4 * 1024 * 1024;

/// What a source gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Run {
    /// Bytes, appended to the buffer; at least one.
    Bytes,
    /// So many zeros, at least one, not in the buffer.
    Zeros(u64),
    /// Nothing more, now or later.
    End,
}

/// Gives bytes in order, and zeros without writing them out where it knows of them.
pub(super) trait Source {
    /// Appends the next bytes to `buf`, or says what there is instead.
    fn fill(&mut self, buf: &mut BytesMut) -> Result<Run, ContentsError>;
}

/// The bytes of a reader.
pub(super) struct ReaderSource<R>(pub(super) R);

impl<R: Read> Source for ReaderSource<R> {
    fn fill(&mut self, buf: &mut BytesMut) -> Result<Run, ContentsError> {
        let before = buf.len();
        buf.resize(before + READ_AHEAD, 0);
        let mut filled = before;
        let result = loop {
            let Some(space) = buf.get_mut(filled..).filter(|space| !space.is_empty()) else { break Ok(()) };
            match self.0.read(space) {
                Ok(0) => break Ok(()),
                Ok(n) => filled += n,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => break Err(error),
            }
        };
        buf.truncate(filled);
        result?;
        Ok(if filled == before { Run::End } else { Run::Bytes })
    }
}
