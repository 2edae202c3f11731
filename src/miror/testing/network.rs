//! The simulated network: several replicas, a session for each connected pair, and what goes wrong.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::time::Duration;

use super::node::Node;
use super::rng::Rng;
use crate::ambient::Entropy;
use crate::crypto::{DevicePublic, Direction, Epoch, SessionWrapKey};
use crate::miror::codec;
use crate::miror::message::Message;
use crate::miror::replica::{Answer, ReplicaError, SessionKeys, answer};
use crate::miror::session::{Config, Input, Output, Randomness, RequestId, Session, SessionError};

/// Bytes a simulated link takes before it is full.
const ROOM: usize = 128 * 1024;

/// What may go wrong, each as "one in so many events"; 0 is never.
#[derive(Clone, Copy, Debug)]
pub struct Faults {
    /// A connection breaks.
    pub cut: u64,
    /// A replica loses power.
    pub crash: u64,
    /// One direction of a connection goes silent for good.
    pub stall: u64,
    /// A pair cannot connect for a while.
    pub partition: u64,
}

/// What a run came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Hash over every message and answer with its time: equal for equal runs.
    pub trace: [u8; 32],
    /// Simulated time until all agreed.
    pub took: Duration,
    /// Connections made.
    pub connections: u64,
    /// Events handled.
    pub events: u64,
}

#[derive(Debug)]
enum Event {
    Edit,
    Dial(usize, usize),
    Deliver { link: u64, side: usize, bytes: Vec<u8> },
    Work { link: u64, side: usize, id: RequestId, request: Box<crate::miror::replica::Request> },
    Answer { link: u64, side: usize, id: RequestId, answer: Box<Result<Answer, ReplicaError>> },
    Wake { link: u64, side: usize },
}

#[derive(Debug)]
struct Link {
    nodes: [usize; 2],
    sessions: [Session; 2],
    /// When the last message of each sender arrives.
    arrives: [Duration; 2],
    /// Bytes on their way of each sender.
    queued: [usize; 2],
    stalled: [bool; 2],
    wake: [Duration; 2],
}

/// How long sessions that nobody hears may go on after all agree, and those that were about to merge.
const SETTLING: Duration = Duration::from_secs(120);
/// How long there is silence then.
const SILENCE: Duration = Duration::from_secs(300);

/// A simulated network.
pub struct Network<N: Node> {
    rng: Rng,
    now: Duration,
    sequence: u64,
    queue: BinaryHeap<Reverse<(Duration, u64)>>,
    events: BTreeMap<u64, Event>,
    nodes: Vec<N>,
    links: BTreeMap<u64, Link>,
    next_link: u64,
    cut_off: BTreeMap<(usize, usize), Duration>,
    faults: Option<Faults>,
    edits_left: u64,
    oracle: N::Oracle,
    /// Of the dialler, and of who was dialled.
    keys: [SessionKeys; 2],
    trace: blake3::Hasher,
    handled: u64,
}

#[derive(Debug)]
struct Fixed;

impl Entropy for Fixed {
    fn fill(&self, buf: &mut [u8]) {
        buf.fill(7);
    }
}

/// The model replicas do not encrypt: any keys do.
#[cfg(test)]
pub(in crate::miror) fn any_keys() -> SessionKeys {
    let [keys, _] = both_keys();
    keys
}

/// The keys of a session at its two ends.
fn both_keys() -> [SessionKeys; 2] {
    let epoch = Epoch::generate(1, &[], &Fixed);
    let key = |way| SessionWrapKey::new(&epoch, b"", &[0; 32], &[0; 32], way);
    let end = |outgoing, incoming| SessionKeys { outgoing: key(outgoing), incoming: key(incoming) };
    [
        end(Direction::FromInitiator, Direction::FromResponder),
        end(Direction::FromResponder, Direction::FromInitiator),
    ]
}

