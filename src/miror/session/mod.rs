//! The mirror protocol as a state machine.
//!
//! [`Session::handle`] takes what happened and the time, and gives back what to do. It owns no socket, task,
//! clock or randomness; a driver carries its messages, answers its requests with a
//! [`Replica`](super::replica::Replica) and calls it again by [`Session::wake_at`]. One session serves both
//! directions of one connection; the state-transition table is in `docs/specs/mirror-protocol.md`.
//!
//! Invariants:
//! - an object is acknowledged, and a state called complete, only when it is durable;
//! - a state is merged only when all of its trie and list objects are here;
//! - bytes taken in and not yet durable never exceed the window; bodies loaded and not yet sent never exceed
//!   [`limits::LOAD_AHEAD`] in each of four lanes;
//! - after [`Output::End`] nothing more comes out.
//!
//! It does not promise that a peer's objects are what their ids say: the replica verifies them.

mod conversation;
mod early;
mod error;
mod inbox;
mod intake;
mod io;
mod outgo;
mod pull;
mod pulse;
mod push;
mod queue;
mod request;
mod resume;
mod scan;
#[cfg(test)]
mod tests;
mod walk;
mod wants;

use std::collections::VecDeque;
use std::time::Duration;

pub use error::SessionError;
pub use io::{Config, Event, Input, Output, Progress, RequestId, Summary};
pub use queue::Class;

use super::limits;
use super::message::{Data, FEATURES, Hello, Message, REQUIRED, Tip};
use super::replica::Announcement;
use crate::crypto::ObjectId;
use inbox::Inbox;
use intake::Intake;
use outgo::Outgo;
use pulse::Pulse;
use queue::Queue;
use request::Requests;
use resume::Resume;
use scan::Scan;
use wants::Wants;

/// Commits remembered as held by one side or the other. Older ones only cost a needless offer.
const REMEMBERED: usize = 256;

/// One side of a mirror session.
#[derive(Debug)]
pub struct Session {
    config: Config,
    ours: Announcement,
    peer: Option<Peer>,
    /// The replica has met the peer's state: offers may go out.
    met: bool,
    /// The newest commit known to be held by both.
    base: Option<ObjectId>,
    /// Heads of ours and heads merged here.
    merged: Remembered,
    /// Keys the ids of our offers.
    secret: [u8; 32],
    requests: Requests,
    outgo: Outgo,
    queue: Queue,
    intake: Intake,
    inbox: Inbox,
    wants: Wants,
    scan: Scan,
    resume: Resume,
    pulse: Pulse,
    progress: Progress,
    in_sync: bool,
    out: Vec<Output>,
    ended: bool,
}

/// What is known of the other side.
#[derive(Debug)]
struct Peer {
    tip: Tip,
    offers: bool,
    accepts: bool,
    /// It has nothing more to ask for.
    quiet: bool,
    holds: Remembered,
}

/// A bounded set of commits, the oldest forgotten first.
#[derive(Debug, Default)]
struct Remembered(VecDeque<ObjectId>);

impl Remembered {
    fn add(&mut self, commit: ObjectId) {
        if !self.has(&commit) {
            if self.0.len() >= REMEMBERED {
                self.0.pop_front();
            }
            self.0.push_back(commit);
        }
    }

    fn has(&self, commit: &ObjectId) -> bool {
        self.0.contains(commit)
    }

    fn forget(&mut self, commit: &ObjectId) {
        self.0.retain(|one| one != commit);
    }
}

/// Random bytes a session is made with.
#[derive(Clone, Copy)]
pub struct Randomness {
    /// Sent in HELLO.
    pub hello: [u8; 32],
    /// Kept: keys the ids of offers.
    pub secret: [u8; 32],
}

impl Session {
    /// A session and its HELLO, which must be the first message the peer gets.
    pub fn new(config: Config, ours: Announcement, random: Randomness, now: Duration) -> (Session, Hello) {
        let window = config.window.max(limits::WINDOW_MIN);
        let window_most = config.window_most.max(window);
        let hello = introduction(&config, &ours, random.hello, window);
        let mut merged = Remembered::default();
        merged.add(ours.tip.commit);
        let session = Session {
            config,
            ours,
            peer: None,
            met: false,
            base: None,
            merged,
            secret: random.secret,
            requests: Requests::default(),
            outgo: Outgo::default(),
            queue: Queue::default(),
            intake: Intake::default(),
            inbox: Inbox::new(window, window_most),
            wants: Wants::default(),
            scan: Scan::default(),
            resume: Resume::default(),
            pulse: Pulse::new(now),
            progress: Progress::default(),
            in_sync: false,
            out: Vec::new(),
            ended: false,
        };
        (session, hello)
    }

