//! The session's sense of time: silence, stalls, signs of life, the minute's comparison.

use std::time::Duration;

use super::super::limits;
use super::super::message::{Beat, Message};
use super::Session;
use super::error::SessionError;
use super::io::Event;

#[derive(Debug)]
pub(super) struct Pulse {
    started: Duration,
    pub(super) now: Duration,
    heard: Duration,
    said: Duration,
    /// When data last came, or began to be owed.
    fed: Duration,
    compared: Duration,
    told: Duration,
    nonce: u32,
}

impl Pulse {
    pub(super) fn new(now: Duration) -> Self {
        Pulse { started: now, now, heard: now, said: now, fed: now, compared: now, told: now, nonce: 0 }
    }

    pub(super) fn advance(&mut self, now: Duration) {
        self.now = self.now.max(now);
    }

    pub(super) fn heard(&mut self) {
        self.heard = self.now;
    }

    pub(super) fn said(&mut self) {
        self.said = self.now;
    }

    pub(super) fn fed(&mut self) {
        self.fed = self.now;
    }

    pub(super) fn age(&self) -> Duration {
        self.now.saturating_sub(self.started)
    }

    /// The peer is late.
    pub(super) fn check(&self, introduced: bool, owed: bool) -> Result<(), SessionError> {
        if !introduced && self.now >= self.started + limits::HELLO_WITHIN {
            Err(SessionError::NoHello)
        } else if self.now >= self.heard + limits::SILENT {
            Err(SessionError::Silent)
        } else if owed && self.now >= self.fed + limits::STALLED {
            Err(SessionError::Stalled)
        } else {
            Ok(())
        }
    }

    /// When something is due.
    pub(super) fn due(&self, introduced: bool, owed: bool) -> Duration {
        if !introduced {
            return self.started + limits::HELLO_WITHIN;
        }
        let stall = if owed { self.fed + limits::STALLED } else { Duration::MAX };
        (self.said + limits::PING_AFTER)
            .min(self.heard + limits::SILENT)
            .min(self.compared + limits::COMPARE)
            .min(stall)
    }
}

impl Session {
    pub(super) fn beat(&mut self) -> Beat {
        Beat { nonce: self.pulse.nonce, tip: self.ours.tip }
    }

    pub(super) fn keep_alive(&mut self) {
        if self.pulse.now >= self.pulse.said + limits::PING_AFTER {
            self.pulse.nonce = self.pulse.nonce.wrapping_add(1);
            let beat = self.beat();
            self.say(Message::Ping(beat));
        }
    }

    /// Once a minute: what no peer had is asked for again, and a difference of the roots that nothing is
    /// being done about is taken for a mistake of our knowledge.
    pub(super) fn compare(&mut self) {
        if self.pulse.now < self.pulse.compared + limits::COMPARE {
            return;
        }
        self.pulse.compared = self.pulse.now;
        self.wants.forget_gone();
        self.resume.give_up();
        self.scan.restart();
        let idle = self.outgo.is_empty() && self.intake.offers.is_empty();
        if let Some(peer) = self.peer.as_mut().filter(|peer| idle && peer.tip.root != self.ours.tip.root) {
            peer.holds.forget(&self.ours.tip.commit);
        }
    }

    /// Tells of progress, not too often.
    pub(super) fn tell(&mut self) {
        let moved = self.progress != self.scan.told;
        if moved && self.pulse.now >= self.pulse.told + limits::PROGRESS {
            self.pulse.told = self.pulse.now;
            self.scan.told = self.progress;
            self.event(Event::Progress(self.progress));
        }
    }
}