impl<N: Node> Network<N> {
    /// `nodes` empty replicas, all connected with all, that make `edits` writes while `faults` happen.
    pub fn new(seed: u64, nodes: u8, edits: u64, faults: Faults) -> Self {
        let mut rng = Rng::new(seed);
        let nodes_made = (0..nodes).map(|number| N::start(number, &mut rng)).collect();
        let mut network = Network {
            rng,
            now: Duration::ZERO,
            sequence: 0,
            queue: BinaryHeap::new(),
            events: BTreeMap::new(),
            nodes: nodes_made,
            links: BTreeMap::new(),
            next_link: 0,
            cut_off: BTreeMap::new(),
            faults: Some(faults),
            edits_left: edits,
            oracle: N::Oracle::default(),
            keys: both_keys(),
            trace: blake3::Hasher::new(),
            handled: 0,
        };
        for b in 1..usize::from(nodes) {
            for a in 0..b {
                let delay = network.rng.below(2000);
                network.after(delay, Event::Dial(a, b));
            }
        }
        network.after(0, Event::Edit);
        network
    }

    /// Safety: runs for so many events, with edits and faults all the time, and looks at every node now and then.
    ///
    /// # Errors
    /// What was wrong.
    pub fn endure(mut self, events: u64) -> Result<(), String> {
        self.edits_left = u64::MAX;
        while let Some(Reverse((at, sequence))) = self.queue.pop() {
            let Some(event) = self.events.remove(&sequence) else { continue };
            self.now = at;
            self.handled += 1;
            self.happen(event)?;
            self.misfortune()?;
            if self.handled.is_multiple_of(512) || self.handled == events {
                self.nodes.iter().try_for_each(|node| node.check_bytes(&self.oracle))?;
            }
            if self.handled == events {
                return Ok(());
            }
        }
        Err(self.explain("nothing left to happen"))
    }

    /// Liveness: runs until all replicas agree and hold everything, and then say nothing but that they are alive;
    /// or says what went wrong. Faults end with the edits.
    ///
    /// # Errors
    /// What was wrong.
    pub fn run(mut self) -> Result<Report, String> {
        while let Some(Reverse((at, sequence))) = self.queue.pop() {
            let Some(event) = self.events.remove(&sequence) else { continue };
            self.now = at;
            self.handled += 1;
            if self.handled > 400_000 || self.now > Duration::from_secs(3600) {
                return Err(self.explain("no convergence"));
            }
            self.happen(event)?;
            self.misfortune()?;
            if self.edits_left == 0 && self.handled.is_multiple_of(16) && self.agree() {
                let took = self.now;
                self.be_silent()?;
                return self.finish(took);
            }
        }
        Err(self.explain("nothing left to happen"))
    }

    fn be_silent(&mut self) -> Result<(), String> {
        let silent = self.now + SETTLING;
        while let Some(Reverse((at, sequence))) = self.queue.pop() {
            let Some(event) = self.events.remove(&sequence) else { continue };
            self.now = at;
            if at > silent + SILENCE {
                return Ok(());
            }
            if let Event::Deliver { bytes, .. } = &event {
                let message = codec::decode(bytes).map_err(|error| format!("cannot decode: {error}"))?;
                if at > silent && !matches!(message, Message::Ping(_) | Message::Pong(_)) {
                    return Err(self.explain(&format!("all agree, and yet {message:?} is said")));
                }
            }
            self.happen(event)?;
        }
        Ok(())
    }

    fn finish(self, took: Duration) -> Result<Report, String> {
        for node in &self.nodes {
            node.check_whole(&self.oracle)?;
        }
        Ok(Report {
            trace: *self.trace.finalize().as_bytes(),
            took,
            connections: self.next_link,
            events: self.handled,
        })
    }

    fn explain(&self, what: &str) -> String {
        let tips: Vec<_> = self
            .nodes
            .iter()
            .map(|node| (node.replica().announce().ok().map(|a| a.tip), node.replica().missing(None, 9)))
            .collect();
        format!(
            "{what} at {:?} after {} events: {tips:?}, {} links",
            self.now,
            self.handled,
            self.links.len()
        )
    }

    fn agree(&self) -> bool {
        let root = |node: &N| node.replica().announce().ok().map(|ours| ours.tip.root);
        let mut roots = self.nodes.iter().map(root);
        let first = roots.next();
        roots.all(|root| Some(root) == first)
            && self.nodes.iter().all(|node| node.replica().missing(None, 1).is_ok_and(|list| list.is_empty()))
    }

    fn after(&mut self, millis: u64, event: Event) {
        self.at(self.now + Duration::from_millis(millis), event);
    }

    fn at(&mut self, time: Duration, event: Event) {
        self.sequence += 1;
        self.queue.push(Reverse((time, self.sequence)));
        self.events.insert(self.sequence, event);
    }

