//! Content that merged states name and this replica has not: asked for page by page, behind everything
//! else. This is what makes an interrupted transfer of content go on, and what completes a walk.

use super::super::limits;
use super::super::message::{Stage as Done, Urgency};
use super::super::replica::Request;
use super::Session;
use super::io::{Event, Progress};
use super::request::Why;
use super::wants::Asked;
use crate::crypto::{ObjectId, ObjectKind};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    /// To begin, or to go on behind this id.
    #[default]
    Due,
    /// The replica is asked.
    Asked,
    /// All pages were seen.
    Done,
}

#[derive(Debug, Default)]
pub(super) struct Scan {
    stage: Stage,
    after: Option<ObjectId>,
    /// Begin again when the page under way is in.
    again: bool,
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
            self.stage = Stage::Due;
            self.after = None;
        }
    }

    /// The peer hears something that means that there is more to come.
    pub(super) fn speaks(&mut self) {
        self.quiet = false;
    }
}

impl Session {
    /// Asks for the next page when the last one is nearly worked off and no structure is under way.
    pub(super) fn go_on_scanning(&mut self) {
        let due = self.scan.stage == Stage::Due && self.met && self.config.pull && !self.resume.is_waiting();
        if due && !self.intake.is_gathering() && self.wants.backlog() < limits::MISSING / 4 {
            self.scan.stage = Stage::Asked;
            self.ask(Request::Missing { after: self.scan.after }, Why::Scan);
        }
    }

    pub(super) fn on_missing(&mut self, mut list: Vec<(ObjectId, u32)>) {
        self.scan.after = list.last().map(|(id, _)| *id);
        self.scan.stage = if list.len() < limits::MISSING { Stage::Done } else { Stage::Due };
        if std::mem::take(&mut self.scan.again) {
            self.scan.stage = Stage::Due;
            self.scan.after = None;
        }
        list.sort_by_key(|(_, len)| *len);
        for (id, len) in list {
            if !self.inbox.is_expected(&id) && !self.inbox.has_stored(&id) {
                self.progress.to_receive_bytes += u64::from(len);
                let kind = Some(ObjectKind::Chunk);
                self.wants.ask(Asked { id, kind, urgency: Urgency::Content });
            }
        }
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
