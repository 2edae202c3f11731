//! Our offers to the peer: what was offered, what it wants of it, how far it has come.

use std::collections::{BTreeMap, BTreeSet};

use super::super::limits;
use super::super::message::{Accept, Offer, Offered, Slot, Tip};
use super::super::session_log::Recalled;
use super::early::Early;
use super::error::SessionError;
use super::queue::{Class, Item};
use crate::crypto::{ObjectId, ObjectKind};

#[derive(Debug)]
pub(super) struct OutOffer {
    pub(super) tip: Tip,
    /// The peer has merged it.
    pub(super) merged: bool,
    /// Its id, if its transfer is logged.
    pub(super) logged: Option<[u8; 32]>,
    id: [u8; 32],
    base: Option<ObjectId>,
    entries: Vec<Offered>,
    bytes: u64,
    /// A page went out (an offer without objects has one, too).
    announced: bool,
    /// Objects on pages sent.
    paged: usize,
    /// Objects on pages answered.
    accepted: usize,
    /// First objects of those pages: the peer examines several at once, and answers in any order.
    answered: BTreeSet<u32>,
    /// Places queued before their page was answered, rising.
    early: Vec<u32>,
    early_left: Early,
}

#[derive(Debug, Default)]
pub(super) struct Outgo {
    pub(super) offers: BTreeMap<u32, OutOffer>,
    next: u32,
    /// A head whose difference the replica is working out.
    pub(super) preparing: Option<Tip>,
}

/// What an answered page sets going.
#[derive(Debug, Default)]
pub(super) struct Accepted {
    pub(super) queue: Vec<(Class, Item)>,
    pub(super) skip: Vec<Slot>,
}

impl Outgo {
    /// Opens an offer; gives its number. A difference too large to offer beside what is open is left to a walk.
    pub(super) fn open(
        &mut self,
        tip: Tip,
        difference: Option<(ObjectId, Vec<Offered>)>,
        secret: &[u8; 32],
        early: u64,
        logged_from: u64,
    ) -> Result<u32, SessionError> {
        let open: usize = self.offers.values().map(|offer| offer.entries.len()).sum();
        let fits = |list: &Vec<Offered>| open + list.len() <= limits::OFFER_OBJECTS as usize;
        let difference = difference.filter(|(_, list)| fits(list));
        let (base, entries) = difference.map_or((None, Vec::new()), |(base, list)| (Some(base), list));
        let number = self.next;
        self.next = self.next.checked_add(1).ok_or(SessionError::Exhausted)?;
        let id = *blake3::keyed_hash(secret, &number.to_le_bytes()).as_bytes();
        let bytes: u64 = entries.iter().map(|entry| u64::from(entry.len)).sum();
        let offer = OutOffer {
            tip,
            merged: false,
            logged: (base.is_some() && bytes >= logged_from).then_some(id),
            id,
            base,
            entries,
            bytes,
            announced: false,
            paged: 0,
            accepted: 0,
            answered: BTreeSet::new(),
            early: Vec::new(),
            early_left: Early::new(early),
        };
        self.offers.insert(number, offer);
        Ok(number)
    }

    /// Opens an offer of an earlier session again. False if there is no room for it.
    pub(super) fn reopen(&mut self, id: [u8; 32], recalled: Recalled) -> Result<bool, SessionError> {
        let open: usize = self.offers.values().map(|offer| offer.entries.len()).sum();
        let Recalled { base, tip, bytes, entries, merged, .. } = recalled;
        if entries.is_empty() || open + entries.len() > limits::OFFER_OBJECTS as usize {
            return Ok(false);
        }
        let number = self.next;
        self.next = self.next.checked_add(1).ok_or(SessionError::Exhausted)?;
        let offer = OutOffer {
            tip,
            merged,
            logged: Some(id),
            id,
            base,
            bytes,
            announced: false,
            paged: entries.len(),
            entries,
            accepted: 0,
            answered: BTreeSet::new(),
            early: Vec::new(),
            early_left: Early::new(0),
        };
        self.offers.insert(number, offer);
        Ok(true)
    }

