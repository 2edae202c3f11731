//! Objects on their way out: four lanes by priority, loaded a little ahead, cut into slices.
//!
//! The queue owns the credit the peer granted and the room the link has. A lane never waits for one below
//! it, not even in the middle of an object: slices of different lanes interleave.
//!
//! An object asked for twice while anything is queued is sent once: the receiver answers every expectation
//! of an id with the first arrival.

use std::collections::{HashSet, VecDeque};

use super::super::limits;
use super::super::message::{Data, Slot};
use crate::crypto::{ObjectId, SealedObject};

/// Bodies up to this many bytes count as small and go before larger ones.
const SMALL: u32 = 64 * 1024;

/// A lane: what an object is, by how soon it goes. The order is the priority.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// A read in a mount waits for it.
    Read,
    /// Of the tree.
    Structure,
    /// Content of up to 64 KiB.
    Small,
    /// Other content.
    Large,
}

impl Class {
    const ALL: [Class; 4] = [Class::Read, Class::Structure, Class::Small, Class::Large];

    /// The lane of content with a body of `len` bytes.
    pub(super) fn content(len: u32) -> Self {
        if len <= SMALL { Class::Small } else { Class::Large }
    }
}

/// An object to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Item {
    pub(super) slot: Slot,
    pub(super) id: ObjectId,
    /// Bytes of the body, if known; else 0.
    pub(super) len: u32,
}

#[derive(Debug)]
struct Ready {
    item: Item,
    object: SealedObject,
    sent: usize,
}

#[derive(Debug, Default)]
struct Lane {
    waiting: VecDeque<Item>,
    ready: VecDeque<Ready>,
    /// Bytes being loaded or ready.
    ahead: u64,
}

/// What [`Queue::next_slice`] gives.
#[derive(Debug)]
pub(super) struct Slice {
    pub(super) data: Data,
    pub(super) class: Class,
    /// The object is sent whole with it.
    pub(super) last: bool,
}

#[derive(Debug, Default)]
pub(super) struct Queue {
    lanes: [Lane; 4],
    skipped: HashSet<Slot>,
    sent: HashSet<ObjectId>,
    /// Waiting items that a WANT asked for.
    wanted: usize,
    credit: u64,
    room: usize,
}

impl Queue {
    pub(super) fn push(&mut self, class: Class, item: Item) {
        self.wanted += usize::from(item.slot.tag().is_some());
        self.lane(class).waiting.push_back(item);
    }

    pub(super) fn grant(&mut self, bytes: u64) {
        self.credit = self.credit.saturating_add(bytes);
    }

    pub(super) fn set_room(&mut self, bytes: usize) {
        self.room = bytes;
    }

    /// The peer has it already: do not send it if it is still waiting.
    pub(super) fn skip(&mut self, slot: Slot) {
        self.skipped.insert(slot);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lanes.iter().all(|lane| lane.waiting.is_empty() && lane.ahead == 0)
    }

    /// Objects asked for by WANT and not yet loaded.
    pub(super) fn waiting_wants(&self) -> usize {
        self.wanted
    }

    /// The next objects to ask the replica for.
    pub(super) fn next_load(&mut self) -> Option<(Class, Vec<Item>)> {
        for class in Class::ALL {
            let items = self.take(class);
            if !items.is_empty() {
                return Some((class, items));
            }
        }
        if self.is_empty() {
            self.skipped.clear();
            self.sent.clear();
        }
        None
    }

    fn take(&mut self, class: Class) -> Vec<Item> {
        let Queue { lanes, skipped, sent, wanted, .. } = self;
        let lane = pick(lanes, class);
        let mut items = Vec::new();
        let mut bytes = 0;
        while items.len() < limits::BATCH && bytes < limits::LOAD_AHEAD / 8 {
            if lane.ahead >= limits::LOAD_AHEAD {
                break;
            }
            let Some(item) = lane.waiting.pop_front() else { break };
            *wanted -= usize::from(item.slot.tag().is_some());
            if skipped.remove(&item.slot) || sent.contains(&item.id) {
                continue;
            }
            lane.ahead += reserved(&item);
            bytes += reserved(&item);
            items.push(item);
        }
        items
    }

    /// Takes the answer to a load; gives back the slots of what is not there.
    pub(super) fn loaded(
        &mut self,
        class: Class,
        items: Vec<Item>,
        objects: Vec<Option<SealedObject>>,
    ) -> Vec<Slot> {
        let lane = self.lane(class);
        let mut gone = Vec::new();
        let mut objects = objects.into_iter();
        for item in items {
            match objects.next().flatten() {
                Some(object) => lane.ready.push_back(Ready { item, object, sent: 0 }),
                None => {
                    lane.ahead = lane.ahead.saturating_sub(reserved(&item));
                    gone.push(item.slot);
                }
            }
        }
        gone
    }

    /// The next slice that credit and room allow.
    pub(super) fn next_slice(&mut self) -> Option<Slice> {
        let class = Class::ALL.into_iter().find(|class| !self.lane(*class).ready.is_empty())?;
        let (credit, room) = (self.credit, self.room);
        let lane = self.lane(class);
        let ready = lane.ready.front_mut()?;
        let rest = ready.object.body.get(ready.sent..).unwrap_or_default();
        let slice = rest.get(..rest.len().min(limits::SLICE)).unwrap_or_default();
        let cost = slice.len() as u64 + limits::SLICE_OVERHEAD;
        if credit < cost || room == 0 {
            return None;
        }
        let start = (ready.sent == 0).then(|| (ready.object.header.clone(), ready.object.body.len() as u32));
        let data = Data { slot: ready.item.slot, offset: ready.sent as u32, start, slice: slice.to_vec() };
        ready.sent += slice.len();
        let last = ready.sent >= ready.object.body.len();
        let id = ready.item.id;
        if last {
            lane.ahead = lane.ahead.saturating_sub(reserved(&ready.item));
            lane.ready.pop_front();
            self.sent.insert(id);
        }
        self.credit -= cost;
        self.room = room.saturating_sub(cost as usize);
        Some(Slice { data, class, last })
    }

    fn lane(&mut self, class: Class) -> &mut Lane {
        pick(&mut self.lanes, class)
    }
}

fn pick(lanes: &mut [Lane; 4], class: Class) -> &mut Lane {
    let [read, structure, small, large] = lanes;
    match class {
        Class::Read => read,
        Class::Structure => structure,
        Class::Small => small,
        Class::Large => large,
    }
}

/// What an object may take in memory while its length is not known: a common chunk.
fn reserved(item: &Item) -> u64 {
    if item.len == 0 { limits::COMMON } else { u64::from(item.len) }
}
