//! The dialling end.

use std::sync::Arc;

use tokio::io::AsyncWriteExt;

use super::super::admission::{Admission, EPOCHS_TRIED, Refusal, judge};
use super::super::codec;
use super::super::link::{Link, Stream};
use super::super::message::{Hello, Message};
use super::super::noise::{Handshake, PROLOGUE};
use super::clear::{Clear, Kind, read_refusal};
use super::error::HandshakeError;
use crate::ambient::Entropy;

/// Dials: proves an epoch to the peer, the newest it knows, and both keys to each other. A peer that is not on
/// the device list does not learn ours.
///
/// # Errors
/// As [`HandshakeError`] says.
pub async fn dial(
    stream: Stream,
    admission: &dyn Admission,
    entropy: &Arc<dyn Entropy>,
) -> Result<Link, HandshakeError> {
    let device = admission.device();
    let Stream { incoming, mut outgoing, transport, binding, address, bulk } = stream;
    outgoing.write_all(PROLOGUE).await?;
    let mut clear = Clear::new(incoming, outgoing);
    for epoch in admission.epochs().into_iter().take(EPOCHS_TRIED) {
        let mut handshake = Handshake::initiator(&device, &epoch.psk(), &binding, entropy)?;
        clear.send(Kind::First, &[&handshake.write(b"")?]).await?;
        let Some(body) = second(&mut clear).await? else { continue };
        let early = read_hello(&handshake.read(&body)?)?;
        let peer = handshake.peer()?;
        let grant = judge(admission, &peer, &epoch.id())
            .map_err(|why| HandshakeError::Refused { peer: Some(peer), why })?;
        clear.send(Kind::Third, &[&handshake.write(b"")?]).await?;
        let established = handshake.finish()?;
        return Ok(Link {
            peer,
            dialled: true,
            transport,
            address,
            epoch,
            hash: established.hash,
            early,
            introduced: false,
            grant,
            incoming: clear.incoming,
            outgoing: clear.outgoing,
            sealer: established.sealer,
            opener: established.opener,
            bulk,
        });
    }
    Err(HandshakeError::RefusedByPeer(Refusal::NoEpoch))
}

/// Message 2; None if the peer does not know the epoch.
async fn second(clear: &mut Clear) -> Result<Option<Vec<u8>>, HandshakeError> {
    match clear.receive().await? {
        (Kind::Second, body) => Ok(Some(body)),
        (Kind::Refused, body) => match read_refusal(&body)? {
            Refusal::NoEpoch => Ok(None),
            why => Err(HandshakeError::RefusedByPeer(why)),
        },
        _ => Err(HandshakeError::Malformed("a frame out of turn")),
    }
}

fn read_hello(payload: &[u8]) -> Result<Option<Hello>, HandshakeError> {
    if payload.is_empty() {
        return Ok(None);
    }
    match codec::decode(payload) {
        Ok(Message::Hello(hello)) => Ok(Some(*hello)),
        _ => Err(HandshakeError::Malformed("no HELLO in the handshake")),
    }
}
