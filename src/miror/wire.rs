//! The two halves of an admitted link as tasks: frames to messages, messages to frames.
//!
//! A frame carries whole messages, each behind its length (2 bytes, big-endian). Messages that lie ready
//! together share a frame. Both tasks end when their channel or their stream does.
#![deny(clippy::indexing_slicing)]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{Notify, mpsc};

use super::codec::{self, CodecError};
use super::handshake::{HandshakeError, Verdict};
use super::link::{Incoming, Outgoing};
use super::message::Message;
use super::noise::{FRAME_ROOM, Opener, Sealer};
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
pub(super) async fn read(mut incoming: Incoming, mut opener: Opener, to: mpsc::Sender<Arrived>) {
    let mut first = true;
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
        if to.send(arrived).await.is_err() || over {
            return;
        }
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
#[derive(Clone, Debug)]
pub(super) struct Outbox {
    queue: mpsc::UnboundedSender<Vec<u8>>,
    queued: Arc<AtomicUsize>,
    drained: Arc<Notify>,
}

impl Outbox {
    /// A queue and its writer's end. It is bounded by what the session sends: bulk only into the room it was
    /// told of, and the driver ends a session whose control messages pile up.
    pub(super) fn new() -> (Self, mpsc::UnboundedReceiver<Vec<u8>>) {
        let (queue, ready) = mpsc::unbounded_channel();
        (Outbox { queue, queued: Arc::default(), drained: Arc::default() }, ready)
    }

    /// What the writer tells of its work by.
    pub(super) fn writer_end(&self) -> Drained {
        Drained { queued: self.queued.clone(), drained: self.drained.clone() }
    }

    /// Queues an encoded message; false if the writer is gone.
    pub(super) fn push(&self, message: Vec<u8>) -> bool {
        self.queued.fetch_add(message.len(), Ordering::Relaxed);
        self.queue.send(message).is_ok()
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

/// The writer's end of an [`Outbox`].
#[derive(Debug)]
pub(super) struct Drained {
    queued: Arc<AtomicUsize>,
    drained: Arc<Notify>,
}

/// Writes what lies ready until the queue closes; then ends the stream.
pub(super) async fn write(
    mut outgoing: Outgoing,
    mut sealer: Sealer,
    verdict: Verdict,
    outbox: Drained,
    mut ready: mpsc::UnboundedReceiver<Vec<u8>>,
) -> Result<(), HandshakeError> {
    let Drained { queued, drained } = outbox;
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
        queued.fetch_sub(taken, Ordering::Relaxed);
        drained.notify_one();
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
