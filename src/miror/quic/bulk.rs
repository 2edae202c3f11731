//! Large objects, each on a one-way stream of its own, so that a lost packet holds up one object and no
//! message.
//!
//! A stream is: how many messages of the first stream came before it (8 bytes, big-endian), then DATA messages
//! of one object, each behind its length (2 bytes, big-endian). It is given to the session whole, and not before
//! the messages that came before it: so what the session sees is in an order in which the peer may have sent it.
#![deny(clippy::indexing_slicing)]

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use quinn::{Connection, RecvStream, SendStream, VarInt};
use tokio::sync::{mpsc, watch};

use super::super::codec::CodecError;
use super::super::limits;
use super::super::message::{Message, Slot};
use super::super::session::Class;
use super::super::wire::{Arrived, Drained, Place, messages};
use super::WINDOW;

/// Streams of one side at once.
const STREAMS: u32 = 64;
/// Bytes of a stream at most: an object in slices of the usual size, with what surrounds each.
const STREAM: usize = limits::BODY as usize + 8 + 64 * 256;
/// Bytes received and not yet given to the session at most: a peer that has more on its way broke its window.
const UNDELIVERED: usize = 96 << 20;

/// The streams of a connection beside the first.
#[derive(Clone)]
pub struct Bulk(Connection);

/// A slice on its way out.
pub(in super::super) struct Piece {
    /// Messages of the first stream before it.
    pub(in super::super) after: u64,
    /// Of which object, and where in it.
    pub(in super::super) place: Place,
    /// The encoded message.
    pub(in super::super) message: Vec<u8>,
}

/// Of the first stream: what is small, and what is said about the rest, goes before all objects.
pub(super) const FIRST: i32 = 4;

/// Of an object's stream. What was handed to a connection may be seconds of bulk: that is passed by what matters more.
fn priority(class: Class) -> i32 {
    match class {
        Class::Read => 3,
        Class::Structure => 2,
        Class::Small => 1,
        Class::Large => 0,
    }
}

/// How many messages of the first stream were given to the session; none before the peer was heard to admit us.
pub(in super::super) type Gate = watch::Receiver<Option<u64>>;

impl Bulk {
    pub(super) fn new(connection: Connection) -> Self {
        Bulk(connection)
    }

    /// The peer is admitted: it may send objects.
    pub(in super::super) fn open(&self) {
        self.0.set_max_concurrent_uni_streams(VarInt::from_u32(STREAMS));
        self.0.set_receive_window(VarInt::from_u32(WINDOW));
    }

    /// Sends a stream of any bytes.
    #[cfg(test)]
    pub(in super::super) async fn send_raw(&self, bytes: &[u8]) -> io::Result<()> {
        let mut stream = self.0.open_uni().await?;
        stream.write_all(bytes).await?;
        stream.finish().map_err(io::Error::other)
    }

    /// Sends slices until the queue closes.
    pub(in super::super) async fn write(
        self,
        mut ready: mpsc::UnboundedReceiver<Piece>,
        drained: Drained,
    ) -> io::Result<()> {
        let mut open: HashMap<Slot, (SendStream, usize)> = HashMap::new();
        while let Some(piece) = ready.recv().await {
            let Place { slot, len, total, .. } = piece.place;
            let (mut stream, left) = match total {
                Some(total) => (self.begin(&piece).await?, total as usize),
                None => open.remove(&slot).ok_or(io::ErrorKind::InvalidInput)?,
            };
            let prefix = u16::try_from(piece.message.len()).map_err(io::Error::other)?;
            stream.write_all(&prefix.to_be_bytes()).await?;
            stream.write_all(&piece.message).await?;
            match left.saturating_sub(len) {
                0 => stream.finish().map_err(io::Error::other)?,
                left => drop(open.insert(slot, (stream, left))),
            }
            drained.wrote(piece.message.len());
        }
        Ok(())
    }

    async fn begin(&self, piece: &Piece) -> io::Result<SendStream> {
        let mut stream = self.0.open_uni().await?;
        stream.set_priority(priority(piece.place.class)).map_err(io::Error::other)?;
        stream.write_all(&piece.after.to_be_bytes()).await?;
        Ok(stream)
    }

    /// Receives objects until the connection ends or the peer breaks a rule.
    pub(in super::super) async fn read(self, gate: Gate, to: mpsc::Sender<Arrived>) {
        let undelivered = Arc::new(AtomicUsize::new(0));
        let mut streams = FuturesUnordered::new();
        loop {
            tokio::select! {
                accepted = self.0.accept_uni() => match accepted {
                    Ok(stream) => streams.push(object(stream, gate.clone(), undelivered.clone())),
                    // The first stream tells how it ended.
                    Err(_) => return,
                },
                Some(object) = streams.next(), if !streams.is_empty() => {
                    let Some(arrived) = object else { return };
                    let over = matches!(arrived, Arrived::Garbled(_));
                    if to.send(arrived).await.is_err() || over {
                        return;
                    }
                }
            }
        }
    }
}

/// A whole object, in its turn; none if the connection ended before.
async fn object(mut stream: RecvStream, mut gate: Gate, undelivered: Arc<AtomicUsize>) -> Option<Arrived> {
    let bytes = match stream.read_to_end(STREAM).await {
        Ok(bytes) => bytes,
        Err(quinn::ReadToEndError::TooLong) => {
            return Some(Arrived::Garbled(CodecError::TooLong(STREAM + 1)));
        }
        Err(quinn::ReadToEndError::Read(_)) => return None,
    };
    if undelivered.fetch_add(bytes.len(), Ordering::Relaxed) > UNDELIVERED {
        return Some(Arrived::Garbled(CodecError::Bounds("data on its way")));
    }
    let arrived = match parse(&bytes) {
        Ok((after, list)) => {
            gate.wait_for(|given| given.is_some_and(|given| given >= after)).await.ok()?;
            Arrived::Messages(list)
        }
        Err(error) => Arrived::Garbled(error),
    };
    undelivered.fetch_sub(bytes.len(), Ordering::Relaxed);
    Some(arrived)
}

/// What a stream holds: DATA of one object, all of it.
pub(super) fn parse(bytes: &[u8]) -> Result<(u64, Vec<Message>), CodecError> {
    let (after, rest) = bytes.split_first_chunk().ok_or(CodecError::Malformed)?;
    let list = messages(rest)?;
    let mut slots = list.iter().map(|message| match message {
        Message::Data(data) => Some(data.slot),
        _ => None,
    });
    let first = slots.next().flatten();
    match first.is_some() && slots.all(|slot| slot == first) {
        true => Ok((u64::from_be_bytes(*after), list)),
        false => Err(CodecError::Bounds("stream of an object")),
    }
}
