//! One session on one link: carries its messages, has its requests answered on the blocking pool, keeps its
//! time, and tells what happens.
//!
//! The loop here never waits for the disk or for the peer: a slow disk holds back the window, a slow peer the
//! room for data, and control messages pass both.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tokio::task::{JoinHandle, JoinSet};

use super::admission::Admission;
use super::codec::{self, CodecError};
use super::handshake::{HandshakeError, Verdict};
use super::limits;
use super::link::{KeySeed, Link, Transport};
use super::message::{Data, EPOCH, Hello, Message, Tip};
use super::pace::Rates;
use super::replica::{Announcement, Answer, Replica, ReplicaError, Request, SessionKeys, answer};
use super::session::{Class, Event, Input, Output, Progress, RequestId, Session, SessionError, Summary};
use super::wire::{self, Arrived, EpochBox, Outbox, Place};
use crate::ambient::Ambient;
use crate::crypto::{DevicePublic, Epoch, ObjectId};

/// Bytes of data queued for the writer at most: a few of its turns.
const ROOM: usize = 512 * 1024;
/// Bytes queued altogether at which a peer counts as not reading: room, and thousands of control messages.
const OVERFLOW: usize = 16 << 20;
/// Frames read ahead of the session.
const READ_AHEAD: usize = 8;
/// How long the last messages may take to go out.
const LINGER: Duration = Duration::from_secs(3);