    fn happen(&mut self, event: Event) -> Result<(), String> {
        match event {
            Event::Edit => self.edit(),
            Event::Dial(a, b) => self.dial(a, b),
            Event::Deliver { link, side, bytes } => self.deliver(link, side, &bytes),
            Event::Work { link, side, id, request } => {
                let Some(nodes) = self.links.get(&link).map(|link| link.nodes) else { return Ok(()) };
                let node = &self.nodes[nodes[side]];
                let result = answer(node.replica(), &peer(nodes[1 - side]), &self.keys[side], *request);
                let delay = self.rng.below(4);
                self.after(delay, Event::Answer { link, side, id, answer: Box::new(result) });
                Ok(())
            }
            Event::Answer { link, side, id, answer } => self.feed(link, side, Input::Answer(id, *answer)),
            Event::Wake { link, side } => {
                let due = self.links.get(&link).is_some_and(|link| link.wake[side] <= self.now);
                if due { self.feed(link, side, Input::Tick) } else { Ok(()) }
            }
        }
    }

    fn edit(&mut self) -> Result<(), String> {
        if self.edits_left == 0 {
            return Ok(());
        }
        self.edits_left -= 1;
        if self.edits_left == 0 {
            self.faults = None;
            self.cut_off.clear();
        }
        let at = self.rng.below(self.nodes.len() as u64) as usize;
        self.nodes[at].edit(&mut self.rng, &mut self.oracle)?;
        self.publish(at);
        let delay = if self.rng.one_in(3) { 0 } else { self.rng.below(3000) };
        self.after(delay, Event::Edit);
        Ok(())
    }

    /// Tells all sessions of a node its head.
    fn publish(&mut self, node: usize) {
        let Ok(announcement) = self.nodes[node].replica().announce() else { return };
        let ends: Vec<_> = self
            .links
            .iter()
            .flat_map(|(id, link)| [(*id, 0, link.nodes[0]), (*id, 1, link.nodes[1])])
            .collect();
        for (link, side, at) in ends {
            if at == node {
                let _ = self.feed(link, side, Input::Tip(Box::new(announcement.clone())));
            }
        }
    }

    fn dial(&mut self, a: usize, b: usize) -> Result<(), String> {
        let delay = 500 + self.rng.below(1500);
        self.after(delay, Event::Dial(a, b));
        let open = self.links.values().any(|link| link.nodes == [a, b]);
        if open || self.cut_off.get(&(a, b)).is_some_and(|until| *until > self.now) {
            return Ok(());
        }
        let id = self.next_link;
        self.next_link += 1;
        let (first, hello_a) = self.session(a)?;
        let (second, hello_b) = self.session(b)?;
        self.links.insert(
            id,
            Link {
                nodes: [a, b],
                sessions: [first, second],
                arrives: [self.now; 2],
                queued: [0; 2],
                stalled: [false; 2],
                wake: [Duration::MAX; 2],
            },
        );
        for (side, hello) in [hello_a, hello_b].into_iter().enumerate() {
            self.carry(id, side, Message::Hello(Box::new(hello)))?;
            self.feed(id, side, Input::Room(ROOM))?;
        }
        Ok(())
    }

    fn session(&mut self, node: usize) -> Result<(Session, crate::miror::message::Hello), String> {
        let mut config = Config::follow("simulated");
        config.early = if self.rng.one_in(2) { 0 } else { config.early };
        config.window = 0;
        config.window_most = if self.rng.one_in(2) { 0 } else { config.window_most };
        config.logged_from = if self.rng.one_in(2) { 0 } else { 10_000 };
        config.resume = self.nodes[node].replica().resumable(None);
        let ours = self.nodes[node].replica().announce().map_err(|error| error.to_string())?;
        let mut random = [0; 32];
        random.copy_from_slice(&self.rng.bytes(32));
        let random = Randomness { hello: random, secret: random };
        Ok(Session::new(config, ours, random, self.now))
    }

    /// Puts a message of `side` on the way.
    fn carry(&mut self, id: u64, side: usize, message: Message) -> Result<(), String> {
        let bytes = codec::encode(&message).map_err(|error| format!("cannot encode: {error}"))?;
        let delay = Duration::from_micros(100 + self.rng.below(40_000));
        let Some(link) = self.links.get_mut(&id) else { return Ok(()) };
        link.queued[side] += bytes.len();
        let time = (self.now + delay).max(link.arrives[side]);
        link.arrives[side] = time;
        if !link.stalled[side] {
            self.at(time, Event::Deliver { link: id, side: 1 - side, bytes });
        }
        Ok(())
    }

