//! What of an offer may be sent before it is answered: structure first, then content, in the order of the pages, as
//! far as a budget goes.
//!
//! Both sides work it out. The receiver does not leave out of its answer what may be on its way already: a sender
//! that has sent an object does not send it again.

use super::super::limits;
use super::super::message::Offered;
use crate::crypto::ObjectKind;

/// What is left of the budget of one offer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Early(u64);

impl Early {
    /// A budget of so many bytes.
    pub(super) fn new(bytes: u64) -> Self {
        Early(bytes)
    }

    /// The places of a page's objects that fit, structure first. `first` is the place of the page's first.
    pub(super) fn pick(&mut self, first: u32, page: &[Offered]) -> Vec<u32> {
        let mut picked = Vec::new();
        for structure in [true, false] {
            for (index, entry) in (first..).zip(page) {
                let cost = u64::from(entry.len) + limits::SLICE_OVERHEAD;
                let fits = entry.len > 0 && cost <= self.0;
                if fits && (entry.kind != ObjectKind::Chunk) == structure {
                    self.0 -= cost;
                    picked.push(index);
                }
            }
        }
        picked
    }
}
