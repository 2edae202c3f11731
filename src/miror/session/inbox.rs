//! Objects on their way in: put together from slices, handed to the replica, made durable, and the window
//! that bounds all of it.
//!
//! The window doubles, up to a bound, whenever the peer has used it up.
//!
//! Invariant: bytes counted against the window and not granted again are half received, being stored, or
//! stored and not yet durable. So memory is bounded by the window, and so is what a broken connection has
//! to send again.

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::Duration;

use super::super::limits;
use super::super::message::{Data, Slot};
use super::error::SessionError;
use crate::crypto::{ObjectHeader, ObjectId, ObjectKind, SealedObject};

/// What a slot is expected to bring.
#[derive(Clone, Copy, Debug)]
pub(super) struct Expectation {
    pub(super) id: ObjectId,
    pub(super) kind: Option<ObjectKind>,
    pub(super) len: Option<u32>,
}

/// An object received whole, not yet verified.
#[derive(Debug)]
pub(super) struct Arrival {
    pub(super) slot: Slot,
    pub(super) object: SealedObject,
    cost: u64,
}

/// An arrival as it is remembered while the replica stores it.
#[derive(Clone, Debug)]
pub(super) struct Storing {
    pub(super) slot: Slot,
    pub(super) id: ObjectId,
    cost: u64,
}

#[derive(Debug)]
struct Partial {
    header: ObjectHeader,
    total: usize,
    body: Vec<u8>,
    cost: u64,
}

#[derive(Debug)]
struct Unsynced {
    slots: Vec<Slot>,
    cost: u64,
}

#[derive(Debug)]
pub(super) struct Inbox {
    window: u64,
    /// What the window may grow to.
    most: u64,
    /// The peer has used up what it was granted: a larger window would have kept it sending.
    used_up: bool,
    /// Bytes the peer may still send.
    open: u64,
    /// Bytes to be granted with the next ACK.
    free: u64,
    partials: HashMap<Slot, Partial>,
    arrivals: Vec<Arrival>,
    arrived_bytes: u64,
    storing: usize,
    unsynced: VecDeque<Unsynced>,
    unsynced_bytes: u64,
    unsynced_since: Option<Duration>,
    syncing: bool,
    /// Sequence number of the first of `unsynced`.
    synced: u64,
    expected: HashMap<ObjectId, Vec<Slot>>,
    stored: HashSet<ObjectId>,
}

impl Inbox {
    pub(super) fn new(window: u64, most: u64) -> Self {
        Inbox {
            window,
            most,
            used_up: false,
            open: window,
            free: 0,
            partials: HashMap::new(),
            arrivals: Vec::new(),
            arrived_bytes: 0,
            storing: 0,
            unsynced: VecDeque::new(),
            unsynced_bytes: 0,
            unsynced_since: None,
            syncing: false,
            synced: 0,
            expected: HashMap::new(),
            stored: HashSet::new(),
        }
    }

    /// Counts a slice against the window.
    pub(super) fn charge(&mut self, data: &Data) -> Result<u64, SessionError> {
        let cost = data.slice.len() as u64 + limits::SLICE_OVERHEAD;
        self.open = self.open.checked_sub(cost).ok_or(SessionError::Protocol("more data than granted"))?;
        self.used_up |= self.open < u64::from(limits::BODY);
        Ok(cost)
    }

    /// Gives the bytes of a slice nobody needs back to the window.
    pub(super) fn release(&mut self, cost: u64) {
        self.free += cost;
    }

    /// Drops what was received of an object that came another way meanwhile.
    pub(super) fn abandon(&mut self, slot: &Slot) {
        if let Some(partial) = self.partials.remove(slot) {
            self.free += partial.cost;
        }
    }

    pub(super) fn has_partial(&self, slot: &Slot) -> bool {
        self.partials.contains_key(slot)
    }

    /// Adds a slice. True if the object is whole with it.
    pub(super) fn slice(
        &mut self,
        data: Data,
        cost: u64,
        expected: Expectation,
    ) -> Result<bool, SessionError> {
        let slot = data.slot;
        if let Some((header, total)) = data.start {
            check(&header, total, expected)?;
            if self.partials.len() >= limits::PARTIALS {
                return Err(SessionError::Protocol("too many objects at once"));
            }
            let partial = Partial { header, total: total as usize, body: Vec::new(), cost: 0 };
            if self.partials.insert(slot, partial).is_some() {
                return Err(SessionError::Protocol("object begun twice"));
            }
        }
        let Some(partial) = self.partials.get_mut(&slot) else {
            return Err(SessionError::Protocol("slice of an object that was not begun"));
        };
        if partial.body.len() != data.offset as usize {
            return Err(SessionError::Protocol("gap in an object"));
        }
        if partial.body.len() + data.slice.len() > partial.total {
            return Err(SessionError::Protocol("object longer than declared"));
        }
        if partial.body.is_empty() {
            partial.body = data.slice;
        } else {
            partial.body.reserve_exact(partial.total - partial.body.len());
            partial.body.extend_from_slice(&data.slice);
        }
        partial.cost += cost;
        if partial.body.len() < partial.total {
            return Ok(false);
        }
        if let Some(Partial { header, body, cost, .. }) = self.partials.remove(&slot) {
            self.arrived_bytes += body.len() as u64;
            self.arrivals.push(Arrival { slot, object: SealedObject { header, body }, cost });
        }
        Ok(true)
    }

