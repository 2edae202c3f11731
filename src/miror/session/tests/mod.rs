//! Sessions by hand: one against messages of our making, two against each other.

mod liars;
mod pairs;
mod resume;
mod sources;
mod turns;

use std::sync::Arc;
use std::time::Duration;

use super::super::codec;
use super::super::message::{Hello, Message};
use super::super::replica::{Replica, Request, SessionKeys, answer};
use super::super::testing::MemoryReplica;
use super::{Config, Event, Input, Output, Randomness, Session, SessionError, Summary};
use crate::crypto::DevicePublic;

/// A session with a replica that answers at once.
struct Side {
    session: Session,
    replica: Arc<MemoryReplica>,
    peer: DevicePublic,
    keys: SessionKeys,
    hello: Hello,
    now: Duration,
    /// What it said, not yet taken.
    said: Vec<Message>,
    events: Vec<Event>,
    end: Option<Result<Summary, SessionError>>,
    /// Store requests are left unanswered: the slowest of disks.
    stuck: bool,
    /// Answers wait here, to be given in another order.
    held: Option<Vec<Input>>,
}

impl Side {
    fn new(replica: impl Into<Arc<MemoryReplica>>, config: Config) -> Self {
        Self::with(replica, config, 9)
    }

    /// With the peer of a number.
    fn with(replica: impl Into<Arc<MemoryReplica>>, config: Config, peer: u8) -> Self {
        let (replica, peer) = (replica.into(), DevicePublic([peer; 32]));
        let random = Randomness { hello: [1; 32], secret: [2; 32] };
        let (session, hello) = Session::new(config, replica.announce().unwrap(), random, Duration::ZERO);
        let keys = super::super::testing::any_keys();
        let (now, said, events) = (Duration::ZERO, Vec::new(), Vec::new());
        Side { session, replica, peer, keys, hello, now, said, events, end: None, stuck: false, held: None }
    }

    fn feed(&mut self, input: Input) {
        let mut inputs = vec![input];
        while let Some(input) = inputs.pop() {
            for output in self.session.handle(input, self.now) {
                match output {
                    Output::Send(message) => self.said.push(message),
                    Output::Data(data, _) => self.said.push(Message::Data(data)),
                    Output::Request(_, Request::Store(_)) if self.stuck => {}
                    Output::Request(id, request) => {
                        let answer = answer(&*self.replica, &self.peer, &self.keys, request);
                        match &mut self.held {
                            Some(held) => held.push(Input::Answer(id, answer)),
                            None => inputs.insert(0, Input::Answer(id, answer)),
                        }
                    }
                    Output::Event(event) => self.events.push(event),
                    Output::End(result) => self.end = Some(result),
                }
            }
        }
    }

    /// Gives it a message as it would come over the wire.
    fn hear(&mut self, message: &Message) {
        match codec::decode(&codec::encode(message).unwrap()) {
            Ok(message) => self.feed(Input::Message(message)),
            Err(error) => self.feed(Input::Garbled(error)),
        }
    }

    fn take(&mut self) -> Vec<Message> {
        std::mem::take(&mut self.said)
    }
}

/// Two that have exchanged HELLO and have room without end.
fn introduced(
    a: impl Into<Arc<MemoryReplica>>,
    b: impl Into<Arc<MemoryReplica>>,
    config: &Config,
) -> (Side, Side) {
    let (mut a, mut b) = (Side::new(a, config.clone()), Side::new(b, config.clone()));
    a.feed(Input::Room(usize::MAX));
    b.feed(Input::Room(usize::MAX));
    a.hear(&Message::Hello(Box::new(b.hello.clone())));
    b.hear(&Message::Hello(Box::new(a.hello.clone())));
    (a, b)
}

/// Carries up to `limit` messages between the two; gives how many there were.
fn carry(a: &mut Side, b: &mut Side, limit: usize) -> usize {
    let mut count = 0;
    loop {
        let (from_a, from_b) = (a.take(), b.take());
        if from_a.is_empty() && from_b.is_empty() {
            return count;
        }
        for (to, messages) in [(&mut *b, from_a), (&mut *a, from_b)] {
            for message in messages {
                if count == limit {
                    return count;
                }
                count += 1;
                to.hear(&message);
            }
        }
    }
}

fn filled(number: u8, keys: std::ops::Range<u32>, len: usize) -> MemoryReplica {
    let replica = MemoryReplica::new(number);
    for key in keys {
        let byte = |n: u32| (key.wrapping_mul(31).wrapping_add(n)) as u8;
        let chunk = |salt: u8| {
            (0..len as u32).map(|n| byte(n) ^ salt ^ (n >> 8) as u8).chain(key.to_le_bytes()).collect()
        };
        replica.write(key.wrapping_mul(0x9E37_79B1), &[chunk(number), chunk(number ^ 0x80)]);
    }
    replica
}
