//! The two halves of an admitted link as tasks: frames to messages, messages to frames.
//!
//! A frame carries whole messages, each behind its length (2 bytes, big-endian). Messages that lie ready
//! together share a frame. Both tasks end when their channel or their stream does.
#![deny(clippy::indexing_slicing)]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{Notify, mpsc, watch};

use super::codec::{self, CodecError};
use super::handshake::{HandshakeError, Verdict};
use super::limits;
use super::link::{Incoming, Outgoing};
use super::message::{Data, Message, Slot};
use super::noise::{FRAME_ROOM, Opener, Sealer};
use super::quic::Piece;
use super::session::Class;
use crate::crypto::Epoch;

/// Ciphertext gathered for one write to the stream.
const GATHER: usize = 256 * 1024;

/// What the reader brings.
#[derive(Debug)]
pub(super) enum Arrived {
    /// The peer has admitted us, and may have given us an epoch.
    Admitted(Option<Box<EpochBox>>),
    /// The messages of a frame.
    Messages(Vec<Message>),
    /// Bytes that are no message.
    Garbled(CodecError),
    /// The peer turned us away, or the stream ended.
    Ended(HandshakeError),
}

/// An epoch, kept out of debug output.
pub(super) struct EpochBox(pub(super) Epoch);

impl std::fmt::Debug for EpochBox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Epoch({})", self.0.id())
    }
}

/// Reads frames until the stream ends or breaks a rule.
///
/// `given` is told how many messages were passed on: what came another way may have to wait for them.
pub(super) async fn read(
    mut incoming: Incoming,
    mut opener: Opener,
    to: mpsc::Sender<Arrived>,
    given: watch::Sender<Option<u64>>,
) {
    let mut first = true;
    let mut count = 0;
    loop {
        let arrived = match frame(&mut incoming, &mut opener).await {
            Err(error) => Arrived::Ended(error),
            Ok(plain) if first => match Verdict::read(&plain) {
                Ok(epoch) => Arrived::Admitted(epoch.map(|epoch| Box::new(EpochBox(epoch)))),
                Err(error) => Arrived::Ended(error),
            },
            Ok(plain) => messages(&plain).map_or_else(Arrived::Garbled, Arrived::Messages),
        };
        first = false;
        let over = matches!(arrived, Arrived::Ended(_) | Arrived::Garbled(_));
        if let Arrived::Messages(messages) = &arrived {
            count += messages.len() as u64;
        }
        if to.send(arrived).await.is_err() || over {
            return;
        }
        given.send_replace(Some(count));
    }
}

async fn frame(incoming: &mut Incoming, opener: &mut Opener) -> Result<Vec<u8>, HandshakeError> {
    let mut frame = vec![0; usize::from(incoming.read_u16().await?)];
    incoming.read_exact(&mut frame).await?;
    Ok(opener.open(&frame)?)
}

/// The messages of a frame.
pub(super) fn messages(mut plain: &[u8]) -> Result<Vec<Message>, CodecError> {
    let mut list = Vec::new();
    while let Some((prefix, rest)) = plain.split_first_chunk() {
        let len = usize::from(u16::from_be_bytes(*prefix));
        let (body, rest) = rest.split_at_checked(len).ok_or(CodecError::Malformed)?;
        list.push(codec::decode(body)?);
        plain = rest;
    }
    if plain.is_empty() { Ok(list) } else { Err(CodecError::Trailing(plain.len())) }
}

/// The way to the writer task.
pub(super) struct Outbox {
    queue: mpsc::UnboundedSender<Vec<u8>>,
    /// The way to the writer of large objects, where they have streams of their own.
    bulk: Option<mpsc::UnboundedSender<Piece>>,
    /// Messages queued so far, without those for `bulk`.
    pushed: u64,
    queued: Arc<AtomicUsize>,
    drained: Arc<Notify>,
}

impl Outbox {
    /// A queue and its writer's end. It is bounded by what the session sends: bulk only into the room it was
    /// told of, and the driver ends a session whose control messages pile up.
    pub(super) fn new() -> (Self, mpsc::UnboundedReceiver<Vec<u8>>) {
        let (queue, ready) = mpsc::unbounded_channel();
        (Outbox { queue, bulk: None, pushed: 0, queued: Arc::default(), drained: Arc::default() }, ready)
    }

