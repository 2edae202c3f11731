//! Messages and answers to where they belong; the introduction; the end.

use super::super::message::{Beat, Complete, FEATURES, Fault, Hello, Message, REQUIRED, RESUME, Stage, Tip};
use super::super::replica::{Answer, Meeting, Request};
use super::super::session_log::{Record, Role};
use super::error::SessionError;
use super::io::{Event, RequestId};
use super::request::Why;
use super::{Peer, Remembered, Session};

impl Session {
    pub(super) fn on_message(&mut self, message: Message) -> Result<(), SessionError> {
        if self.peer.is_none() {
            return match message {
                Message::Hello(hello) => self.on_hello(*hello),
                Message::Error(fault) => Err(theirs(fault)),
                _ => Err(SessionError::Protocol("spoke before HELLO")),
            };
        }
        match message {
            Message::Hello(_) => Err(SessionError::Protocol("HELLO twice")),
            Message::Offer(offer) => self.on_offer(offer),
            Message::Accept(accept) => self.on_accept(&accept),
            Message::Data(data) => self.on_data(data),
            Message::Ack(ack) => self.on_ack(&ack),
            Message::Complete(complete) => self.on_complete(complete),
            Message::Want(want) => self.on_want(want),
            // An epoch is the driver's to keep.
            Message::Have(_) | Message::Epoch(_) => Ok(()),
            Message::Resume(ids) => self.on_resume(ids),
            Message::Gone(gone) => self.on_gone(gone),
            Message::Error(fault) => Err(theirs(fault)),
            Message::Ping(beat) => self.on_ping(beat),
            Message::Pong(beat) => {
                self.learn(beat.tip);
                Ok(())
            }
            Message::Bye => {
                self.end(Ok(()));
                Ok(())
            }
        }
    }

    fn on_hello(&mut self, hello: Hello) -> Result<(), SessionError> {
        self.check_features(&hello)?;
        let mut holds = Remembered::default();
        for commit in hello.recent.iter().rev() {
            holds.add(*commit);
        }
        holds.add(hello.tip.commit);
        self.queue.grant(hello.window);
        self.peer =
            Some(Peer { tip: hello.tip, offers: hello.offers, accepts: hello.accepts, quiet: false, holds });
        let (tip, port) = (hello.tip, hello.port);
        self.event(Event::Met { name: hello.name, build: hello.build, tip, port });
        if hello.features.iter().any(|feature| feature == RESUME) {
            self.begin_resuming(&hello.resume, hello.offers);
        }
        let mut commits = vec![hello.tip.commit];
        commits.extend(hello.recent);
        self.ask(Request::Meet { context: hello.context, commits }, Why::Meet);
        Ok(())
    }

    fn check_features(&self, hello: &Hello) -> Result<(), SessionError> {
        let theirs = REQUIRED.iter().find(|name| !hello.features.iter().any(|one| one == **name));
        let ours = hello.required.iter().find(|name| !FEATURES.contains(&name.as_str()));
        match theirs.map(|name| (*name).to_owned()).or_else(|| ours.cloned()) {
            Some(feature) => Err(SessionError::Incompatible {
                ours: self.config.build.clone(),
                theirs: hello.build.clone(),
                feature,
            }),
            None => Ok(()),
        }
    }

    fn on_met(&mut self, meeting: Meeting) {
        self.adopt(meeting.ours);
        self.base = meeting.common;
        if let Some(peer) = self.peer.as_ref().filter(|_| meeting.merged) {
            self.merged.add(peer.tip.commit);
        }
        self.met = true;
        self.scan.restart();
        self.compare_roots();
    }

    fn on_ping(&mut self, beat: Beat) -> Result<(), SessionError> {
        self.learn(beat.tip);
        let answer = Beat { nonce: beat.nonce, tip: self.ours.tip };
        self.say(Message::Pong(answer));
        Ok(())
    }