    /// The next objects for the replica: at once if it is idle, else in larger batches.
    pub(super) fn next_store(&mut self) -> Option<(Vec<Storing>, Vec<SealedObject>)> {
        let full = self.arrived_bytes >= limits::STORE_BATCH && self.storing < limits::STORES;
        if self.arrivals.is_empty() || !(full || self.storing == 0) {
            return None;
        }
        self.storing += 1;
        self.arrived_bytes = 0;
        let batch = std::mem::take(&mut self.arrivals).into_iter().map(|arrival| {
            let id = arrival.object.header.id;
            (Storing { slot: arrival.slot, id, cost: arrival.cost }, arrival.object)
        });
        Some(batch.unzip())
    }

    /// The replica has stored an object: gives all slots that waited for it.
    pub(super) fn stored(&mut self, storing: &Storing, now: Duration) -> Vec<Slot> {
        let mut slots = self.expected.remove(&storing.id).unwrap_or_default();
        if !slots.contains(&storing.slot) {
            slots.push(storing.slot);
        }
        self.stored.insert(storing.id);
        self.unsynced_bytes += storing.cost;
        self.unsynced_since.get_or_insert(now);
        self.unsynced.push_back(Unsynced { slots: slots.clone(), cost: storing.cost });
        slots
    }

    /// A store request was answered.
    pub(super) fn store_done(&mut self) {
        self.storing = self.storing.saturating_sub(1);
    }

    /// Whether to ask for a sync now. `hurry`: nothing else is about to make things durable.
    pub(super) fn wants_sync(&self, now: Duration, hurry: bool) -> bool {
        if self.syncing || self.unsynced.is_empty() {
            return false;
        }
        let idle = self.partials.is_empty() && self.storing == 0 && self.arrivals.is_empty();
        self.unsynced_bytes >= limits::SYNC_BYTES
            || (idle && hurry)
            || self.sync_at().is_some_and(|at| at <= now)
    }

    /// When a sync is due at the latest.
    pub(super) fn sync_at(&self) -> Option<Duration> {
        let since = self.unsynced_since.filter(|_| !self.syncing)?;
        Some(since + limits::SYNC_AFTER)
    }

    pub(super) fn sync_begins(&mut self) -> u64 {
        self.syncing = true;
        self.mark()
    }

    /// Everything stored so far, as a number for [`Inbox::durable`].
    pub(super) fn mark(&self) -> u64 {
        self.synced + self.unsynced.len() as u64
    }

    pub(super) fn sync_ends(&mut self) {
        self.syncing = false;
    }

    /// Everything stored up to the mark is durable: gives the slots it filled.
    pub(super) fn durable(&mut self, mark: u64, now: Duration) -> Vec<Slot> {
        let mut slots = Vec::new();
        while self.synced < mark {
            let Some(unsynced) = self.unsynced.pop_front() else { break };
            self.synced += 1;
            self.unsynced_bytes = self.unsynced_bytes.saturating_sub(unsynced.cost);
            self.free += unsynced.cost;
            slots.extend(unsynced.slots);
        }
        self.unsynced_since = (!self.unsynced.is_empty()).then_some(now);
        slots
    }

    /// Bytes to grant, if it is worth a message (or `along` with one that goes out anyway).
    pub(super) fn take_grant(&mut self, along: bool) -> u64 {
        if self.free == 0 || (!along && self.free < self.window / 8) {
            return 0;
        }
        if std::mem::take(&mut self.used_up) {
            let more = self.window.min(self.most - self.window);
            self.window += more;
            self.free += more;
        }
        self.open += self.free;
        std::mem::take(&mut self.free)
    }

    /// An object is on its way for this slot.
    pub(super) fn expect(&mut self, id: ObjectId, slot: Slot) {
        self.expected.entry(id).or_default().push(slot);
    }

    pub(super) fn expect_no_more(&mut self, id: &ObjectId, slot: Slot) {
        if let Some(slots) = self.expected.get_mut(id) {
            slots.retain(|one| *one != slot);
            if slots.is_empty() {
                self.expected.remove(id);
            }
        }
    }

    pub(super) fn is_expected(&self, id: &ObjectId) -> bool {
        self.expected.contains_key(id)
    }

    /// Stored in this session, whatever the replica said when it was asked.
    pub(super) fn has_stored(&self, id: &ObjectId) -> bool {
        self.stored.contains(id)
    }

    /// The peer owes objects and may send.
    pub(super) fn is_owed(&self) -> bool {
        !self.expected.is_empty() && self.open > u64::from(limits::BODY)
    }

    /// Nothing half received, being stored, or not durable.
    pub(super) fn is_clear(&self) -> bool {
        self.partials.is_empty()
            && self.arrivals.is_empty()
            && self.storing == 0
            && self.unsynced.is_empty()
            && self.expected.is_empty()
    }

    /// Forgets what was stored; to be called when no request that could have raced with it is open.
    pub(super) fn forget_stored(&mut self) {
        self.stored.clear();
    }
}

fn check(header: &ObjectHeader, total: u32, expected: Expectation) -> Result<(), SessionError> {
    let wrong = if header.id != expected.id {
        Some("another object")
    } else if expected.kind.is_some_and(|kind| kind != header.kind) {
        Some("an object of another kind")
    } else if expected.len.is_some_and(|len| len != total) {
        Some("an object of another length")
    } else {
        None
    };
    match wrong {
        Some(what) => {
            Err(SessionError::BadObject { what: what.to_owned(), why: format!("expected {}", expected.id) })
        }
        None => Ok(()),
    }
}