    /// Takes what happened and gives what to do, in order. Time never goes back: an earlier `now` counts as
    /// the last one.
    pub fn handle(&mut self, input: Input, now: Duration) -> Vec<Output> {
        if self.ended {
            return Vec::new();
        }
        self.pulse.advance(now);
        if let Err(error) = self.take(input).and_then(|()| self.go_on()) {
            self.fail(error);
        }
        std::mem::take(&mut self.out)
    }

    /// When [`Input::Tick`] is due at the latest.
    pub fn wake_at(&self) -> Duration {
        let sync = self.inbox.sync_at().unwrap_or(Duration::MAX);
        let scan = self.scan.rests_until().unwrap_or(Duration::MAX);
        self.pulse.due(self.peer.is_some(), self.is_owed()).min(sync).min(scan)
    }

    /// How far the transfer is.
    pub fn progress(&self) -> Progress {
        self.progress
    }

    /// Both sides have the same tree, as far as this side knows.
    pub fn is_in_sync(&self) -> bool {
        self.in_sync
    }

    /// Nothing is left to do in the directions the config asks for.
    pub fn is_settled(&self) -> bool {
        self.peer.is_some() && self.is_done()
    }

    /// The generation of our own head that the session knows of.
    pub fn generation(&self) -> u64 {
        self.ours.generation
    }

    /// The peer's head, as far as it has told.
    pub fn peer_tip(&self) -> Option<Tip> {
        self.peer.as_ref().map(|peer| peer.tip)
    }

    /// An earlier session with this peer broke off: nothing is sent before the peer says that it lacks it. To be
    /// called before the first input.
    pub fn expect_nothing_lost(&mut self) {
        self.config.early = 0;
    }

    fn take(&mut self, input: Input) -> Result<(), SessionError> {
        match input {
            Input::Message(message) => {
                self.pulse.heard();
                self.on_message(message)
            }
            Input::Garbled(error) => Err(error.into()),
            Input::Answer(id, answer) => self.on_answer(id, answer?),
            Input::Room(bytes) => {
                self.queue.set_room(bytes);
                Ok(())
            }
            Input::Tip(announcement) => {
                self.adopt(*announcement);
                Ok(())
            }
            Input::Fetch(ids) => {
                self.fetch(ids);
                Ok(())
            }
            Input::Tick => self.pulse.check(self.peer.is_some(), self.is_owed()),
            Input::Close => {
                self.say(Message::Bye);
                self.end(Ok(()));
                Ok(())
            }
            Input::Lost => {
                self.end(Ok(()));
                Ok(())
            }
        }
    }

    /// Everything that may have become possible.
    fn go_on(&mut self) -> Result<(), SessionError> {
        if self.ended || self.peer.is_none() {
            return Ok(());
        }
        self.compare();
        self.go_on_pulling()?;
        self.go_on_pushing()?;
        self.compare_roots();
        self.keep_alive();
        self.tell();
        self.go_on_logging(false);
        self.finish_if_done();
        Ok(())
    }

    fn is_owed(&self) -> bool {
        self.inbox.is_owed()
    }

    fn say(&mut self, message: Message) {
        self.pulse.said();
        self.out.push(Output::Send(message));
    }

    fn send(&mut self, data: Data, class: Class) {
        self.pulse.said();
        self.out.push(Output::Data(data, class));
    }

    fn event(&mut self, event: Event) {
        self.out.push(Output::Event(event));
    }

    /// A new state of our own.
    fn adopt(&mut self, announcement: Announcement) {
        if announcement.generation > self.ours.generation {
            self.merged.add(announcement.tip.commit);
            self.ours = announcement;
        }
    }

    fn fail(&mut self, error: SessionError) {
        if let Some(fault) = error.fault() {
            self.say(Message::Error(fault));
        }
        self.end(Err(error));
    }

    fn end(&mut self, result: Result<(), SessionError>) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        for id in self.wants.take_readers() {
            self.event(Event::Fetched { id, found: false });
        }
        self.go_on_logging(true);
        let summary = Summary {
            done: self.peer.is_some() && self.is_done(),
            progress: self.progress,
            took: self.pulse.age(),
        };
        self.out.push(Output::End(result.map(|()| summary)));
    }
}

fn introduction(config: &Config, ours: &Announcement, random: [u8; 32], window: u64) -> Hello {
    let names = |list: &[&str]| list.iter().map(|name| (*name).to_owned()).collect();
    let mut recent = ours.recent.clone();
    recent.truncate(limits::RECENT);
    let context = if ours.context.len() > limits::CONTEXT { Vec::new() } else { ours.context.clone() };
    Hello {
        build: limits::name(&config.build),
        features: names(FEATURES),
        required: names(REQUIRED),
        replica: ours.replica,
        name: limits::name(&config.name),
        tip: ours.tip,
        context,
        recent,
        offers: config.push,
        accepts: config.pull,
        window,
        random,
        resume: config.resume.clone(),
        port: config.port,
    }
}