    fn on_complete(&mut self, complete: Complete) -> Result<(), SessionError> {
        self.learn(complete.tip);
        let Some(number) = complete.number else {
            self.with_peer(|peer| peer.quiet = complete.stage == Stage::All);
            return Ok(());
        };
        if !self.outgo.was_opened(number) {
            return Err(SessionError::Protocol("COMPLETE of no offer"));
        }
        let Some(offer) = self.outgo.offers.get_mut(&number) else { return Ok(()) };
        let (tip, news) = (offer.tip, !offer.merged);
        offer.merged = true;
        if let Some(id) = offer.logged {
            self.resume.log(Role::Sends, id, Record::Complete(complete.stage));
        }
        if complete.stage == Stage::All {
            self.outgo.offers.remove(&number);
        }
        if news {
            self.base = Some(tip.commit);
            self.with_peer(|peer| {
                peer.quiet = false;
                peer.holds.add(tip.commit);
            });
            self.event(Event::Taken(complete.tip));
        }
        Ok(())
    }

    /// The peer's head.
    pub(super) fn learn(&mut self, tip: Tip) {
        self.with_peer(|peer| {
            peer.tip = tip;
            peer.holds.add(tip.commit);
        });
        if self.merged.has(&tip.commit) {
            self.base = Some(tip.commit);
        }
        self.compare_roots();
    }

    pub(super) fn with_peer(&mut self, change: impl FnOnce(&mut Peer)) {
        if let Some(peer) = &mut self.peer {
            change(peer);
        }
    }

    /// Notices when both trees become equal, or stop being so.
    pub(super) fn compare_roots(&mut self) {
        let Some(peer) = &self.peer else { return };
        let equal = self.met && peer.tip.root == self.ours.tip.root;
        if equal != self.in_sync {
            self.in_sync = equal;
            self.event(Event::InSync(equal));
            if equal {
                let tip = self.ours.tip;
                self.ask(Request::NoteShared(tip), Why::Note);
            }
        }
    }

    pub(super) fn on_answer(&mut self, id: RequestId, answer: Answer) -> Result<(), SessionError> {
        match (self.requests.close(id), answer) {
            (Some(Why::Meet), Answer::Met(meeting)) => self.on_met(*meeting),
            (Some(Why::Offer { tip, base }), Answer::Difference(list)) => {
                self.outgo.preparing = None;
                self.open_offer(tip, list.map(|list| (base, list)))?;
            }
            (Some(Why::Send(class, items)), Answer::Loaded(objects)) => {
                self.on_loaded(class, items, objects);
            }
            (Some(Why::Page { number, first }), Answer::Examined(found)) => {
                self.on_page_examined(number, first, &found);
            }
            (Some(Why::Walk { number, references }), Answer::Examined(found)) => {
                self.on_walk_examined(number, references, found)?;
            }
            (Some(Why::Store(storing)), Answer::Stored) => self.on_stored(storing),
            (Some(Why::Sync { mark }), Answer::Synced) => {
                self.inbox.sync_ends();
                self.on_durable(mark);
            }
            (Some(Why::Merge { number, mark }), Answer::Merged(ours)) => {
                self.on_merged(number, mark, ours);
            }
            (Some(Why::Scan), Answer::Missing(list)) => self.on_missing(list),
            (Some(Why::Claim), Answer::Claimed(claims)) => self.on_claimed(&claims)?,
            (Some(Why::Resend(ids)), Answer::Recalled(found)) => self.on_resendable(ids, found)?,
            (Some(Why::Recall { number }), Answer::Recalled(found)) => {
                self.on_recalled(number, found.into_iter().next().flatten())?;
            }
            (Some(Why::Log), Answer::Noted) => self.on_logged(),
            // An answer nobody asked for is a fault of the driver: there is nothing to do with it.
            _ => {}
        }
        Ok(())
    }

    /// All that was to be done has been done.
    pub(super) fn is_done(&self) -> bool {
        let Some(peer) = &self.peer else { return false };
        let pulled = !self.config.pull
            || ((!peer.offers || self.merged.has(&peer.tip.commit))
                && self.intake.offers.is_empty()
                && !self.resume.is_waiting()
                && self.is_quiet());
        let pushed = !self.config.push
            || !peer.accepts
            || (peer.holds.has(&self.ours.tip.commit)
                && peer.quiet
                && self.outgo.is_empty()
                && !self.resume.is_looking());
        self.met && pulled && pushed
    }

    pub(super) fn finish_if_done(&mut self) {
        if !self.config.lasting && self.is_done() {
            self.say(Message::Bye);
            self.end(Ok(()));
        }
    }
}

fn theirs(fault: Fault) -> SessionError {
    SessionError::Peer { code: fault.code, text: fault.text }
}
