//! Bytes that wait to be cut: taken in the buffers they come in, given out as chunks, and copied only where a chunk
//! lies across two of them.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

use super::limits::MAX_CHUNK;

/// Fewer bytes than these are copied: a buffer of their own costs more.
const SHORT: usize = 1024;

/// Bytes in order.
#[derive(Default)]
pub(super) struct Pending {
    len: usize,
    /// None of them is empty.
    buffers: VecDeque<Bytes>,
    /// What was copied in after them.
    open: BytesMut,
    /// The first bytes in one piece, if the first buffer was not enough.
    joined: BytesMut,
}

impl Pending {
    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Appends bytes, as a rule without copying them.
    pub(super) fn push(&mut self, bytes: Bytes) {
        if bytes.len() < SHORT {
            return self.copy(&bytes);
        }
        self.close();
        self.len += bytes.len();
        self.buffers.push_back(bytes);
    }

    /// Appends a copy of bytes.
    pub(super) fn copy(&mut self, bytes: &[u8]) {
        self.len += bytes.len();
        self.open.extend_from_slice(bytes);
    }

    /// Appends zeros.
    pub(super) fn zeros(&mut self, count: usize) {
        self.len += count;
        self.open.resize(self.open.len() + count, 0);
    }

    /// The first bytes in one piece: `wanted` of them at least, or all that there are.
    pub(super) fn front(&mut self, wanted: usize) -> &[u8] {
        let wanted = wanted.min(self.len);
        self.close();
        let first = self.buffers.front().map_or(0, Bytes::len);
        if first < wanted {
            self.join(wanted);
        }
        if self.joined.is_empty() { self.buffers.front().map_or(&[], |first| first) } else { &self.joined }
    }

    /// Takes the first `count` bytes, which [`front`](Self::front) gave in one piece.
    pub(super) fn take(&mut self, count: usize) -> Bytes {
        let taken = match self.buffers.front() {
            Some(first) if first.len() >= count => first.slice(..count),
            _ => self.joined.split_to(count.min(self.joined.len())).freeze(),
        };
        self.skip(count);
        taken
    }

    /// Lets go of the first `count` bytes.
    pub(super) fn skip(&mut self, count: usize) {
        self.close();
        // The rest of it lies in the buffers as well.
        self.joined = BytesMut::new();
        let mut left = count;
        while left > 0
            && let Some(mut first) = self.buffers.pop_front()
        {
            let part = left.min(first.len());
            left -= part;
            self.len -= part;
            if part < first.len() {
                self.buffers.push_front(first.split_off(part));
            }
        }
    }

    /// How many zeros there are from `from` on, and whether anything else follows them.
    pub(super) fn zeros_from(&self, from: usize) -> (usize, bool) {
        let (mut before, mut zeros) = (from, 0);
        for buffer in self.buffers.iter().map(|buffer| &buffer[..]).chain([&self.open[..]]) {
            let part = buffer.get(before..).unwrap_or(&[]);
            before = before.saturating_sub(buffer.len());
            let (seen, other) = leading_zeros(part);
            zeros += seen;
            if other {
                return (zeros, true);
            }
        }
        (zeros, false)
    }

    /// All of them.
    pub(super) fn into_vec(mut self) -> Vec<u8> {
        self.front(usize::MAX).to_vec()
    }

    /// What was copied in becomes a buffer like others.
    fn close(&mut self) {
        if !self.open.is_empty() {
            self.buffers.push_back(self.open.split().freeze());
        }
    }

    /// Copies the first bytes into one piece, as far as they are not there yet.
    fn join(&mut self, wanted: usize) {
        // More than this is never asked for of what is to be cut.
        self.joined.reserve(wanted.max(MAX_CHUNK).saturating_sub(self.joined.len()));
        let mut before = self.joined.len();
        for buffer in &self.buffers {
            let part = buffer.get(before..).unwrap_or(&[]);
            before = before.saturating_sub(buffer.len());
            let lacking = wanted.saturating_sub(self.joined.len());
            self.joined.extend_from_slice(part.get(..lacking).unwrap_or(part));
        }
    }
}

/// How many zeros `bytes` begin with, and whether anything else follows them.
fn leading_zeros(bytes: &[u8]) -> (usize, bool) {
    // By words first: this runs over every long run of zeros.
    let words = bytes.chunks_exact(64).take_while(|word| **word == [0; 64]).count() * 64;
    let rest = bytes.get(words..).unwrap_or(&[]);
    match rest.iter().position(|byte| *byte != 0) {
        Some(at) => (words + at, true),
        None => (bytes.len(), false),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Debug)]
    enum Step {
        Push(usize, u8),
        Zeros(usize),
        Front(usize),
        Take(usize),
        Skip(usize),
        ZerosFrom(usize),
    }

    fn step() -> impl Strategy<Value = Step> {
        let len = || prop_oneof![0..20usize, 0..5000usize];
        prop_oneof![
            4 => (len(), 0..3u8).prop_map(|(len, byte)| Step::Push(len, byte)),
            1 => len().prop_map(Step::Zeros),
            2 => len().prop_map(Step::Front),
            3 => len().prop_map(Step::Take),
            1 => len().prop_map(Step::Skip),
            1 => len().prop_map(Step::ZerosFrom),
        ]
    }

    proptest! {
        #[test]
        fn behaves_as_one_run_of_bytes(steps in prop::collection::vec(step(), 0..60)) {
            let (mut pending, mut model) = (Pending::default(), Vec::<u8>::new());
            for step in steps {
                match step {
                    Step::Push(len, byte) => {
                        pending.push(vec![byte; len].into());
                        model.resize(model.len() + len, byte);
                    }
                    Step::Zeros(len) => {
                        pending.zeros(len);
                        model.resize(model.len() + len, 0);
                    }
                    Step::Front(wanted) => {
                        let front = pending.front(wanted);
                        prop_assert!(front.len() >= wanted.min(model.len()));
                        prop_assert_eq!(front, &model[..front.len()]);
                    }
                    Step::Take(count) => {
                        let count = count.min(model.len());
                        prop_assert!(pending.front(count).len() >= count);
                        let expected: Vec<u8> = model.drain(..count).collect();
                        prop_assert_eq!(&pending.take(count)[..], &expected[..]);
                    }
                    Step::Skip(count) => {
                        let count = count.min(model.len());
                        pending.skip(count);
                        model.drain(..count);
                    }
                    Step::ZerosFrom(from) => {
                        let rest = model.get(from..).unwrap_or(&[]);
                        let zeros = rest.iter().take_while(|byte| **byte == 0).count();
                        prop_assert_eq!(pending.zeros_from(from), (zeros, zeros < rest.len()));
                    }
                }
                prop_assert_eq!(pending.len(), model.len());
                prop_assert_eq!(pending.is_empty(), model.is_empty());
            }
            prop_assert_eq!(pending.into_vec(), model);
        }
    }
}
