//! A new device and its inviter: the ticket's secret proves the joiner, the joiner proves its key, is listed,
//! and is given the keyring.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tokio::io::AsyncWriteExt;
use zeroize::Zeroizing;

use super::super::admission::{Admission, Inviter, Refusal, Welcome};
use super::super::limits;
use super::super::link::Stream;
use super::super::noise::{Established, Handshake, PROLOGUE};
use super::super::ticket::{Ticket, TicketId, TicketRefusal};
use super::clear::{Clear, Kind, read_refusal, receive_sealed, send_sealed};
use super::error::HandshakeError;
use crate::ambient::Entropy;
use crate::crypto::{DeviceKey, DevicePublic};

/// Bytes of a welcome at most: a hundred epochs of a hundred devices, tenfold.
const WELCOME: usize = 4 << 20;
/// Bytes of a request to join at most.
const REQUEST: usize = 1024;

#[derive(Serialize, Deserialize)]
struct JoinRequest {
    name: String,
    build: String,
}

#[derive(Serialize, Deserialize)]
enum JoinAnswer {
    Welcome(Welcome),
    Refused(Refusal),
}

/// Joins by a ticket: gives the inviter's key and what it hands over.
///
/// # Errors
/// As [`HandshakeError`] says.
pub async fn join(
    stream: Stream,
    ticket: &Ticket,
    device: &DeviceKey,
    name: &str,
    entropy: &Arc<dyn Entropy>,
) -> Result<(DevicePublic, Welcome), HandshakeError> {
    let Stream { incoming, mut outgoing, binding, .. } = stream;
    outgoing.write_all(PROLOGUE).await?;
    let mut clear = Clear::new(incoming, outgoing);
    let mut handshake = Handshake::initiator(device, &ticket.secret.psk(), &binding, entropy)?;
    clear.send(Kind::Join, &[&ticket.id.0, &handshake.write(b"")?]).await?;
    let message = match clear.receive().await? {
        (Kind::Second, message) => message,
        (Kind::Refused, body) => return Err(HandshakeError::RefusedByPeer(read_refusal(&body)?)),
        _ => return Err(HandshakeError::Malformed("a frame out of turn")),
    };
    handshake.read(&message)?;
    clear.send(Kind::Third, &[&handshake.write(b"")?]).await?;
    let Established { peer, mut sealer, mut opener, .. } = handshake.finish()?;
    let name = limits::name(name);
    let request = JoinRequest { name, build: concat!("bosr ", env!("CARGO_PKG_VERSION")).to_owned() };
    let request = postcard::to_stdvec(&request).unwrap_or_default();
    send_sealed(&mut clear.outgoing, &mut sealer, &request).await?;
    let answer = receive_sealed(&mut clear.incoming, &mut opener, WELCOME).await?;
    Ok((peer, read_answer(&answer)?))
}

/// What a joiner asks for.
fn read_request(bytes: &[u8]) -> Result<JoinRequest, HandshakeError> {
    match postcard::take_from_bytes::<JoinRequest>(bytes) {
        Ok((request, [])) if request.name.len() <= limits::NAME => Ok(request),
        _ => Err(HandshakeError::Malformed("no request to join")),
    }
}

/// What it is given.
fn read_answer(bytes: &[u8]) -> Result<Welcome, HandshakeError> {
    match postcard::take_from_bytes(bytes) {
        Ok((JoinAnswer::Welcome(welcome), [])) => Ok(welcome),
        Ok((JoinAnswer::Refused(why), [])) => Err(HandshakeError::RefusedByPeer(why)),
        _ => Err(HandshakeError::Malformed("no welcome")),
    }
}

/// Hands `bytes` to all that decodes here.
#[cfg(any(test, feature = "testing"))]
pub(super) fn feed(bytes: &[u8]) {
    let _ = (read_request(bytes), read_answer(bytes));
}

/// A joiner that has proved a ticket's secret, and not yet its key.
pub struct JoinGreeted {
    clear: Clear,
    handshake: Handshake,
    ticket: TicketId,
}

impl JoinGreeted {
    pub(super) async fn new(
        mut clear: Clear,
        body: &[u8],
        admission: &dyn Admission,
        inviter: Option<&dyn Inviter>,
        binding: &[u8],
        entropy: &Arc<dyn Entropy>,
    ) -> Result<Self, HandshakeError> {
        let (id, message) = body.split_first_chunk().ok_or(HandshakeError::Malformed("no ticket"))?;
        let ticket = TicketId(*id);
        let secret = inviter.ok_or(TicketRefusal::Unknown).and_then(|inviter| inviter.secret(&ticket));
        let secret = match secret {
            Ok(secret) => secret,
            Err(why) => {
                let why = Refusal::Ticket(why);
                clear.refuse(why).await?;
                clear.outgoing.shutdown().await?;
                return Err(HandshakeError::Refused { peer: None, why });
            }
        };
        let mut handshake = Handshake::responder(&admission.device(), &secret.psk(), binding, entropy)?;
        handshake.read(message)?;
        Ok(JoinGreeted { clear, handshake, ticket })
    }

    /// Goes through with the handshake, spends the ticket, lists the device, hands the keyring over. Gives the
    /// new device's key and name.
    ///
    /// # Errors
    /// As [`HandshakeError`] says; a joiner turned away is told why, encrypted.
    pub async fn welcome(self, inviter: Arc<dyn Inviter>) -> Result<(DevicePublic, String), HandshakeError> {
        let JoinGreeted { mut clear, mut handshake, ticket } = self;
        clear.send(Kind::Second, &[&handshake.write(b"")?]).await?;
        let (Kind::Third, message) = clear.receive().await? else {
            return Err(HandshakeError::Malformed("a frame out of turn"));
        };
        handshake.read(&message)?;
        let Established { peer, mut sealer, mut opener, .. } = handshake.finish()?;
        let spent = inviter.spend(&ticket, &peer);
        let request = receive_sealed(&mut clear.incoming, &mut opener, REQUEST).await?;
        let JoinRequest { name, .. } = read_request(&request)?;
        if let Err(why) = spent {
            let why = Refusal::Ticket(why);
            let answer = postcard::to_stdvec(&JoinAnswer::Refused(why)).unwrap_or_default();
            send_sealed(&mut clear.outgoing, &mut sealer, &answer).await?;
            clear.outgoing.shutdown().await?;
            return Err(HandshakeError::Refused { peer: Some(peer), why });
        }
        let (wanted, key) = (name.clone(), peer);
        let listed = tokio::task::spawn_blocking(move || inviter.welcome(&ticket, &key, &wanted)).await;
        let welcome = listed.map_err(std::io::Error::other)??;
        let answer = postcard::to_stdvec(&JoinAnswer::Welcome(welcome)).map(Zeroizing::new);
        let answer = answer.map_err(|_| HandshakeError::Malformed("too much"))?;
        send_sealed(&mut clear.outgoing, &mut sealer, &answer).await?;
        clear.outgoing.shutdown().await?;
        Ok((peer, name))
    }
}