    /// No offer waits for the peer's merge, and there is room for one more.
    pub(super) fn is_free(&self) -> bool {
        self.preparing.is_none()
            && self.offers.len() < limits::OFFERS_OPEN
            && self.offers.values().all(|offer| offer.merged)
    }

    /// The number was given out once.
    pub(super) fn was_opened(&self, number: u32) -> bool {
        number < self.next
    }

    /// Nothing is offered or about to be.
    pub(super) fn is_empty(&self) -> bool {
        self.offers.is_empty() && self.preparing.is_none()
    }
}

impl OutOffer {
    /// The next page, if one may go out, and what is sent of it without waiting for the answer.
    pub(super) fn next_page(&mut self, number: u32) -> Option<(Offer, Vec<(Class, Item)>)> {
        let ahead = (self.paged - self.accepted) / limits::PAGE;
        let more = self.paged < self.entries.len() || !self.announced;
        // An offer that goes on is announced with all its pages behind it.
        if !more || (self.paged < self.entries.len() && ahead >= limits::PAGES_AHEAD as usize) {
            return None;
        }
        let first = self.paged;
        let end = self.entries.len().min(first + limits::PAGE);
        let page = self.entries.get(first..end).unwrap_or_default().to_vec();
        self.paged = end;
        self.announced = true;
        let early = self.early(number, first as u32, &page);
        let offer = Offer {
            number,
            id: self.id,
            base: self.base,
            tip: self.tip,
            objects: self.entries.len() as u32,
            bytes: self.bytes,
            first: first as u32,
            page,
        };
        Some((offer, early))
    }

    fn early(&mut self, number: u32, first: u32, page: &[Offered]) -> Vec<(Class, Item)> {
        let picked = self.early_left.pick(first, page);
        self.early.extend(&picked);
        self.early.sort_unstable();
        let entry = |index: u32| Some(item(number, index, page.get(index.checked_sub(first)? as usize)?));
        picked.into_iter().filter_map(entry).collect()
    }

    /// The peer's answer to a page.
    pub(super) fn accept(&mut self, accept: &Accept) -> Result<Accepted, SessionError> {
        let first = accept.first as usize;
        let begins_page = first.is_multiple_of(limits::PAGE) && first < self.paged;
        if !begins_page || !self.answered.insert(accept.first) {
            return Err(SessionError::Protocol("ACCEPT of a page that was not offered"));
        }
        let end = self.entries.len().min(first + limits::PAGE);
        self.accepted += end - first;
        let mut answer = Accepted::default();
        let mut ranges = accept.wanted.iter().peekable();
        for index in accept.first..end as u32 {
            while ranges.next_if(|range| range.first + range.count <= index).is_some() {}
            let wanted = ranges.peek().is_some_and(|range| range.first <= index);
            let early = self.early.binary_search(&index).is_ok();
            let Some(entry) = self.entries.get(index as usize) else { break };
            match (wanted, early) {
                (true, false) if entry.len == 0 => {
                    return Err(SessionError::Protocol("ACCEPT of an object marked as lacking"));
                }
                (true, false) => answer.queue.push(item(accept.number, index, entry)),
                (false, true) => answer.skip.push(Slot::Offer { number: accept.number, index }),
                _ => {}
            }
        }
        if ranges.any(|range| range.first as usize + range.count as usize > end) {
            return Err(SessionError::Protocol("ACCEPT beyond its page"));
        }
        Ok(answer)
    }
}

fn item(number: u32, index: u32, entry: &Offered) -> (Class, Item) {
    let class = if entry.kind == ObjectKind::Chunk { Class::content(entry.len) } else { Class::Structure };
    (class, Item { slot: Slot::Offer { number, index }, id: entry.id, len: entry.len })
}