/// Why there was no session with a peer, or why it failed.
#[derive(Debug, thiserror::Error)]
pub enum PeerError {
    /// No address answered.
    #[error("cannot reach {address}: {error}")]
    Unreachable {
        /// What was dialled.
        address: String,
        /// The last error.
        error: std::io::Error,
    },
    /// No connection came about.
    #[error(transparent)]
    Handshake(#[from] HandshakeError),
    /// The session failed.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// Our own store failed.
    #[error(transparent)]
    Replica(#[from] ReplicaError),
    /// The peer ended the session, or the connection broke, before all was done.
    #[error("connection ended before all was done")]
    Unfinished,
    /// This side is closing.
    #[error("closing")]
    Closing,
}

/// What is asked of a running session from outside.
#[derive(Debug)]
pub(super) enum Command {
    /// A new head.
    Tip(Box<Announcement>),
    /// Get these objects; tell whether all came.
    Fetch(Vec<ObjectId>, oneshot::Sender<bool>),
    /// A new epoch, if the peer may have it.
    Epoch(EpochBox),
    /// End.
    Close,
}

/// How a session stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// The device at the other end.
    pub peer: DevicePublic,
    /// Its name, once it has said it.
    pub name: String,
    /// Where it is.
    pub address: String,
    /// We dialled it there.
    pub dialled: bool,
    /// The port on which it answers, once it has said so; 0 if on none.
    pub port: u16,
    /// How it is connected.
    pub transport: Transport,
    /// Its head.
    pub tip: Option<Tip>,
    /// Both have the same tree.
    pub in_sync: bool,
    /// Nothing is left to do in either direction.
    pub settled: bool,
    /// Which of our heads this is about.
    pub generation: u64,
    /// How far the transfer is.
    pub progress: Progress,
}

/// What a session runs with.
pub(super) struct Surroundings {
    pub(super) replica: Arc<dyn Replica>,
    pub(super) admission: Arc<dyn Admission>,
    pub(super) ambient: Ambient,
    pub(super) rates: Arc<Rates>,
    pub(super) events: broadcast::Sender<(DevicePublic, Event)>,
    /// Told of each head that a merge of this session makes, for the other sessions.
    pub(super) merged: Box<dyn Fn(&Announcement) + Send + Sync>,
    /// Told of each epoch the peer has given, for the other sessions.
    pub(super) learned: Arc<dyn Fn(&Epoch) + Send + Sync>,
}

/// A session and what it is connected to.
pub(super) struct Driver {
    around: Surroundings,
    session: Session,
    peer: DevicePublic,
    seed: KeySeed,
    random: [u8; 32],
    /// The peer understands [`Message::Epoch`].
    takes_epochs: bool,
    keys: Option<Arc<SessionKeys>>,
    outbox: Outbox,
    /// When data may go again, while the limit holds it back.
    held_until: Option<Duration>,
    answers: mpsc::UnboundedSender<(RequestId, Result<Answer, ReplicaError>)>,
    fetches: Vec<Fetch>,
    status: watch::Sender<Status>,
    end: Option<Result<Summary, SessionError>>,
}

struct Fetch {
    left: HashSet<ObjectId>,
    found: bool,
    done: oneshot::Sender<bool>,
}

/// The status a session begins with.
pub(super) fn first_status(link: &Link) -> Status {
    Status {
        peer: link.peer,
        name: String::new(),
        address: link.route.address.clone(),
        dialled: link.dialled,
        port: 0,
        transport: link.route.transport,
        tip: None,
        in_sync: false,
        settled: false,
        generation: 0,
        progress: Progress::default(),
    }
}

/// Runs a session to its end.
///
/// # Errors
/// As [`PeerError`] says. A connection that breaks is an orderly end: the summary says whether all was done.
pub(super) async fn run(
    around: Surroundings,
    link: Link,
    session: Session,
    hello: Hello,
    mut commands: mpsc::Receiver<Command>,
    status: watch::Sender<Status>,
) -> Result<Summary, PeerError> {
    let (mut outbox, ready) = Outbox::new();
    let (answers, mut answered) = mpsc::unbounded_channel();
    let (arrived, mut arrivals) = mpsc::channel(READ_AHEAD);
    let seed = link.key_seed();
    let Link { peer, incoming, outgoing, sealer, opener, grant, early, introduced, bulk, .. } = link;
    let verdict = Verdict::admit(grant.as_ref());
    let (given, gate) = watch::channel(None);
    let mut tasks = JoinSet::new();
    if let Some(bulk) = bulk {
        bulk.open();
        let (pieces, written) = (outbox.divert_bulk(), outbox.writer_end());
        tasks.spawn(bulk.clone().read(gate, arrived.clone()));
        // An error is the connection's: the control stream tells of it.
        tasks.spawn(async move { drop(bulk.write(pieces, written).await) });
    }
    tasks.spawn(wire::read(incoming, opener, arrived, given));
    let mut writer = tokio::spawn(wire::write(outgoing, sealer, verdict, outbox.writer_end(), ready));
    let random = hello.random;
    let mut driver = Driver {
        around,
        session,
        peer,
        seed,
        random,
        takes_epochs: false,
        keys: None,
        outbox,
        held_until: None,
        answers,
        fetches: Vec::new(),
        status,
        end: None,
    };
    if !introduced {
        driver.push(&Message::Hello(Box::new(hello)));
    }
    if let Some(hello) = early {
        driver.message(Message::Hello(Box::new(hello)));
    }
    driver.room();
    let mut failure = None;
    let mut written = false;
    while driver.end.is_none() {
        let now = driver.around.ambient.clock.monotonic();
        let pause = driver.session.wake_at().saturating_sub(now);
        let held = driver.held_until.map(|until| until.saturating_sub(now));
        tokio::select! {
            arrived = arrivals.recv() => failure = driver.arrived(arrived),
            Some((id, answer)) = answered.recv() => driver.answered(id, answer),
            command = commands.recv() => driver.command(command),
            () = driver.outbox.drained() => driver.room(),
            () = tokio::time::sleep(held.unwrap_or_default()), if held.is_some() => driver.room(),
            () = tokio::time::sleep(pause) => driver.feed(Input::Tick),
            _ = &mut writer => {
                written = true;
                driver.feed(Input::Lost);
            }
        }
        driver.tell();
    }
    driver.around.replica.claims().release(&peer);
    if !written {
        driver.close(writer).await;
    }
    drop(tasks);
    match (failure, driver.end.take()) {
        (Some(error), _) => Err(error.into()),
        (None, Some(result)) => Ok(result?),
        (None, None) => Err(PeerError::Unfinished),
    }
}

impl Driver {
    fn feed(&mut self, input: Input) {
        let now = self.around.ambient.clock.monotonic();
        for output in self.session.handle(input, now) {
            match output {
                Output::Send(message) => self.push(&message),
                Output::Data(data, class) => self.push_data(data, class),
                Output::Request(id, request) => {
                    let Some(keys) = self.keys.clone() else { continue };
                    let delay = self.around.rates.download.take(stored_bytes(&request), now);
                    let (replica, peer) = (self.around.replica.clone(), self.peer);
                    let answers = self.answers.clone();
                    let work = move || {
                        // The session may have ended meanwhile: then nobody waits for the answer.
                        let _ = answers.send((id, answer(&*replica, &peer, &keys, request)));
                    };
                    self.carry_out(delay, work);
                }
                Output::Event(event) => self.event(event),
                Output::End(result) => self.end = Some(result),
            }
        }
    }

