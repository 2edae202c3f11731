//! The receiving half: offers of the peer, their objects, the walk, the merge.

use super::super::limits;
use super::super::message::{
    Accept, Ack, Complete, Data, Gone, Message, Offer, Slot, Stage as Done, Urgency, Want,
};
use super::super::replica::{Announcement, Presence, Reference, Request};
use super::super::session_log::{Record, Role};
use super::Session;
use super::error::SessionError;
use super::inbox::{Expectation, Storing};
use super::intake::{Stage, by_offer};
use super::io::Event;
use super::request::Why;
use super::walk::Walk;
use super::wants::Asked;
use crate::crypto::ObjectId;

impl Session {
    pub(super) fn go_on_pulling(&mut self) -> Result<(), SessionError> {
        for number in self.intake.offers.keys().copied().collect::<Vec<_>>() {
            self.go_on_with_offer(number);
        }
        self.go_on_scanning();
        while let Some(want) = self.wants.next()? {
            self.send_want(want);
        }
        while let Some((storing, objects)) = self.inbox.next_store() {
            self.ask(Request::Store(objects), Why::Store(storing));
        }
        let hurry = !self.intake.is_gathering();
        if self.inbox.wants_sync(self.pulse.now, hurry) {
            let mark = self.inbox.sync_begins();
            self.ask(Request::Sync, Why::Sync { mark });
        }
        self.grant(0, Vec::new());
        self.announce_quiet();
        Ok(())
    }

    pub(super) fn send_want(&mut self, want: Want) {
        for (tag, id) in (want.first..).zip(&want.ids) {
            self.inbox.expect(*id, Slot::Want(tag));
        }
        self.progress.to_receive_objects += want.ids.len() as u64;
        self.pulse.fed();
        self.scan.speaks();
        self.say(Message::Want(want));
    }

    pub(super) fn on_offer(&mut self, offer: Offer) -> Result<(), SessionError> {
        if !self.config.pull {
            return Err(SessionError::Protocol("offer to a side that takes none"));
        }
        let (number, tip) = (offer.number, offer.tip);
        let paged = offer.objects > 0 && offer.first == offer.objects;
        if paged && offer.page.is_empty() && !self.intake.offers.contains_key(&number) {
            return self.on_resumed_offer(&offer);
        }
        if offer.first == 0 {
            self.learn(tip);
        }
        let logged = offer.clone();
        let places = self.intake.page(offer)?;
        self.log_page(&logged);
        if !places.is_empty() {
            let first = places.start;
            let references = self.intake.references(number, places);
            self.ask(Request::ExamineOffered(references), Why::Page { number, first });
        }
        Ok(())
    }

    pub(super) fn on_page_examined(&mut self, number: u32, first: u32, found: &[Presence]) {
        let Session { intake, inbox, progress, .. } = self;
        let Some(offer) = intake.offers.get_mut(&number) else { return };
        let lacking = offer.lacking(first, found);
        let (ranges, wanted) = offer.examined(first, found, |id| inbox.has_stored(id));
        for (index, entry) in wanted {
            progress.to_receive_objects += 1;
            progress.to_receive_bytes += u64::from(entry.len);
            inbox.expect(entry.id, Slot::Offer { number, index });
        }
        if let Some(id) = offer.logged {
            self.resume.log(Role::Receives, id, Record::Accept { first, wanted: ranges.clone() });
        }
        self.pulse.fed();
        self.say(Message::Accept(Accept { number, first, wanted: ranges }));
        self.give_up(lacking);
    }

    fn go_on_with_offer(&mut self, number: u32) {
        let Some(offer) = self.intake.offers.get_mut(&number) else { return };
        if matches!(offer.stage, Stage::Gathering) && self.met && offer.is_gathered() {
            offer.stage = Stage::Walking(Walk::from(offer.tip.commit));
        }
        let mut steps = Vec::new();
        if let Stage::Walking(walk) = &mut offer.stage {
            while let Some(references) = walk.next() {
                steps.push(references);
            }
            if steps.is_empty() && walk.is_done() {
                self.merge(number);
            }
        }
        for references in steps {
            self.ask(Request::Examine(references.clone()), Why::Walk { number, references });
        }
        let content = self.intake.offers.get(&number);
        if content.is_some_and(|offer| matches!(offer.stage, Stage::Content) && offer.is_whole()) {
            let closed = self.intake.offers.remove(&number);
            self.log_complete(closed.and_then(|offer| offer.logged), Done::All);
            self.scan.restart();
            self.complete(Some(number), Done::All);
        }
    }

    fn merge(&mut self, number: u32) {
        let Some(offer) = self.intake.offers.get_mut(&number) else { return };
        let head = offer.tip.commit;
        if let Stage::Walking(walk) = std::mem::replace(&mut offer.stage, Stage::Merging) {
            let mark = self.inbox.mark();
            let settled = walk.into_settled();
            self.ask(Request::Merge { head, settled }, Why::Merge { number, mark });
        }
    }

    pub(super) fn on_merged(&mut self, number: u32, mark: u64, ours: Announcement) {
        self.on_durable(mark);
        self.adopt(ours);
        let Some(offer) = self.intake.offers.get_mut(&number) else { return };
        offer.stage = Stage::Content;
        let (head, logged, in_turn) = (offer.tip.commit, offer.logged, offer.in_turn);
        if in_turn {
            self.scan.restart();
        }
        self.log_complete(logged, Done::Structure);
        self.merged.add(head);
        self.base = Some(head);
        self.scan.speaks();
        self.complete(Some(number), Done::Structure);
        self.event(Event::Merged(self.ours.tip));
        self.compare_roots();
    }

