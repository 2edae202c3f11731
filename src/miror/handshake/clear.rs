//! Frames before encryption, and blobs just behind it.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::super::admission::Refusal;
use super::super::link::{Incoming, Outgoing};
use super::super::noise::{FRAME_ROOM, Opener, Sealer};
use super::error::HandshakeError;

/// Bytes taken from a peer before it is admitted.
pub const UNADMITTED_BYTES: usize = 64 * 1024;

/// The types of frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Kind {
    /// Noise message 1.
    First = 1,
    /// Noise message 2.
    Second = 2,
    /// Noise message 3.
    Third = 3,
    /// A refusal, postcard.
    Refused = 4,
    /// A ticket's id, then Noise message 1.
    Join = 5,
}

impl Kind {
    fn from_byte(byte: u8) -> Result<Self, HandshakeError> {
        [Kind::First, Kind::Second, Kind::Third, Kind::Refused, Kind::Join]
            .into_iter()
            .find(|kind| *kind as u8 == byte)
            .ok_or(HandshakeError::Malformed("a frame of no known type"))
    }
}

/// A stream before encryption.
pub(super) struct Clear {
    pub(super) incoming: Incoming,
    pub(super) outgoing: Outgoing,
    left: usize,
}

impl Clear {
    pub(super) fn new(incoming: Incoming, outgoing: Outgoing) -> Self {
        Clear { incoming, outgoing, left: UNADMITTED_BYTES }
    }

    pub(super) async fn send(&mut self, kind: Kind, parts: &[&[u8]]) -> Result<(), HandshakeError> {
        let len = 1 + parts.iter().map(|part| part.len()).sum::<usize>();
        let prefix = u16::try_from(len).map_err(|_| HandshakeError::Malformed("too much"))?;
        let mut frame = prefix.to_be_bytes().to_vec();
        frame.push(kind as u8);
        parts.iter().for_each(|part| frame.extend_from_slice(part));
        self.outgoing.write_all(&frame).await?;
        Ok(self.outgoing.flush().await?)
    }

    pub(super) async fn refuse(&mut self, why: Refusal) -> Result<(), HandshakeError> {
        self.send(Kind::Refused, &[&postcard::to_stdvec(&why).unwrap_or_default()]).await
    }

    pub(super) async fn receive(&mut self) -> Result<(Kind, Vec<u8>), HandshakeError> {
        let len = usize::from(self.incoming.read_u16().await?);
        let left = self.left.checked_sub(len + 2).filter(|_| len > 0);
        self.left = left.ok_or(HandshakeError::Malformed("a frame of a length that cannot be"))?;
        let kind = Kind::from_byte(self.incoming.read_u8().await?)?;
        let mut body = vec![0; len - 1];
        self.incoming.read_exact(&mut body).await?;
        Ok((kind, body))
    }
}

/// What a body of a REFUSED frame says.
pub(super) fn read_refusal(body: &[u8]) -> Result<Refusal, HandshakeError> {
    match postcard::take_from_bytes(body) {
        Ok((refusal, [])) => Ok(refusal),
        _ => Err(HandshakeError::Malformed("a refusal that cannot be read")),
    }
}

/// Sends bytes encrypted, in as many frames as it takes; the first begins with the length.
pub(super) async fn send_sealed(
    outgoing: &mut Outgoing,
    sealer: &mut Sealer,
    bytes: &[u8],
) -> Result<(), HandshakeError> {
    let len = u32::try_from(bytes.len()).map_err(|_| HandshakeError::Malformed("too much"))?;
    let mut wire = Vec::new();
    sealer.seal(&len.to_be_bytes(), &mut wire)?;
    for piece in bytes.chunks(FRAME_ROOM) {
        sealer.seal(piece, &mut wire)?;
    }
    outgoing.write_all(&wire).await?;
    Ok(outgoing.flush().await?)
}

/// The reverse of [`send_sealed`], at most `limit` bytes.
pub(super) async fn receive_sealed(
    incoming: &mut Incoming,
    opener: &mut Opener,
    limit: usize,
) -> Result<zeroize::Zeroizing<Vec<u8>>, HandshakeError> {
    let first = receive_frame(incoming, opener).await?;
    let prefix = <[u8; 4]>::try_from(first).map_err(|_| HandshakeError::Malformed("no length"))?;
    let len = u32::from_be_bytes(prefix) as usize;
    if len > limit {
        return Err(HandshakeError::Malformed("more than it may"));
    }
    let mut bytes = zeroize::Zeroizing::new(Vec::with_capacity(len));
    while bytes.len() < len {
        let piece = zeroize::Zeroizing::new(receive_frame(incoming, opener).await?);
        if piece.is_empty() || bytes.len() + piece.len() > len {
            return Err(HandshakeError::Malformed("pieces of a wrong length"));
        }
        bytes.extend_from_slice(&piece);
    }
    Ok(bytes)
}

async fn receive_frame(incoming: &mut Incoming, opener: &mut Opener) -> Result<Vec<u8>, HandshakeError> {
    let mut frame = vec![0; usize::from(incoming.read_u16().await?)];
    incoming.read_exact(&mut frame).await?;
    Ok(opener.open(&frame)?)
}
