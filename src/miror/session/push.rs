//! The sending half: offers, what is wanted of them, objects asked for by id.

use super::super::limits;
use super::super::message::{Accept, Ack, Gone, Message, Offered, Slot, Tip, Urgency, Want};
use super::super::replica::Request;
use super::super::session_log::{Record, Role};
use super::Session;
use super::error::SessionError;
use super::queue::{Class, Item};
use super::request::{LOADS, Why};
use crate::crypto::{ObjectId, SealedObject};

impl Session {
    pub(super) fn go_on_pushing(&mut self) -> Result<(), SessionError> {
        self.consider_offer()?;
        self.send_pages();
        while self.requests.loads < LOADS {
            let Some((class, items)) = self.queue.next_load() else { break };
            self.requests.loads += 1;
            let ids = items.iter().map(|item| item.id).collect();
            self.ask(Request::Load(ids), Why::Send(class, items));
        }
        while let Some(slice) = self.queue.next_slice() {
            self.progress.sent_bytes += slice.data.slice.len() as u64;
            self.progress.sent_objects += u64::from(slice.last);
            self.send(slice.data, slice.class);
        }
        Ok(())
    }

    /// Offers the head if the peer may lack it and no earlier offer is still being merged. While we merge
    /// the peer's head ours is about to change, and to become what the peer will have, too.
    fn consider_offer(&mut self) -> Result<(), SessionError> {
        let Some(peer) = &self.peer else { return Ok(()) };
        let lacking = !peer.holds.has(&self.ours.tip.commit);
        let may = self.met && self.config.push && peer.accepts && !self.resume.is_looking();
        if !may || !lacking || !self.outgo.is_free() || self.intake.is_merging() {
            return Ok(());
        }
        let tip = self.ours.tip;
        match self.base {
            Some(base) => {
                self.outgo.preparing = Some(tip);
                self.ask(Request::Difference { base, head: tip.commit }, Why::Offer { tip, base });
                Ok(())
            }
            None => self.open_offer(tip, None),
        }
    }

    pub(super) fn open_offer(
        &mut self,
        tip: Tip,
        difference: Option<(ObjectId, Vec<Offered>)>,
    ) -> Result<(), SessionError> {
        let from = self.config.logged_from;
        self.outgo.open(tip, difference, &self.secret, self.config.early, from)?;
        Ok(())
    }

    fn send_pages(&mut self) {
        let mut pages = Vec::new();
        for (number, offer) in &mut self.outgo.offers {
            while let Some(page) = offer.next_page(*number) {
                pages.push(page);
            }
        }
        for (page, early) in pages {
            // Of an offer that goes on the log has all.
            if !page.page.is_empty() {
                self.log_offer(Role::Sends, &page);
            }
            self.say(Message::Offer(page));
            self.enqueue(early);
        }
    }

    fn enqueue(&mut self, items: Vec<(Class, Item)>) {
        for (class, item) in items {
            self.progress.to_send_objects += 1;
            self.progress.to_send_bytes += u64::from(item.len);
            self.queue.push(class, item);
        }
    }

    pub(super) fn on_accept(&mut self, accept: &Accept) -> Result<(), SessionError> {
        if !self.outgo.was_opened(accept.number) {
            return Err(SessionError::Protocol("ACCEPT of no offer"));
        }
        // A peer that held the head all along has completed the offer before answering all of its pages.
        let Some(offer) = self.outgo.offers.get_mut(&accept.number) else { return Ok(()) };
        let accepted = offer.accept(accept)?;
        if let Some(id) = offer.logged {
            let record = Record::Accept { first: accept.first, wanted: accept.wanted.clone() };
            self.resume.log(Role::Sends, id, record);
        }
        for slot in accepted.skip {
            self.queue.skip(slot);
        }
        self.enqueue(accepted.queue);
        Ok(())
    }

    pub(super) fn on_ack(&mut self, ack: &Ack) -> Result<(), SessionError> {
        if !ack.durable.is_empty() && !self.outgo.was_opened(ack.number) {
            return Err(SessionError::Protocol("ACK of no offer"));
        }
        self.queue.grant(ack.window);
        if !ack.durable.is_empty()
            && let Some(id) = self.outgo.offers.get(&ack.number).and_then(|offer| offer.logged)
        {
            self.resume.log(Role::Sends, id, Record::Ack(ack.durable.clone()));
        }
        Ok(())
    }

    pub(super) fn on_want(&mut self, want: Want) -> Result<(), SessionError> {
        if self.queue.waiting_wants() + want.ids.len() > 2 * limits::WANTS_OPEN {
            return Err(SessionError::Protocol("too many objects wanted at once"));
        }
        let class = match want.urgency {
            Urgency::Read => Class::Read,
            Urgency::Structure => Class::Structure,
            Urgency::Content => Class::Small,
        };
        self.with_peer(|peer| peer.quiet = false);
        let items = (want.first..).zip(want.ids);
        let item = |(tag, id)| (class, Item { slot: Slot::Want(tag), id, len: 0 });
        self.enqueue(items.map(item).collect());
        Ok(())
    }

    pub(super) fn on_loaded(&mut self, class: Class, items: Vec<Item>, objects: Vec<Option<SealedObject>>) {
        self.requests.loads = self.requests.loads.saturating_sub(1);
        let gone = self.queue.loaded(class, items, objects);
        for slots in gone.chunks(limits::IDS) {
            self.say(Message::Gone(Gone { slots: slots.to_vec() }));
        }
    }
}