    fn deliver(&mut self, id: u64, side: usize, bytes: &[u8]) -> Result<(), String> {
        let Some(link) = self.links.get_mut(&id) else { return Ok(()) };
        link.queued[1 - side] -= bytes.len();
        let room = ROOM.saturating_sub(link.queued[1 - side]);
        self.trace.update(&self.now.as_nanos().to_le_bytes()).update(bytes);
        let message = codec::decode(bytes).map_err(|error| format!("cannot decode: {error}"))?;
        self.feed(id, side, Input::Message(message))?;
        self.feed(id, 1 - side, Input::Room(room))
    }

    fn feed(&mut self, id: u64, side: usize, input: Input) -> Result<(), String> {
        let now = self.now;
        let Some(link) = self.links.get_mut(&id) else { return Ok(()) };
        let outputs = link.sessions[side].handle(input, now);
        let node = link.nodes[side];
        let wake = link.sessions[side].wake_at();
        if wake != link.wake[side] && wake != Duration::MAX {
            link.wake[side] = wake;
            self.at(wake.max(now), Event::Wake { link: id, side });
        }
        for output in outputs {
            match output {
                Output::Send(message) => self.carry(id, side, message)?,
                Output::Data(data, _) => self.carry(id, side, Message::Data(data))?,
                Output::Request(request_id, request) => {
                    let delay = self.rng.below(6);
                    let request = Box::new(request);
                    self.after(delay, Event::Work { link: id, side, id: request_id, request });
                }
                Output::Event(crate::miror::session::Event::Merged(_)) => self.publish(node),
                Output::Event(_) => {}
                Output::End(result) => {
                    self.part(id);
                    return acceptable(result.err());
                }
            }
        }
        Ok(())
    }

    fn misfortune(&mut self) -> Result<(), String> {
        let Some(faults) = self.faults else { return Ok(()) };
        let mut strikes = |odds| odds > 0 && self.rng.one_in(odds);
        let (cut, crash) = (strikes(faults.cut), strikes(faults.crash));
        let (stall, partition) = (strikes(faults.stall), strikes(faults.partition));
        let Some(id) = self.some_link() else { return Ok(()) };
        if stall {
            let side = self.rng.below(2) as usize;
            if let Some(link) = self.links.get_mut(&id) {
                link.stalled[side] = true;
            }
        }
        if (cut || partition)
            && let Some(link) = self.part(id)
            && partition
        {
            let until = self.now + Duration::from_millis(self.rng.below(20_000));
            self.cut_off.insert((link.nodes[0], link.nodes[1]), until);
        }
        if crash {
            let node = self.rng.below(self.nodes.len() as u64) as usize;
            let of_node = self.links.iter().filter(|(_, link)| link.nodes.contains(&node));
            for id in of_node.map(|(id, _)| *id).collect::<Vec<_>>() {
                self.part(id);
            }
            self.nodes[node].crash(&mut self.rng)?;
        }
        Ok(())
    }

    /// Ends a connection, and what its sessions claimed.
    fn part(&mut self, id: u64) -> Option<Link> {
        let link = self.links.remove(&id)?;
        let [a, b] = link.nodes;
        self.nodes[a].replica().claims().release(&peer(b));
        self.nodes[b].replica().claims().release(&peer(a));
        Some(link)
    }

    fn some_link(&mut self) -> Option<u64> {
        let skip = self.rng.below(self.links.len() as u64) as usize;
        self.links.keys().nth(skip).copied()
    }
}

/// Honest sessions end only because the network failed them.
fn acceptable(error: Option<SessionError>) -> Result<(), String> {
    match error {
        None | Some(SessionError::Silent | SessionError::Stalled | SessionError::NoHello) => Ok(()),
        Some(SessionError::Peer { code: crate::miror::message::FaultCode::Timeout, .. }) => Ok(()),
        Some(other) => Err(format!("session failed: {other:?}")),
    }
}

fn peer(node: usize) -> DevicePublic {
    DevicePublic([node as u8; 32])
}
