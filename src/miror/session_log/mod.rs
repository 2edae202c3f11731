//! The write-ahead log of a transfer: what was agreed on, and how much of it is durable.
//!
//! Both sides keep one for each large offer: HELLO (what the offer is of), OFFER (its pages), ACCEPT (what is
//! wanted), DATA (at the receiver: ranges now durable), ACK (at the sender: ranges the receiver said are durable),
//! COMPLETE. After a break the receiver names its logs in HELLO; a sender that has the log, too, goes on with the
//! offer where the ranges end: no difference is worked out, no page is sent, nothing durable is looked up again.
//!
//! A log is a help and no authority: objects are named by their content and verified. Where it is torn, lost or
//! of no use to the other side, the transfer is agreed on anew, and what is stored is not sent again. So it is
//! written without waiting for the disk. DATA is logged after the objects are durable, never before.
#![deny(clippy::indexing_slicing)]

mod files;
mod retention;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

use super::limits;
use super::message::{Offered, Range, Stage, Tip};
use crate::ambient::WallNanos;
use crate::crypto::ObjectId;

pub use files::SessionLogs;

/// Which side of the transfer a log is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Role {
    /// Made the offer.
    Sends,
    /// Took it.
    Receives,
}

/// The name of a log, together with the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LogId {
    /// Which side.
    pub role: Role,
    /// The offer's id.
    pub offer: [u8; 32],
}

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Record {
    /// What is offered. The first entry.
    Hello {
        /// The common commit.
        base: Option<ObjectId>,
        /// The state offered.
        tip: Tip,
        /// Objects on all pages.
        objects: u32,
        /// Bytes of their bodies.
        bytes: u64,
    },
    /// A page.
    Offer {
        /// Place of its first object.
        first: u32,
        /// The objects.
        page: Vec<Offered>,
    },
    /// What of a page is wanted.
    Accept {
        /// Place of the page's first object.
        first: u32,
        /// The places wanted.
        wanted: Vec<Range>,
    },
    /// Durable here.
    Data(Vec<Range>),
    /// Durable at the peer.
    Ack(Vec<Range>),
    /// How far it is. The last entry, if all is done.
    Complete(Stage),
    /// Begun or gone on with at this time.
    Used(WallNanos),
}

/// A transfer as its log has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recalled {
    /// The common commit.
    pub base: Option<ObjectId>,
    /// The state offered.
    pub tip: Tip,
    /// Bytes of all bodies.
    pub bytes: u64,
    /// The objects, on all pages.
    pub entries: Vec<Offered>,
    /// Which of them are durable at the receiver, or were not wanted because they were there.
    pub settled: Vec<bool>,
    /// The state was merged.
    pub merged: bool,
}

impl Recalled {
    /// From the entries of a log, in order. None if it is over, or not all pages are in it.
    pub fn replay(records: impl IntoIterator<Item = Record>) -> Option<Self> {
        let mut records = records.into_iter();
        let Some(Record::Hello { base, tip, objects, bytes }) = records.next() else { return None };
        if objects > limits::OFFER_OBJECTS {
            return None;
        }
        let (entries, settled) = (Vec::new(), Vec::new());
        let mut recalled = Recalled { base, tip, bytes, entries, settled, merged: false };
        for record in records {
            recalled.apply(record, objects)?;
        }
        (recalled.entries.len() == objects as usize).then_some(recalled)
    }

    fn apply(&mut self, record: Record, objects: u32) -> Option<()> {
        match record {
            Record::Hello { .. } | Record::Complete(Stage::All) => return None,
            Record::Complete(Stage::Structure) => self.merged = true,
            Record::Offer { first, page } => {
                let end = self.entries.len() + page.len();
                if first as usize != self.entries.len() || end > objects as usize {
                    return None;
                }
                self.settled.resize(end, false);
                self.entries.extend(page);
            }
            // What is not wanted now may be lost by then: it is looked up again.
            Record::Accept { .. } | Record::Used(_) => {}
            Record::Data(ranges) | Record::Ack(ranges) => {
                for range in ranges {
                    let places =
                        range.first as usize..(range.first as usize).checked_add(range.count as usize)?;
                    self.settled.get_mut(places)?.fill(true);
                }
            }
        }
        Some(())
    }
}

/// Hands `bytes` to all that decodes here: as one record after another.
#[cfg(any(test, feature = "testing"))]
pub(super) fn feed(mut bytes: &[u8]) {
    let mut records = Vec::new();
    while let Ok((record, rest)) = postcard::take_from_bytes::<Record>(bytes) {
        records.push(record);
        bytes = rest;
    }
    let _ = Recalled::replay(records);
}