    /// Has work done on the blocking pool, after a while. What is to be stored later is granted to the peer later:
    /// that is how fast it sends.
    fn carry_out(&self, delay: Duration, work: impl FnOnce() + Send + 'static) {
        if delay.is_zero() {
            tokio::task::spawn_blocking(work);
            return;
        }
        tokio::spawn(async move {
            tokio::time::sleep(delay).await;
            tokio::task::spawn_blocking(work);
        });
    }

    fn answered(&mut self, id: RequestId, answer: Result<Answer, ReplicaError>) {
        if let Ok(Answer::Merged(ours)) = &answer {
            (self.around.merged)(ours);
        }
        self.feed(Input::Answer(id, answer));
    }

    fn push(&mut self, message: &Message) {
        if let Some(bytes) = self.encode(message) {
            self.outbox.push(bytes);
        }
    }

    fn push_data(&mut self, data: Data, class: Class) {
        let place = Place::of(&data, class);
        if let Some(bytes) = self.encode(&Message::Data(data)) {
            let now = self.around.ambient.clock.monotonic();
            self.around.rates.upload.take(bytes.len() as u64, now);
            self.outbox.push_data(place, bytes);
        }
    }

    fn encode(&mut self, message: &Message) -> Option<Vec<u8>> {
        let encoded = codec::encode(message).ok().filter(|_| self.outbox.queued() < OVERFLOW);
        if encoded.is_none() {
            self.end = Some(Err(SessionError::Silent));
        }
        encoded
    }

    fn message(&mut self, message: Message) {
        if let Message::Hello(hello) = &message
            && self.keys.is_none()
        {
            self.keys = Some(Arc::new(self.seed.keys(&self.random, &hello.random)));
            self.takes_epochs = hello.features.iter().any(|feature| feature == EPOCH);
        }
        if let Message::Epoch(bytes) = &message {
            match Epoch::decode(bytes.as_slice()) {
                // Before HELLO nothing is believed; the session ends.
                Ok(epoch) if self.keys.is_some() => self.learn(epoch),
                Ok(_) => {}
                Err(_) => return self.feed(Input::Garbled(CodecError::Malformed)),
            }
        }
        self.feed(Input::Message(message));
    }

    fn arrived(&mut self, arrived: Option<Arrived>) -> Option<HandshakeError> {
        match arrived {
            Some(Arrived::Messages(messages)) => {
                for message in messages {
                    self.message(message);
                }
            }
            Some(Arrived::Admitted(epoch)) => {
                if let Some(epoch) = epoch {
                    self.learn(epoch.0);
                }
            }
            Some(Arrived::Garbled(error)) => self.feed(Input::Garbled(error)),
            Some(Arrived::Ended(error)) => {
                self.feed(Input::Lost);
                // A stream that ends is nobody's fault; bytes that do not decrypt, and a refusal, are.
                return (!matches!(error, HandshakeError::Io(_))).then_some(error);
            }
            None => self.feed(Input::Lost),
        }
        None
    }