    /// Gives large objects a queue of their own.
    pub(super) fn divert_bulk(&mut self) -> mpsc::UnboundedReceiver<Piece> {
        let (bulk, ready) = mpsc::unbounded_channel();
        self.bulk = Some(bulk);
        ready
    }

    /// What the writer tells of its work by.
    pub(super) fn writer_end(&self) -> Drained {
        Drained { queued: self.queued.clone(), drained: self.drained.clone() }
    }

    /// Queues an encoded message.
    pub(super) fn push(&mut self, message: Vec<u8>) {
        self.queued.fetch_add(message.len(), Ordering::Relaxed);
        self.pushed += 1;
        // Where the writer is gone, the driver is about to notice.
        let _ = self.queue.send(message);
    }

    /// Queues an encoded DATA.
    pub(super) fn push_data(&mut self, place: Place, message: Vec<u8>) {
        match &self.bulk {
            Some(bulk) if !place.is_whole_and_small() => {
                self.queued.fetch_add(message.len(), Ordering::Relaxed);
                let _ = bulk.send(Piece { after: self.pushed, place, message });
            }
            _ => self.push(message),
        }
    }

    /// Bytes not yet handed to the stream.
    pub(super) fn queued(&self) -> usize {
        self.queued.load(Ordering::Relaxed)
    }

    /// Waits until some were.
    pub(super) async fn drained(&self) {
        self.drained.notified().await;
    }
}

/// Where a slice belongs.
pub(super) struct Place {
    /// Of which object.
    pub(super) slot: Slot,
    /// What goes before what.
    pub(super) class: Class,
    /// With the first slice: bytes of the body.
    pub(super) total: Option<u32>,
    /// Bytes of the body in it.
    pub(super) len: usize,
}

impl Place {
    /// Of a slice.
    pub(super) fn of(data: &Data, class: Class) -> Self {
        let total = data.start.as_ref().map(|(_, total)| *total);
        Place { slot: data.slot, class, total, len: data.slice.len() }
    }

    /// It is a whole object that is not worth a stream.
    fn is_whole_and_small(&self) -> bool {
        self.len <= limits::SMALL && self.total.is_some_and(|total| total as usize == self.len)
    }
}

/// The writer's end of an [`Outbox`].
#[derive(Debug)]
pub(super) struct Drained {
    queued: Arc<AtomicUsize>,
    drained: Arc<Notify>,
}

impl Drained {
    /// So many bytes were handed to the stream.
    pub(super) fn wrote(&self, bytes: usize) {
        self.queued.fetch_sub(bytes, Ordering::Relaxed);
        self.drained.notify_one();
    }
}

/// Writes what lies ready until the queue closes; then ends the stream.
pub(super) async fn write(
    mut outgoing: Outgoing,
    mut sealer: Sealer,
    verdict: Verdict,
    outbox: Drained,
    mut ready: mpsc::UnboundedReceiver<Vec<u8>>,
) -> Result<(), HandshakeError> {
    let mut wire = Vec::with_capacity(GATHER + FRAME_ROOM);
    sealer.seal(&verdict.encode(), &mut wire)?;
    let mut plain = Vec::with_capacity(FRAME_ROOM);
    // The verdict waits for the first message behind it: our HELLO, or the offer, is there in an instant.
    while let Some(message) = ready.recv().await {
        let mut taken = 0;
        let mut next = Some(message);
        while let Some(message) = next.take() {
            taken += message.len();
            append(&mut plain, &mut wire, &mut sealer, &message)?;
            if wire.len() < GATHER {
                next = ready.try_recv().ok();
            }
        }
        sealer.seal(&plain, &mut wire)?;
        plain.clear();
        outgoing.write_all(&wire).await?;
        outgoing.flush().await?;
        wire.clear();
        outbox.wrote(taken);
    }
    if !wire.is_empty() {
        outgoing.write_all(&wire).await?;
    }
    Ok(outgoing.shutdown().await?)
}

fn append(
    plain: &mut Vec<u8>,
    wire: &mut Vec<u8>,
    sealer: &mut Sealer,
    message: &[u8],
) -> Result<(), HandshakeError> {
    if plain.len() + 2 + message.len() > FRAME_ROOM {
        sealer.seal(plain, wire)?;
        plain.clear();
    }
    let prefix = u16::try_from(message.len()).map_err(|_| HandshakeError::Malformed("too much"))?;
    plain.extend_from_slice(&prefix.to_be_bytes());
    plain.extend_from_slice(message);
    Ok(())
}
