//! The listening end.

use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::super::admission::{Admission, EPOCHS_TRIED, Inviter, Refusal, judge};
use super::super::codec;
use super::super::link::{Link, Route, Stream};
use super::super::message::{Hello, Message};
use super::super::noise::{Handshake, PROLOGUE};
use super::super::quic::Bulk;
use super::clear::{Clear, Kind};
use super::error::HandshakeError;
use super::joining::JoinGreeted;
use super::verdict::Verdict;
use crate::ambient::Entropy;
use crate::crypto::Epoch;

/// Who is at the door.
pub enum Greeting {
    /// One that knows an epoch of this vault.
    Peer(Box<Greeted>),
    /// One that knows the secret of a ticket.
    Joiner(Box<JoinGreeted>),
}

/// A peer that has proved an epoch, and not yet its key.
pub struct Greeted {
    clear: Clear,
    handshake: Handshake,
    epoch: Epoch,
    newest: bool,
    route: Route,
    bulk: Option<Bulk>,
}

/// Hears what a connection wants.
///
/// # Errors
/// As [`HandshakeError`] says; the peer is told what it may know.
pub async fn greet(
    stream: Stream,
    admission: &dyn Admission,
    inviter: Option<&dyn Inviter>,
    entropy: &Arc<dyn Entropy>,
) -> Result<Greeting, HandshakeError> {
    let Stream { mut incoming, outgoing, route, binding, bulk } = stream;
    let mut prologue = [0; PROLOGUE.len()];
    incoming.read_exact(&mut prologue).await?;
    if prologue != PROLOGUE {
        return Err(HandshakeError::NotMiror);
    }
    let mut clear = Clear::new(incoming, outgoing);
    for _ in 0..EPOCHS_TRIED {
        let message = match clear.receive().await? {
            (Kind::First, message) => message,
            (Kind::Join, body) => {
                let joiner = JoinGreeted::new(clear, &body, admission, inviter, &binding, entropy);
                return joiner.await.map(|joiner| Greeting::Joiner(Box::new(joiner)));
            }
            _ => return Err(HandshakeError::Malformed("a frame out of turn")),
        };
        if let Some((handshake, epoch, newest)) = recognise(&message, admission, &binding, entropy)? {
            let greeted = Greeted { clear, handshake, epoch, newest, route, bulk };
            return Ok(Greeting::Peer(Box::new(greeted)));
        }
        clear.refuse(Refusal::NoEpoch).await?;
    }
    clear.outgoing.shutdown().await?;
    Err(HandshakeError::Refused { peer: None, why: Refusal::NoEpoch })
}

/// Tries the epochs, newest first.
fn recognise(
    message: &[u8],
    admission: &dyn Admission,
    binding: &[u8],
    entropy: &Arc<dyn Entropy>,
) -> Result<Option<(Handshake, Epoch, bool)>, HandshakeError> {
    let device = admission.device();
    for (age, epoch) in admission.epochs().into_iter().take(EPOCHS_TRIED).enumerate() {
        let mut handshake = Handshake::responder(&device, &epoch.psk(), binding, entropy)?;
        if handshake.read(message).is_ok() {
            return Ok(Some((handshake, epoch, age == 0)));
        }
    }
    Ok(None)
}

impl Greeted {
    /// Goes through with the handshake and judges the peer. Our HELLO travels in message 2 if the peer proved
    /// the newest epoch; else it has to wait until the peer is admitted.
    ///
    /// # Errors
    /// As [`HandshakeError`] says; a peer turned away is told why, encrypted.
    pub async fn admit(self, hello: &Hello, admission: &dyn Admission) -> Result<Link, HandshakeError> {
        let Greeted { mut clear, mut handshake, epoch, newest, route, bulk } = self;
        let early =
            if newest { codec::encode(&Message::Hello(Box::new(hello.clone()))) } else { Ok(Vec::new()) };
        let early = early.map_err(|_| HandshakeError::Malformed("too much"))?;
        clear.send(Kind::Second, &[&handshake.write(&early)?]).await?;
        let (Kind::Third, message) = clear.receive().await? else {
            return Err(HandshakeError::Malformed("a frame out of turn"));
        };
        handshake.read(&message)?;
        let mut established = handshake.finish()?;
        let peer = established.peer;
        let grant = match judge(admission, &peer, &epoch.id()) {
            Ok(grant) => grant,
            Err(why) => {
                let mut frame = Vec::new();
                established.sealer.seal(&Verdict::Refused(why).encode(), &mut frame)?;
                clear.outgoing.write_all(&frame).await?;
                clear.outgoing.shutdown().await?;
                return Err(HandshakeError::Refused { peer: Some(peer), why });
            }
        };
        Ok(Link {
            peer,
            dialled: false,
            route,
            epoch,
            hash: established.hash,
            early: None,
            introduced: newest,
            grant,
            incoming: clear.incoming,
            outgoing: clear.outgoing,
            sealer: established.sealer,
            opener: established.opener,
            bulk,
        })
    }
}
