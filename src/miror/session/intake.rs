//! Offers of the peer: which of their objects are wanted, and how far each offer has come.

use std::collections::{BTreeMap, BTreeSet};

use super::super::codec::ranges;
use super::super::limits;
use super::super::message::{Offer, Offered, Range, Slot, Tip};
use super::super::replica::{Presence, Reference};
use super::super::session_log::Recalled;
use super::early::Early;
use super::error::SessionError;
use super::inbox::Expectation;
use super::walk::Walk;
use crate::crypto::{ObjectId, ObjectKind};

/// How far an object of an offer has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The replica has not said yet whether it has it.
    Unknown,
    /// On its way.
    Wanted,
    /// Stored, not durable.
    Stored,
    /// Durable, or it was here before, or cannot be had of this peer; or it is asked for later, outside of the
    /// offer.
    Settled,
}

/// How far an offer has come.
#[derive(Debug)]
pub(super) enum Stage {
    /// Its pages or its structure are on their way.
    Gathering,
    /// Its state is walked.
    Walking(Walk),
    /// The replica merges it.
    Merging,
    /// Its content is on its way.
    Content,
}

#[derive(Debug)]
pub(super) struct InOffer {
    pub(super) tip: Tip,
    pub(super) stage: Stage,
    /// Its id, if its transfer is logged.
    pub(super) logged: Option<[u8; 32]>,
    objects: u32,
    bytes: u64,
    /// What may be on its way before the answer.
    early_left: Early,
    early: BTreeSet<u32>,
    /// Some of its content is asked for outside of it.
    pub(super) in_turn: bool,
    entries: Vec<(Offered, State)>,
    unknown: usize,
    structure_open: usize,
    content_open: usize,
}

#[derive(Debug, Default)]
pub(super) struct Intake {
    pub(super) offers: BTreeMap<u32, InOffer>,
    next: u32,
}

impl Intake {
    /// Takes a page; gives the places of its objects.
    pub(super) fn page(&mut self, offer: Offer) -> Result<std::ops::Range<u32>, SessionError> {
        if offer.first == 0 && !self.offers.contains_key(&offer.number) {
            self.begin(&offer)?;
        }
        let Some(open) = self.offers.get_mut(&offer.number) else {
            return Err(SessionError::Protocol("page of an offer that is not open"));
        };
        let first = offer.first;
        if open.entries.len() != first as usize || open.tip != offer.tip || open.objects != offer.objects {
            return Err(SessionError::Protocol("page that does not fit its offer"));
        }
        if offer.page.is_empty() != (offer.objects == 0) {
            return Err(SessionError::Protocol("empty page"));
        }
        open.early.extend(open.early_left.pick(first, &offer.page));
        let sum: u64 = offer.page.iter().map(|entry| u64::from(entry.len)).sum();
        open.bytes = open.bytes.checked_sub(sum).ok_or(SessionError::Protocol("offer over its length"))?;
        for entry in offer.page {
            open.unknown += 1;
            *open.counter(entry.kind) += 1;
            open.entries.push((entry, State::Unknown));
        }
        Ok(first..open.entries.len() as u32)
    }

    /// Opens an offer of which no page has come yet.
    pub(super) fn begin(&mut self, offer: &Offer) -> Result<(), SessionError> {
        if offer.number != self.next {
            return Err(SessionError::Protocol("offer out of order"));
        }
        let open: u64 = self.offers.values().map(|offer| u64::from(offer.objects)).sum();
        if self.offers.len() >= limits::OFFERS_OPEN
            || open + u64::from(offer.objects) > u64::from(limits::OFFER_OBJECTS)
        {
            return Err(SessionError::Protocol("too much offered at once"));
        }
        self.next = self.next.checked_add(1).ok_or(SessionError::Exhausted)?;
        self.offers.insert(offer.number, InOffer::new(offer));
        Ok(())
    }

    /// What the slot brings, if it is still needed. An error if it was never offered.
    pub(super) fn expectation(&self, number: u32, index: u32) -> Result<Option<Expectation>, SessionError> {
        let Some(offer) = self.offers.get(&number) else {
            let closed = number < self.next;
            return if closed { Ok(None) } else { Err(SessionError::Protocol("data of no offer")) };
        };
        match offer.entries.get(index as usize) {
            Some((entry, State::Unknown | State::Wanted)) => {
                Ok(Some(Expectation { id: entry.id, kind: Some(entry.kind), len: Some(entry.len) }))
            }
            Some(_) => Ok(None),
            None => Err(SessionError::Protocol("data that was not offered")),
        }
    }

    /// The objects at these places, as far as there are, for the replica to look up.
    pub(super) fn references(&self, number: u32, places: std::ops::Range<u32>) -> Vec<Reference> {
        let entries = self.offers.get(&number).and_then(|offer| {
            let end = offer.entries.len().min(places.end as usize);
            offer.entries.get(places.start as usize..end)
        });
        let reference = |entry: &Offered| Reference { id: entry.id, kind: entry.kind, place: Vec::new() };
        entries.unwrap_or_default().iter().map(|(entry, _)| reference(entry)).collect()
    }

    /// Some offer's structure is not merged yet.
    pub(super) fn is_gathering(&self) -> bool {
        self.offers.values().any(|offer| !matches!(offer.stage, Stage::Content) || offer.unknown > 0)
    }

    /// The replica merges one now, or is about to.
    pub(super) fn is_merging(&self) -> bool {
        self.offers.values().any(|offer| matches!(offer.stage, Stage::Merging))
    }
}

