//! Transfers that broke off and go on: the session's part of [`session_log`](super::super::session_log).
//!
//! The receiver names its logs in HELLO. The sender looks which of them it has, too, says so with RESUME, and
//! opens those offers with all their pages behind them. The receiver recalls the pages, looks up what is not
//! known to be durable, and answers as if the pages had just come.

use std::collections::BTreeSet;

use super::super::limits;
use super::super::message::{Accept, Message, Offer, Stage as Done};
use super::super::replica::{ReplicaError, Request};
use super::super::session_log::{LogId, Recalled, Record, Role};
use super::Session;
use super::error::SessionError;
use super::request::Why;

/// What there is to log, and what goes on from earlier sessions.
#[derive(Debug, Default)]
pub(super) struct Resume {
    queue: Vec<(LogId, Record)>,
    writing: bool,
    /// The replica is asked which transfers this side can go on sending.
    looking: bool,
    /// The peer has not said yet which transfers it goes on sending.
    unanswered: bool,
    /// And that is waited for.
    waiting: bool,
    /// Offers that the peer said it goes on with.
    promised: BTreeSet<[u8; 32]>,
}

impl Resume {
    pub(super) fn log(&mut self, role: Role, offer: [u8; 32], record: Record) {
        self.queue.push((LogId { role, offer }, record));
    }

    /// Nothing new is offered before it is known what goes on.
    pub(super) fn is_looking(&self) -> bool {
        self.looking
    }

    /// Content may still come by an offer that goes on.
    pub(super) fn is_waiting(&self) -> bool {
        self.waiting || !self.promised.is_empty()
    }

    /// A peer that does not say is not waited for for ever; it may still say so later.
    pub(super) fn give_up(&mut self) {
        self.waiting = false;
    }
}

impl Session {
    /// The peer understands RESUME, has named these logs, and makes offers or does not.
    pub(super) fn begin_resuming(&mut self, theirs: &[[u8; 32]], offers: bool) {
        if self.config.push && !theirs.is_empty() {
            self.resume.looking = true;
            let ids = theirs.iter().map(|offer| LogId { role: Role::Sends, offer: *offer });
            let ids: Vec<_> = ids.collect();
            self.ask(Request::Recall(ids.clone()), Why::Resend(ids));
        }
        self.resume.unanswered = offers && self.config.pull && !self.config.resume.is_empty();
        self.resume.waiting = self.resume.unanswered;
    }

    /// What of the peer's logs this side has, too.
    pub(super) fn on_resendable(
        &mut self,
        ids: Vec<LogId>,
        found: Vec<Option<Recalled>>,
    ) -> Result<(), SessionError> {
        self.resume.looking = false;
        let both = ids.into_iter().zip(found).filter_map(|(id, found)| Some((id.offer, found?)));
        let mut resumed = Vec::new();
        for (id, recalled) in both {
            if self.outgo.reopen(id, recalled)? {
                resumed.push(id);
            }
        }
        self.say(Message::Resume(resumed));
        Ok(())
    }

    /// The peer says which transfers go on; the logs of the others are of no more use.
    pub(super) fn on_resume(&mut self, ids: Vec<[u8; 32]>) -> Result<(), SessionError> {
        if !self.resume.unanswered || ids.iter().any(|id| !self.config.resume.contains(id)) {
            return Err(SessionError::Protocol("RESUME of what was not asked for"));
        }
        (self.resume.unanswered, self.resume.waiting) = (false, false);
        self.resume.promised = ids.into_iter().collect();
        for id in &self.config.resume {
            if !self.resume.promised.contains(id) {
                self.resume.log(Role::Receives, *id, Record::Complete(Done::All));
            }
        }
        Ok(())
    }

    /// An offer whose pages came in an earlier session.
    pub(super) fn on_resumed_offer(&mut self, offer: &Offer) -> Result<(), SessionError> {
        if !self.resume.promised.remove(&offer.id) {
            return Err(SessionError::Protocol("page of an offer that is not open"));
        }
        self.intake.begin(offer)?;
        if let Some(open) = self.intake.offers.get_mut(&offer.number) {
            open.logged = Some(offer.id);
        }
        let id = LogId { role: Role::Receives, offer: offer.id };
        self.ask(Request::Recall(vec![id]), Why::Recall { number: offer.number });
        Ok(())
    }

    pub(super) fn on_recalled(&mut self, number: u32, found: Option<Recalled>) -> Result<(), SessionError> {
        let lost = || SessionError::Store(ReplicaError::Store("the log of a transfer is gone".to_owned()));
        let recalled = found.ok_or_else(lost)?;
        let Some(offer) = self.intake.offers.get_mut(&number) else { return Ok(()) };
        let merged = recalled.merged;
        let pages = offer.restore(recalled)?;
        for (first, unknown) in pages {
            let end = first.saturating_add(limits::PAGE as u32);
            let references = self.intake.references(number, first..end);
            match unknown {
                true => self.ask(Request::ExamineOffered(references), Why::Page { number, first }),
                false => self.say(Message::Accept(Accept { number, first, wanted: Vec::new() })),
            }
        }
        if merged {
            self.complete(Some(number), Done::Structure);
        }
        Ok(())
    }

    /// Logs a new offer, whole or page by page, if it is worth it.
    pub(super) fn log_offer(&mut self, role: Role, offer: &Offer) {
        if offer.bytes < self.config.logged_from || offer.base.is_none() {
            return;
        }
        let Offer { id, base, tip, objects, bytes, first, .. } = *offer;
        if first == 0 {
            self.resume.log(role, id, Record::Hello { base, tip, objects, bytes });
        }
        self.resume.log(role, id, Record::Offer { first, page: offer.page.clone() });
    }

    /// Logs a page that came.
    pub(super) fn log_page(&mut self, offer: &Offer) {
        let worth = offer.bytes >= self.config.logged_from && offer.base.is_some();
        if let Some(open) = self.intake.offers.get_mut(&offer.number).filter(|_| worth) {
            open.logged = Some(offer.id);
            self.log_offer(Role::Receives, offer);
        }
    }

    /// Logs how far an offer of the peer's is, if it is logged.
    pub(super) fn log_complete(&mut self, logged: Option<[u8; 32]>, stage: Done) {
        if let Some(id) = logged {
            self.resume.log(Role::Receives, id, Record::Complete(stage));
        }
    }

    /// Hands what there is to log to the replica: one batch at a time, because their order counts.
    pub(super) fn go_on_logging(&mut self, last: bool) {
        if !self.resume.queue.is_empty() && (last || !self.resume.writing) {
            self.resume.writing = true;
            let batch = std::mem::take(&mut self.resume.queue);
            self.ask(Request::Log(batch), Why::Log);
        }
    }

    pub(super) fn on_logged(&mut self) {
        self.resume.writing = false;
    }
}
