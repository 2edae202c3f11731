//! From pieces to a content: chunks are saved on the workers while cutting goes on, and their ids put into
//! lists in order as they come back. The last chunk is saved by whoever cuts, who has nothing else to do then:
//! a small content, which is one chunk, never waits for another thread.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;

use super::builder::Builder;
use super::cutter::Piece;
use super::list::Entry;
use super::tree::top;
use super::workers::Ticket;
use super::{Content, ContentsError, Shared};
use crate::crypto::{ObjectId, ObjectKind};
use crate::trie::ObjectsError;

/// Something of the content, in order.
enum Step<'a> {
    /// A chunk on its way into the store.
    Chunk {
        id: Ticket<Result<ObjectId, ObjectsError>>,
        len: u64,
    },
    Hole(u64),
    /// Whole pieces of another content.
    Run {
        of: &'a Content,
        from: u64,
        to: u64,
    },
}

/// Takes pieces in order and makes a content of them.
pub(super) struct Assembly<'a> {
    shared: &'a Shared,
    builder: Builder,
    steps: VecDeque<Step<'a>>,
    /// How many of the steps are chunks on their way.
    under_way: usize,
    /// The chunk pushed last, while nothing follows it.
    last: Option<Bytes>,
}

impl<'a> Assembly<'a> {
    pub(super) fn new(shared: &'a Shared) -> Self {
        let builder = Builder::new(Arc::clone(&shared.objects));
        Assembly { shared, builder, steps: VecDeque::new(), under_way: 0, last: None }
    }

    pub(super) fn push(&mut self, piece: Piece) -> Result<(), ContentsError> {
        self.hand_over();
        match piece {
            Piece::Hole(len) => self.steps.push_back(Step::Hole(len)),
            Piece::Data(bytes) => self.last = Some(bytes),
        }
        self.settle(self.shared.workers.depth())
    }

    /// Has the chunk pushed last saved by the workers.
    fn hand_over(&mut self) {
        let Some(bytes) = self.last.take() else { return };
        let len = bytes.len() as u64;
        let objects = Arc::clone(&self.shared.objects);
        let id = self.shared.workers.run(move || objects.save(ObjectKind::Chunk, &bytes));
        self.steps.push_back(Step::Chunk { id, len });
        self.under_way += 1;
    }

    /// Appends the pieces of `of` between two of its cuts, by reference.
    pub(super) fn push_run(&mut self, of: &'a Content, from: u64, to: u64) -> Result<(), ContentsError> {
        self.hand_over();
        self.steps.push_back(Step::Run { of, from, to });
        self.settle(self.shared.workers.depth())
    }

    pub(super) fn finish(mut self) -> Result<Content, ContentsError> {
        if let Some(bytes) = self.last.take() {
            let id = Ticket::Done(self.shared.objects.save(ObjectKind::Chunk, &bytes));
            self.steps.push_back(Step::Chunk { id, len: bytes.len() as u64 });
            self.under_way += 1;
        }
        self.settle(0)?;
        while let Some(step) = self.steps.pop_front() {
            self.take(step)?;
        }
        self.builder.finish()
    }

    /// Takes steps until at most `depth` chunks are on their way.
    fn settle(&mut self, depth: usize) -> Result<(), ContentsError> {
        while self.under_way > depth
            && let Some(step) = self.steps.pop_front()
        {
            self.take(step)?;
        }
        Ok(())
    }

    fn take(&mut self, step: Step<'a>) -> Result<(), ContentsError> {
        match step {
            Step::Hole(len) => self.builder.push(Entry { target: None, len }),
            Step::Chunk { id, len } => {
                self.under_way -= 1;
                let id = id.wait()??;
                self.builder.push(Entry { target: Some(id), len })
            }
            Step::Run { of, from, to } => match top(of) {
                Some((level, entry)) => self.take_run(level, entry, 0, (from, to)),
                None => Ok(()),
            },
        }
    }

    /// Appends what of `entry`, which begins at `begin`, lies within the run: lists whole where they fit.
    fn take_run(
        &mut self,
        level: u8,
        entry: Entry,
        begin: u64,
        run: (u64, u64),
    ) -> Result<(), ContentsError> {
        let (from, to) = run;
        let end = begin + entry.len;
        if end <= from || begin >= to {
            return Ok(());
        }
        if begin >= from && end <= to && self.builder.takes_list(level) {
            return self.builder.push_list(level, entry);
        }
        let (1.., Some(id)) = (level, entry.target) else { return Ok(()) };
        let list = self.shared.list(id, level, entry.len)?;
        for (start, below) in list.placed() {
            self.take_run(level - 1, below, begin + start, run)?;
        }
        Ok(())
    }
}