    /// Keeps an epoch the peer gave, and passes it on.
    fn learn(&self, epoch: Epoch) {
        let (admission, learned) = (self.around.admission.clone(), self.around.learned.clone());
        tokio::task::spawn_blocking(move || {
            let known = admission.epochs();
            let own = admission.device().public();
            // One that is not for this device would, as the newest, shut out those whom it is not for either.
            if known.iter().any(|known| known.id() == epoch.id()) || !epoch.is_entitled(&own) {
                return;
            }
            if known.len() >= limits::EPOCHS {
                return tracing::warn!("a peer gives more epochs than anybody makes: this one is not kept");
            }
            match admission.learn(epoch.clone()) {
                Ok(()) => learned(&epoch),
                Err(error) => tracing::warn!(%error, "cannot keep an epoch a peer gave"),
            }
        });
    }

    fn command(&mut self, command: Option<Command>) {
        match command {
            Some(Command::Tip(tip)) => self.feed(Input::Tip(tip)),
            Some(Command::Fetch(ids, done)) => {
                let left = ids.iter().copied().collect();
                self.fetches.push(Fetch { left, found: true, done });
                self.feed(Input::Fetch(ids));
            }
            Some(Command::Epoch(EpochBox(epoch))) => {
                if self.takes_epochs && epoch.is_entitled(&self.peer) {
                    self.push(&Message::Epoch(epoch.encode().into()));
                }
            }
            Some(Command::Close) | None => self.feed(Input::Close),
        }
    }

    fn event(&mut self, event: Event) {
        match &event {
            Event::Fetched { id, found } => self.fetched(*id, *found),
            Event::Met { name, tip, port, .. } => {
                let (name, tip, port) = (name.clone(), Some(*tip), *port);
                self.status.send_modify(|status| {
                    status.name = name;
                    status.tip = tip;
                    status.port = port;
                });
            }
            _ => {}
        }
        // Nobody may be listening.
        let _ = self.around.events.send((self.peer, event));
    }

    fn fetched(&mut self, id: ObjectId, found: bool) {
        for fetch in &mut self.fetches {
            fetch.found &= found || !fetch.left.contains(&id);
            fetch.left.remove(&id);
        }
        let (over, open) = self.fetches.drain(..).partition(|fetch| fetch.left.is_empty());
        self.fetches = open;
        for Fetch { found, done, .. } in Vec::from_iter::<Vec<Fetch>>(over) {
            let _ = done.send(found);
        }
    }

    fn room(&mut self) {
        let now = self.around.ambient.clock.monotonic();
        let (allowed, held_until) = match self.around.rates.upload.room(now) {
            Ok(room) => (room, None),
            Err(wait) => (0, Some(now + wait)),
        };
        self.held_until = held_until;
        self.feed(Input::Room(ROOM.saturating_sub(self.outbox.queued()).min(allowed)));
    }

    fn tell(&mut self) {
        let session = &self.session;
        self.status.send_if_modified(|status| {
            let now = Status {
                tip: session.peer_tip(),
                in_sync: session.is_in_sync(),
                settled: session.is_settled(),
                generation: session.generation(),
                progress: session.progress(),
                ..status.clone()
            };
            let changed = now != *status;
            *status = now;
            changed
        });
    }

    /// Lets what was said go out, for a while.
    async fn close(&mut self, writer: JoinHandle<Result<(), HandshakeError>>) {
        let (unused, _) = Outbox::new();
        self.outbox = unused;
        let abort = writer.abort_handle();
        if tokio::time::timeout(LINGER, writer).await.is_err() {
            abort.abort();
        }
    }
}

/// What a request brings to be stored, in bytes.
fn stored_bytes(request: &Request) -> u64 {
    match request {
        Request::Store(objects) => objects.iter().map(|object| object.body.len() as u64).sum(),
        _ => 0,
    }
}