impl InOffer {
    fn new(offer: &Offer) -> Self {
        InOffer {
            tip: offer.tip,
            stage: Stage::Gathering,
            logged: None,
            objects: offer.objects,
            bytes: offer.bytes,
            early_left: Early::new(limits::EARLY),
            early: BTreeSet::new(),
            in_turn: false,
            entries: Vec::new(),
            unknown: 0,
            structure_open: 0,
            content_open: 0,
        }
    }

    /// Takes over what an earlier session had come to; gives the first places of the pages, and whether
    /// something of each is to be looked up.
    pub(super) fn restore(&mut self, recalled: Recalled) -> Result<Vec<(u32, bool)>, SessionError> {
        if recalled.tip != self.tip || recalled.entries.len() != self.objects as usize {
            return Err(SessionError::Protocol("another offer than the one that broke off"));
        }
        self.bytes = 0;
        for (entry, settled) in recalled.entries.into_iter().zip(recalled.settled) {
            let settled = settled || (recalled.merged && entry.kind != ObjectKind::Chunk);
            if !settled {
                self.unknown += 1;
                *self.counter(entry.kind) += 1;
            }
            self.entries.push((entry, if settled { State::Settled } else { State::Unknown }));
        }
        if recalled.merged {
            self.stage = Stage::Content;
        }
        let pages = self.entries.chunks(limits::PAGE).zip(0_u32..);
        let unknown = |page: &[(Offered, State)]| page.iter().any(|(_, state)| *state == State::Unknown);
        Ok(pages.map(|(page, number)| (number * limits::PAGE as u32, unknown(page))).collect())
    }

    fn counter(&mut self, kind: ObjectKind) -> &mut usize {
        if kind == ObjectKind::Chunk { &mut self.content_open } else { &mut self.structure_open }
    }

    /// The replica's answer to a page; gives what is wanted, as ranges and one by one.
    pub(super) fn examined(
        &mut self,
        first: u32,
        found: &[Presence],
        here: impl Fn(&ObjectId) -> bool,
    ) -> (Vec<Range>, Vec<(u32, Offered)>) {
        let mut wanted = Vec::new();
        for (index, presence) in (first..).zip(found) {
            let Some((entry, state)) = self.entries.get_mut(index as usize) else { break };
            let entry = *entry;
            if *state != State::Unknown {
                continue;
            }
            self.unknown -= 1;
            let absent = entry.len > 0 && !here(&entry.id);
            match presence {
                Presence::Absent | Presence::InTurn
                    if absent && (*presence == Presence::Absent || self.early.contains(&index)) =>
                {
                    *state = State::Wanted;
                    wanted.push((index, entry));
                    continue;
                }
                _ => {
                    *state = State::Settled;
                    self.in_turn |= *presence == Presence::InTurn;
                }
            }
            let counter = self.counter(entry.kind);
            *counter = counter.saturating_sub(1);
        }
        (ranges(wanted.iter().map(|(index, _)| *index)), wanted)
    }

    /// Contents of a page that are absent here, and that the peer has not got either.
    pub(super) fn lacking(&self, first: u32, found: &[Presence]) -> Vec<ObjectId> {
        let entries = self.entries.get(first as usize..).unwrap_or_default();
        let lacking = entries.iter().zip(found).filter(|((entry, _), presence)| {
            entry.len == 0 && entry.kind == ObjectKind::Chunk && **presence == Presence::Absent
        });
        lacking.map(|((entry, _), _)| entry.id).collect()
    }

    /// The object at this place is stored.
    pub(super) fn stored(&mut self, index: u32) {
        let Some((entry, state)) = self.entries.get_mut(index as usize) else { return };
        if !matches!(state, State::Unknown | State::Wanted) {
            return;
        }
        let was_unknown = *state == State::Unknown;
        *state = State::Stored;
        let structure = entry.kind != ObjectKind::Chunk;
        self.unknown -= usize::from(was_unknown);
        self.structure_open -= usize::from(structure);
    }

    /// The object at this place is durable. True if it is news.
    pub(super) fn durable(&mut self, index: u32) -> bool {
        let Some((entry, state)) = self.entries.get_mut(index as usize) else { return false };
        if *state != State::Stored {
            return false;
        }
        *state = State::Settled;
        self.content_open -= usize::from(entry.kind == ObjectKind::Chunk);
        true
    }

    /// The peer cannot send the object after all: an error if the state cannot do without.
    pub(super) fn gone(&mut self, index: u32) -> Result<Option<ObjectId>, SessionError> {
        let Some((entry, state)) = self.entries.get_mut(index as usize) else {
            return Err(SessionError::Protocol("GONE for what was not offered"));
        };
        if !matches!(state, State::Unknown | State::Wanted) {
            return Ok(None);
        }
        if entry.kind != ObjectKind::Chunk {
            return Err(SessionError::PeerLacks(entry.id));
        }
        self.unknown -= usize::from(*state == State::Unknown);
        *state = State::Settled;
        self.content_open -= 1;
        Ok(Some(entry.id))
    }

    /// All pages are here, looked up, and their structure is stored.
    pub(super) fn is_gathered(&self) -> bool {
        self.entries.len() == self.objects as usize && self.unknown == 0 && self.structure_open == 0
    }

    /// All its content is durable, as far as the peer has it.
    pub(super) fn is_whole(&self) -> bool {
        self.content_open == 0
    }
}

/// The slots of offers among these, by offer.
pub(super) fn by_offer(slots: &[Slot]) -> BTreeMap<u32, Vec<u32>> {
    let mut places: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for slot in slots {
        if let Slot::Offer { number, index } = slot {
            places.entry(*number).or_default().push(*index);
        }
    }
    for list in places.values_mut() {
        list.sort_unstable();
    }
    places
}
