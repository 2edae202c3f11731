//! What goes into a session and comes out of it.

use std::time::Duration;

use super::super::codec::CodecError;
use super::super::limits;
use super::super::message::{Data, Message, Tip};
use super::super::replica::{Announcement, Answer, ReplicaError, Request};
use super::error::SessionError;
use super::queue::Class;
use crate::crypto::ObjectId;

/// What a session is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Program and version, for the peer's error messages.
    pub build: String,
    /// This device's name.
    pub name: String,
    /// Send what the peer lacks.
    pub push: bool,
    /// Take what we lack.
    pub pull: bool,
    /// Stay when all is done, and go on with each new head.
    pub lasting: bool,
    /// Bytes taken in and not yet durable at most; at least [`limits::WINDOW_MIN`].
    pub window: u64,
    /// What the window may grow to.
    pub window_most: u64,
    /// Bytes sent before the peer has said what it wants. 0 where an earlier session broke off, so that
    /// nothing is sent that arrived then.
    pub early: u64,
    /// Bytes of an offer from which its transfer is logged.
    pub logged_from: u64,
    /// Transfers to this side that broke off and could go on, at most [`limits::NAMED`]. Those of other peers mean
    /// nothing to this one.
    pub resume: Vec<[u8; 32]>,
    /// The port on which this side answers; 0 if on none.
    pub port: u16,
}

impl Config {
    /// Both directions, lasting, default limits.
    pub fn follow(name: &str) -> Self {
        Config {
            build: concat!("bosr ", env!("CARGO_PKG_VERSION")).to_owned(),
            name: limits::name(name),
            push: true,
            pull: true,
            lasting: true,
            window: limits::WINDOW,
            window_most: limits::WINDOW_MOST,
            early: limits::EARLY,
            logged_from: limits::LOGGED_FROM,
            resume: Vec::new(),
            port: 0,
        }
    }

    /// Both directions, ending when both are done.
    pub fn once(name: &str) -> Self {
        Config { lasting: false, ..Self::follow(name) }
    }
}

/// The number of a request, unique in its session.
pub type RequestId = u64;

/// What happens to a session.
#[derive(Clone, Debug)]
pub enum Input {
    /// A message came.
    Message(Message),
    /// Bytes came that are no message.
    Garbled(CodecError),
    /// A request was answered.
    Answer(RequestId, Result<Answer, ReplicaError>),
    /// The link takes so many bytes of DATA now. Each such input replaces the last.
    Room(usize),
    /// This replica has a new durable head.
    Tip(Box<Announcement>),
    /// Reads in a mount wait for these objects.
    Fetch(Vec<ObjectId>),
    /// Time has passed.
    Tick,
    /// The user wants the session to end.
    Close,
    /// The connection is gone.
    Lost,
}

/// What a session wants done, in order.
#[derive(Clone, Debug)]
pub enum Output {
    /// Send this message, which is no DATA.
    Send(Message),
    /// Send a slice of an object; where objects do not follow each other on one stream, this class of them goes
    /// before those below it.
    Data(Data, Class),
    /// Ask the replica, and give the answer back with the number.
    Request(RequestId, Request),
    /// Tell whoever is interested.
    Event(Event),
    /// The session is over: send what was said, then close. Nothing follows.
    End(Result<Summary, SessionError>),
}

/// What there is to tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The peer introduced itself.
    Met {
        /// Its device name.
        name: String,
        /// Its program.
        build: String,
        /// Its head.
        tip: Tip,
        /// The port on which it answers; 0 if on none.
        port: u16,
    },
    /// The peer's head was merged; this is ours now.
    Merged(Tip),
    /// The peer merged our head; this is its own now.
    Taken(Tip),
    /// Both have the same tree, or no longer.
    InSync(bool),
    /// An object that a read waited for is here, or the peer has not got it.
    Fetched {
        /// The object.
        id: ObjectId,
        /// Whether it is here.
        found: bool,
    },
    /// How far the transfer is.
    Progress(Progress),
}

/// Sums over a session. Bytes are of bodies, as they lie in the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Objects sent whole.
    pub sent_objects: u64,
    /// Bytes sent.
    pub sent_bytes: u64,
    /// Objects the peer has asked for so far.
    pub to_send_objects: u64,
    /// Bytes of these, as far as known.
    pub to_send_bytes: u64,
    /// Objects received and stored.
    pub received_objects: u64,
    /// Bytes received.
    pub received_bytes: u64,
    /// Objects asked for so far.
    pub to_receive_objects: u64,
    /// Bytes of these, as far as known.
    pub to_receive_bytes: u64,
}

/// How a session ended in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Summary {
    /// What the config asked for was done when it ended.
    pub done: bool,
    /// Sums.
    pub progress: Progress,
    /// Time from the start to the end.
    pub took: Duration,
}