    pub(super) fn complete(&mut self, number: Option<u32>, stage: Done) {
        let tip = self.ours.tip;
        self.say(Message::Complete(Complete { number, tip, stage }));
    }

    pub(super) fn on_walk_examined(
        &mut self,
        number: u32,
        references: Vec<Reference>,
        found: Vec<Presence>,
    ) -> Result<(), SessionError> {
        let Session { intake, inbox, wants, .. } = self;
        let Some(offer) = intake.offers.get_mut(&number) else { return Ok(()) };
        let Stage::Walking(walk) = &mut offer.stage else { return Ok(()) };
        for absent in walk.examined(references, found, |id| inbox.has_stored(id))? {
            wants.ask(Asked { id: absent.id, kind: Some(absent.kind), urgency: Urgency::Structure, len: 0 });
        }
        Ok(())
    }

    pub(super) fn on_data(&mut self, data: Data) -> Result<(), SessionError> {
        let cost = self.inbox.charge(&data)?;
        self.pulse.fed();
        let expected = match data.slot {
            Slot::Offer { number, index } => self.intake.expectation(number, index)?,
            Slot::Want(tag) => self.wanted(tag)?,
        };
        // What is no longer needed was on its way when we said so; what was begun is finished.
        let Some(expected) = expected.filter(|_| data.start.is_some() || self.inbox.has_partial(&data.slot))
        else {
            return self.unneeded(&data, cost, expected.is_some());
        };
        self.progress.received_bytes += data.slice.len() as u64;
        self.inbox.slice(data, cost, expected)?;
        Ok(())
    }

    fn unneeded(&mut self, data: &Data, cost: u64, needed: bool) -> Result<(), SessionError> {
        if needed {
            return Err(SessionError::Protocol("object without a beginning"));
        }
        self.inbox.abandon(&data.slot);
        self.inbox.release(cost);
        Ok(())
    }

    fn wanted(&self, tag: u32) -> Result<Option<Expectation>, SessionError> {
        match self.wants.open(tag) {
            Some(asked) => Ok(Some(Expectation { id: asked.id, kind: asked.kind, len: None })),
            None if self.wants.was_asked(tag) => Ok(None),
            None => Err(SessionError::Protocol("data that was not asked for")),
        }
    }

    pub(super) fn on_stored(&mut self, storing: Vec<Storing>) {
        self.inbox.store_done();
        for one in storing {
            self.progress.received_objects += 1;
            let slots = self.inbox.stored(&one, self.pulse.now);
            let tags = slots.iter().filter_map(|slot| slot.tag());
            if self.wants.arrived(&one.id, tags) {
                self.event(Event::Fetched { id: one.id, found: true });
            }
            for slot in slots {
                if let Slot::Offer { number, index } = slot
                    && let Some(offer) = self.intake.offers.get_mut(&number)
                {
                    offer.stored(index);
                }
            }
            for offer in self.intake.offers.values_mut() {
                if let Stage::Walking(walk) = &mut offer.stage {
                    walk.arrived(&one.id);
                }
            }
        }
    }

    pub(super) fn on_durable(&mut self, mark: u64) {
        let slots = self.inbox.durable(mark, self.pulse.now);
        for (number, mut places) in by_offer(&slots) {
            if let Some(offer) = self.intake.offers.get_mut(&number) {
                places.retain(|index| offer.durable(*index));
                if let Some(id) = offer.logged.filter(|_| !places.is_empty()) {
                    let durable = super::super::codec::ranges(places.iter().copied());
                    self.resume.log(Role::Receives, id, Record::Data(durable));
                }
                self.grant(number, places);
            }
        }
    }

    /// Acknowledges places of an offer, and grants what is free.
    fn grant(&mut self, number: u32, places: Vec<u32>) {
        let ranges = super::super::codec::ranges(places);
        let mut window = self.inbox.take_grant(!ranges.is_empty());
        if ranges.is_empty() && window > 0 {
            self.say(Message::Ack(Ack { number, durable: Vec::new(), window }));
        }
        for durable in ranges.chunks(limits::RANGES) {
            let durable = durable.to_vec();
            self.say(Message::Ack(Ack { number, durable, window: std::mem::take(&mut window) }));
        }
    }

    pub(super) fn on_gone(&mut self, gone: Gone) -> Result<(), SessionError> {
        let mut lacking = Vec::new();
        for slot in gone.slots {
            let id = match slot {
                Slot::Offer { number, index } => match self.intake.offers.get_mut(&number) {
                    Some(offer) => offer.gone(index)?,
                    None => None,
                },
                Slot::Want(tag) => self.refused(tag)?,
            };
            if let Some(id) = id {
                self.inbox.expect_no_more(&id, slot);
                lacking.push(id);
            }
        }
        self.give_up(lacking);
        Ok(())
    }

    /// Another peer may have what this one has not.
    fn give_up(&mut self, lacking: Vec<ObjectId>) {
        if !lacking.is_empty() {
            self.ask(Request::GiveUp(lacking), Why::Note);
        }
    }

    fn refused(&mut self, tag: u32) -> Result<Option<ObjectId>, SessionError> {
        let Some((asked, read)) = self.wants.refused(tag) else { return Ok(None) };
        if asked.urgency == Urgency::Structure {
            return Err(SessionError::PeerLacks(asked.id));
        }
        if read {
            self.event(Event::Fetched { id: asked.id, found: false });
        }
        Ok(Some(asked.id))
    }
}
