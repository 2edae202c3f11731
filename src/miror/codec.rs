//! Bytes to [`Message`] and back, every field bounded.
//!
//! What comes out of [`decode`] has been checked against [`super::limits`]; the session still checks what
//! depends on its state. A message is decoded whole or not at all: trailing bytes are an error.
#![deny(clippy::indexing_slicing)]

use super::limits;
use super::message::{Data, Hello, Message, Offer, Range, Slot};
use crate::crypto::ObjectKind;

/// Why bytes are not a message. Always the peer's fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// Longer than any message may be.
    #[error("message of {0} bytes is over the limit")]
    TooLong(usize),
    /// Not an encoding of any message this build knows.
    #[error("bytes are no message")]
    Malformed,
    /// Bytes after the end of the message.
    #[error("{0} bytes after the end of a message")]
    Trailing(usize),
    /// A field is outside its bounds.
    #[error("{0} is out of bounds")]
    Bounds(&'static str),
}

/// Encodes a message of our own making.
///
/// # Errors
/// [`CodecError::TooLong`] if it does not fit a frame, which the session's limits rule out.
pub fn encode(message: &Message) -> Result<Vec<u8>, CodecError> {
    let room = match message {
        Message::Data(data) => data.slice.len() + 160,
        _ => 128,
    };
    let bytes = postcard::to_extend(message, Vec::with_capacity(room)).map_err(|_| CodecError::Malformed)?;
    if bytes.len() > limits::MESSAGE { Err(CodecError::TooLong(bytes.len())) } else { Ok(bytes) }
}

/// Decodes one message that fills `bytes`.
///
/// # Errors
/// As [`CodecError`] says; memory is bounded by the limits whatever the bytes are.
pub fn decode(bytes: &[u8]) -> Result<Message, CodecError> {
    if bytes.len() > limits::MESSAGE {
        return Err(CodecError::TooLong(bytes.len()));
    }
    let (message, rest) = postcard::take_from_bytes::<Message>(bytes).map_err(|_| CodecError::Malformed)?;
    if !rest.is_empty() {
        return Err(CodecError::Trailing(rest.len()));
    }
    check(&message)?;
    Ok(message)
}

/// Body of the fuzz target: any bytes decode to an error or to a message that encodes again.
pub fn fuzz(bytes: &[u8]) -> Result<(), CodecError> {
    let message = decode(bytes)?;
    let again = encode(&message)?;
    if decode(&again)? == message { Ok(()) } else { Err(CodecError::Malformed) }
}

fn check(message: &Message) -> Result<(), CodecError> {
    match message {
        Message::Hello(hello) => check_hello(hello),
        Message::Offer(offer) => check_offer(offer),
        Message::Accept(accept) => {
            within("ranges", accept.wanted.len(), limits::PAGE)?;
            check_ranges(&accept.wanted, accept.first, limits::PAGE as u32)
        }
        Message::Data(data) => check_data(data),
        Message::Ack(ack) => {
            within("ranges", ack.durable.len(), limits::RANGES)?;
            within_u64("window", ack.window, 1 << 40)?;
            check_ranges(&ack.durable, 0, limits::OFFER_OBJECTS)
        }
        Message::Want(want) => {
            within("wanted ids", want.ids.len(), limits::IDS)?;
            want.first.checked_add(want.ids.len() as u32).map(|_| ()).ok_or(CodecError::Bounds("tag"))
        }
        Message::Have(have) => within("filter", have.filter.len(), limits::FILTER),
        Message::Gone(gone) => within("slots", gone.slots.len(), limits::IDS),
        Message::Error(fault) => within("text", fault.text.len(), limits::TEXT),
        Message::Resume(ids) => within("sessions", ids.len(), limits::OFFERS_OPEN),
        Message::Epoch(epoch) => within("epoch", epoch.as_slice().len(), limits::SLICE),
        Message::Complete(_) | Message::Ping(_) | Message::Pong(_) | Message::Bye => Ok(()),
    }
}

