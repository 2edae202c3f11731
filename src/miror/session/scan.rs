//! Content that merged states name and this replica has not: asked for page by page, in the order that the replica
//! gives, behind everything else. This is what makes an interrupted transfer of content go on, what completes a
//! walk, and how content comes that is to come in turn.

use std::time::Duration;

use super::super::limits;
use super::super::message::{Stage as Done, Urgency};
use super::super::replica::{Claim, Request};
use super::Session;
use super::error::SessionError;
use super::io::{Event, Progress};
use super::request::Why;
use super::wants::Asked;
use crate::crypto::{ObjectId, ObjectKind};
use crate::vault::Absent;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    /// To begin, or to go on behind the last page.
    #[default]
    Due,
    /// The replica is asked.
    Asked,
    /// All pages were seen.
    Done,
    /// All pages were seen, and other sessions ask for some that were on them: to begin again then, to see whether
    /// these have come.
    Resting(Duration),
}

#[derive(Debug, Default)]
pub(super) struct Scan {
    stage: Stage,
    after: Option<Absent>,
    /// Begin again when the page under way is in.
    again: bool,
    /// Pages were seen before this one, and something on one of them was asked for.
    paged: bool,
    found: bool,
    /// When the replica was asked last, and how long its answers have taken in this pass.
    asked: Duration,
    looked: Duration,
    /// Passes that began after a rest.
    passes: u32,
    /// Begin again only when all that was asked for is here: it is to be seen that nothing was missed.
    patient: bool,
    /// The peer was told that there is nothing more to ask for, and has heard nothing else since.
    quiet: bool,
    /// The progress last told of.
    pub(super) told: Progress,
}

impl Scan {
    pub(super) fn restart(&mut self) {
        if self.stage == Stage::Asked {
            self.again = true;
        } else {
            self.begin(false);
        }
    }

    fn begin(&mut self, patient: bool) {
        let (after, looked) = (None, Duration::ZERO);
        *self = Scan { stage: Stage::Due, after, paged: false, found: false, looked, patient, ..*self };
    }

    /// All was seen and asked for. If some of it is for other sessions to bring, it is looked for again after a while,
    /// longer where looking takes long.
    fn rest(&mut self, now: Duration) {
        self.stage = Stage::Resting(now + limits::REST.max(self.looked * 4));
    }

    /// The replica has answered.
    fn answered(&mut self, now: Duration) {
        self.looked += now.saturating_sub(self.asked);
    }

    /// When to begin again.
    pub(super) fn rests_until(&self) -> Option<Duration> {
        match self.stage {
            Stage::Resting(until) => Some(until),
            _ => None,
        }
    }

    /// A page was seen. What the user ranks anew meanwhile may come to stand on a page seen before: where there were
    /// several, it is looked once more.
    fn seen(&mut self, last: Option<Absent>, whole: bool, found: bool) {
        self.found |= found;
        match () {
            () if std::mem::take(&mut self.again) => self.begin(false),
            () if whole && self.paged && self.found => self.begin(true),
            () if whole => self.stage = Stage::Done,
            () => {
                (self.stage, self.after) = (Stage::Due, last);
                self.paged = true;
            }
        }
    }

    /// The peer hears something that means that there is more to come.
    pub(super) fn speaks(&mut self) {
        self.quiet = false;
    }
}

impl Session {
    /// Asks for the next page when the last one is nearly worked off and no structure is under way; for the first
    /// one at once: there may be something on it that comes before what was not asked for yet.
    pub(super) fn go_on_scanning(&mut self) {
        if self.scan.stage == Stage::Done && self.wants.is_empty() && self.wants.take_elsewhere() {
            self.scan.rest(self.pulse.now);
        }
        if self.scan.rests_until().is_some_and(|until| self.pulse.now >= until) {
            self.scan.passes += 1;
            self.scan.begin(false);
        }
        let due = self.scan.stage == Stage::Due && self.met && self.config.pull && !self.resume.is_waiting();
        let near = match self.scan.after {
            None => !self.scan.patient || self.wants.is_empty(),
            Some(_) => self.wants.backlog() < limits::MISSING / 4,
        };
        if due && near && !self.intake.is_gathering() {
            (self.scan.stage, self.scan.asked) = (Stage::Asked, self.pulse.now);
            self.ask(Request::Missing { after: self.scan.after }, Why::Scan);
        }
        if let Some(ids) = self.wants.next_claim() {
            self.scan.asked = self.pulse.now;
            self.ask(Request::Claim { ids, pass: self.scan.passes }, Why::Claim);
        }
    }

    pub(super) fn on_claimed(&mut self, claims: &[Claim]) -> Result<(), SessionError> {
        let Session { wants, inbox, scan, pulse, .. } = self;
        scan.answered(pulse.now);
        if let Some(want) = wants.claimed(claims, |id| inbox.has_stored(id) || inbox.is_expected(id))? {
            self.send_want(want);
        }
        Ok(())
    }

    pub(super) fn on_missing(&mut self, list: Vec<Absent>) {
        self.scan.answered(self.pulse.now);
        if self.scan.after.is_none() {
            self.wants.forget_waiting();
        }
        let (last, whole) = (list.last().copied(), list.len() < limits::MISSING);
        let mut found = false;
        for Absent { id, len, .. } in list {
            if !self.inbox.is_expected(&id) && !self.inbox.has_stored(&id) {
                let (kind, urgency) = (Some(ObjectKind::Chunk), Urgency::Content);
                found |= self.wants.ask(Asked { id, kind, urgency, len: len.min(limits::COMMON) });
            }
        }
        self.scan.seen(last, whole, found);
    }

    /// Nothing more to ask for: all that the peer has is here and durable.
    pub(super) fn is_quiet(&self) -> bool {
        let scanned = self.scan.stage == Stage::Done || !self.config.pull;
        self.met && scanned && self.intake.offers.is_empty() && self.wants.is_empty() && self.inbox.is_clear()
    }

    pub(super) fn announce_quiet(&mut self) {
        if self.is_quiet() && !std::mem::replace(&mut self.scan.quiet, true) {
            self.complete(None, Done::All);
            if !self.requests.looks_open() {
                self.inbox.forget_stored();
            }
        }
    }

    /// Reads in a mount wait for these.
    pub(super) fn fetch(&mut self, ids: Vec<ObjectId>) {
        for id in ids {
            if self.inbox.has_stored(&id) {
                self.event(Event::Fetched { id, found: true });
            } else {
                self.wants.read(id);
            }
        }
    }
}
