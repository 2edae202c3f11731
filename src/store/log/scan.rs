//! Walking the frames of a segment, and finding the next whole one behind a broken place.
#![deny(clippy::indexing_slicing)]

use super::super::StoreError;
use super::super::disk::DiskFile;
use super::super::position::LogPosition;
use super::frame::{FRAME_HEADER_LEN, FrameHeader, MAGIC_START};

/// What is read at once among small frames, and among large ones.
const WINDOW: usize = 128 << 10;
const SMALL_WINDOW: usize = 4 << 10;

/// Which bodies are held against their checksums.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Bodies {
    /// None: the headers say enough.
    Trusted,
    /// All.
    Checked,
}

/// What lies at a place.
#[derive(Debug, PartialEq, Eq)]
pub(in super::super) enum Found {
    /// A frame (or a void one), whole as far as it was looked at.
    Frame(FrameHeader),
    /// Bytes that are no frame, up to the next one or the end of the segment.
    Broken {
        /// The first of them.
        at: LogPosition,
        /// How many.
        len: u64,
    },
}

/// Walks a segment from `from`, where a frame begins, to the end of the file, which is given back.
pub(in super::super) fn scan(
    file: &dyn DiskFile,
    from: LogPosition,
    bodies: Bodies,
    visit: &mut dyn FnMut(Found) -> Result<(), StoreError>,
) -> Result<u64, StoreError> {
    let len = file.len()?;
    let mut walk =
        Walk { file, segment: from.segment(), len, window: Vec::new(), window_at: 0, ahead: WINDOW };
    let mut at = u64::from(from.offset());
    let mut broken_from = None;
    while at < len {
        let next = match walk.frame(at, bodies)? {
            Step::Whole(frame) => {
                report_broken(&mut broken_from, at, from.segment(), visit)?;
                let next = at + frame.frame_len();
                visit(Found::Frame(frame))?;
                next
            }
            Step::BadBody(next) => {
                broken_from.get_or_insert(at);
                next
            }
            Step::None => {
                broken_from.get_or_insert(at);
                walk.next_header(at + 1)?.unwrap_or(len)
            }
        };
        at = next;
    }
    report_broken(&mut broken_from, at, from.segment(), visit)?;
    Ok(len)
}

fn report_broken(
    from: &mut Option<u64>,
    to: u64,
    segment: u32,
    visit: &mut dyn FnMut(Found) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    match from.take() {
        Some(start) => visit(Found::Broken { at: position(segment, start), len: to - start }),
        None => Ok(()),
    }
}

fn position(segment: u32, offset: u64) -> LogPosition {
    LogPosition::new(segment, u32::try_from(offset).unwrap_or(u32::MAX))
}

enum Step {
    Whole(FrameHeader),
    /// The header is sound and the body is not; where the next frame begins.
    BadBody(u64),
    None,
}

struct Walk<'a> {
    file: &'a dyn DiskFile,
    segment: u32,
    len: u64,
    window: Vec<u8>,
    window_at: u64,
    /// How much to read at once.
    ahead: usize,
}

impl Walk<'_> {
    /// The `len` bytes at `at`, or fewer at the end of the file.
    fn bytes(&mut self, at: u64, len: usize) -> Result<&[u8], StoreError> {
        let held = at >= self.window_at && at + len as u64 <= self.window_at + self.window.len() as u64;
        if !held {
            self.window.resize(len.max(self.ahead), 0);
            let n = self.file.read_at(&mut self.window, at)?;
            self.window.truncate(n);
            self.window_at = at;
        }
        let start = usize::try_from(at - self.window_at).unwrap_or(usize::MAX);
        let rest = self.window.get(start..).unwrap_or_default();
        Ok(rest.get(..len).unwrap_or(rest))
    }

    fn frame(&mut self, at: u64, bodies: Bodies) -> Result<Step, StoreError> {
        let place = position(self.segment, at);
        let Some(frame) = FrameHeader::decode(self.bytes(at, FRAME_HEADER_LEN)?, place) else {
            return Ok(Step::None);
        };
        let next = at + frame.frame_len();
        if next > self.len {
            return Ok(Step::None);
        }
        self.ahead = if frame.frame_len() > WINDOW as u64 / 2 { SMALL_WINDOW } else { WINDOW };
        if bodies == Bodies::Checked && frame.object.is_some() {
            let body = self.bytes(at + FRAME_HEADER_LEN as u64, frame.body_len as usize)?;
            if !frame.fits(body) {
                return Ok(Step::BadBody(next));
            }
        }
        Ok(Step::Whole(frame))
    }

    /// The next place at or after `at` where a frame begins whose end is in the file.
    fn next_header(&mut self, mut at: u64) -> Result<Option<u64>, StoreError> {
        self.ahead = WINDOW;
        while at + FRAME_HEADER_LEN as u64 <= self.len {
            let bytes = self.bytes(at, FRAME_HEADER_LEN)?;
            let Some(skip) = bytes.iter().position(|byte| *byte == MAGIC_START) else {
                at += bytes.len().max(1) as u64;
                continue;
            };
            at += skip as u64;
            let place = position(self.segment, at);
            let frame = FrameHeader::decode(self.bytes(at, FRAME_HEADER_LEN)?, place);
            if frame.is_some_and(|frame| at + frame.frame_len() <= self.len) {
                return Ok(Some(at));
            }
            at += 1;
        }
        Ok(None)
    }
}
