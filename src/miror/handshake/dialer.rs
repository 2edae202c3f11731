//! The dialling end.

use std::sync::Arc;

use tokio::io::AsyncWriteExt;

use super::super::admission::{Admission, EPOCHS_TRIED, Refusal, judge};
use super::super::codec;
use super::super::link::{Link, Route, Stream};
use super::super::message::{Hello, Message};
use super::super::noise::{Handshake, PROLOGUE};
use super::super::quic::Bulk;
use super::clear::{Clear, Kind, read_refusal};
use super::error::HandshakeError;
use crate::ambient::Entropy;
use crate::crypto::{DevicePublic, Epoch};

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
    Proved::by(stream, admission, entropy).await?.finish().await
}

/// Asks who answers: the listener proves an epoch and its key, and the connection ends before it learns who
/// asked. Whom the device list would not let in is an error, as in [`dial`].
///
/// # Errors
/// As [`HandshakeError`] says.
pub async fn identify(
    stream: Stream,
    admission: &dyn Admission,
    entropy: &Arc<dyn Entropy>,
) -> Result<DevicePublic, HandshakeError> {
    Ok(Proved::by(stream, admission, entropy).await?.peer)
}

/// A listener that has proved its key and is welcome, and does not know ours yet.
struct Proved {
    clear: Clear,
    handshake: Handshake,
    route: Route,
    bulk: Option<Bulk>,
    epoch: Epoch,
    peer: DevicePublic,
    early: Option<Hello>,
    grant: Option<Epoch>,
}

impl Proved {
    async fn by(
        stream: Stream,
        admission: &dyn Admission,
        entropy: &Arc<dyn Entropy>,
    ) -> Result<Self, HandshakeError> {
        let device = admission.device();
        let Stream { incoming, mut outgoing, route, binding, bulk } = stream;
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
            return Ok(Proved { clear, handshake, route, bulk, epoch, peer, early, grant });
        }
        Err(HandshakeError::RefusedByPeer(Refusal::NoEpoch))
    }

    /// Proves our key too.
    async fn finish(mut self) -> Result<Link, HandshakeError> {
        self.clear.send(Kind::Third, &[&self.handshake.write(b"")?]).await?;
        let established = self.handshake.finish()?;
        Ok(Link {
            peer: self.peer,
            dialled: true,
            route: self.route,
            epoch: self.epoch,
            hash: established.hash,
            early: self.early,
            introduced: false,
            grant: self.grant,
            incoming: self.clear.incoming,
            outgoing: self.clear.outgoing,
            sealer: established.sealer,
            opener: established.opener,
            bulk: self.bulk,
        })
    }
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