fn check_hello(hello: &Hello) -> Result<(), CodecError> {
    within("build", hello.build.len(), limits::NAME)?;
    within("name", hello.name.len(), limits::NAME)?;
    within("features", hello.features.len(), limits::FEATURES)?;
    within("features", hello.required.len(), limits::FEATURES)?;
    for feature in hello.features.iter().chain(&hello.required) {
        within("feature", feature.len(), limits::NAME)?;
    }
    within("context", hello.context.len(), limits::CONTEXT)?;
    within("recent commits", hello.recent.len(), limits::RECENT)?;
    within("sessions", hello.resume.len(), limits::NAMED)?;
    if !(limits::WINDOW_MIN..=1 << 40).contains(&hello.window) {
        return Err(CodecError::Bounds("window"));
    }
    let rising = hello.context.windows(2).all(|pair| match pair {
        [a, b] => a.replica < b.replica,
        _ => true,
    });
    if rising { Ok(()) } else { Err(CodecError::Bounds("order of context")) }
}

fn check_offer(offer: &Offer) -> Result<(), CodecError> {
    within("objects", offer.objects as usize, limits::OFFER_OBJECTS as usize)?;
    within("page", offer.page.len(), limits::PAGE)?;
    within_u64("bytes", offer.bytes, u64::from(offer.objects) * u64::from(limits::BODY))?;
    let end = u64::from(offer.first) + offer.page.len() as u64;
    within_u64("page", end, u64::from(offer.objects))?;
    for entry in &offer.page {
        travels(entry.kind)?;
        within("length", entry.len as usize, limits::BODY as usize)?;
        if entry.len == 0 && entry.kind != ObjectKind::Chunk {
            return Err(CodecError::Bounds("length of a structure object"));
        }
    }
    Ok(())
}

fn check_data(data: &Data) -> Result<(), CodecError> {
    within("slice", data.slice.len(), limits::SLICE)?;
    match (&data.start, data.offset) {
        (Some((header, total)), 0) => {
            travels(header.kind)?;
            header.check().map_err(|_| CodecError::Bounds("object header"))?;
            within("body", *total as usize, limits::BODY as usize)?;
            within("slice", data.slice.len(), *total as usize)
        }
        (None, 1..) if !data.slice.is_empty() => Ok(()),
        _ => Err(CodecError::Bounds("offset")),
    }
}

fn travels(kind: ObjectKind) -> Result<(), CodecError> {
    if kind == ObjectKind::Local { Err(CodecError::Bounds("kind")) } else { Ok(()) }
}

fn check_ranges(ranges: &[Range], first: u32, span: u32) -> Result<(), CodecError> {
    let mut from = u64::from(first);
    let end = from + u64::from(span);
    for range in ranges {
        let stop = u64::from(range.first) + u64::from(range.count);
        if range.count == 0 || u64::from(range.first) < from || stop > end {
            return Err(CodecError::Bounds("range"));
        }
        from = stop;
    }
    Ok(())
}

fn within(what: &'static str, len: usize, limit: usize) -> Result<(), CodecError> {
    if len > limit { Err(CodecError::Bounds(what)) } else { Ok(()) }
}

fn within_u64(what: &'static str, value: u64, limit: u64) -> Result<(), CodecError> {
    if value > limit { Err(CodecError::Bounds(what)) } else { Ok(()) }
}

/// Runs of consecutive numbers in a rising sequence.
pub fn ranges(numbers: impl IntoIterator<Item = u32>) -> Vec<Range> {
    let mut runs: Vec<Range> = Vec::new();
    for number in numbers {
        match runs.last_mut() {
            Some(last) if last.first + last.count == number => last.count += 1,
            _ => runs.push(Range { first: number, count: 1 }),
        }
    }
    runs
}

impl Slot {
    /// The tag, if a WANT asked for it.
    pub fn tag(self) -> Option<u32> {
        match self {
            Slot::Want(tag) => Some(tag),
            Slot::Offer { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests;
