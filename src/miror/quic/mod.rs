//! QUIC: sockets, connections, and the first stream that carries the handshake and the control messages.
//!
//! TLS 1.3 encrypts here, with certificates made for the occasion that carry no trust: who is at the other end
//! is proved by Noise in the first stream, whose prologue has the TLS exporter in it. Whoever sits between two
//! connections of his own has two exporters, and Noise fails.
//!
//! Settings (measured, see `docs/decisions`): cubic that minds queues, segmentation offload on, no 0-RTT and no
//! resumption; no stream takes more than an object and a little, because quinn closes a whole connection on which
//! one stream has collected more than 1024 gaps.

mod bulk;
mod certificate;
mod congestion;
mod control;
mod standing;
#[cfg(test)]
mod tests;

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use quinn::{
    ClientConfig, Connection, Endpoint, EndpointConfig, IdleTimeout, Incoming, ServerConfig, TokioRuntime,
    TransportConfig, VarInt,
};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::lookup_host;

pub use bulk::Bulk;
pub(super) use bulk::Piece;

use super::codec::CodecError;
use super::limits;
use super::link::{Route, Stream, Transport};
use certificate::Certificate;
use congestion::GentleConfig;
use control::Control;

/// The label of the exporter that binds the handshake.
const BINDING: &[u8] = b"EXPORTER-bosr-mirror/1";
/// The name dialled: it stands in the clear and says nothing.
const NAME: &str = "bosr";
/// How long one address may take to answer.
const CONNECT: Duration = Duration::from_secs(5);
/// Bytes of the socket's buffers: a few milliseconds of a fast link. The kernel may give less.
const SOCKET_BYTES: usize = 4 << 20;
/// Bytes one side may have on their way before it is admitted.
const UNADMITTED: u32 = 96 * 1024;
/// Bytes one side may have on their way afterwards: bandwidth times delay of what is worth filling.
const WINDOW: u32 = 64 << 20;
/// Bytes of one stream on their way: an object of the largest size, and less than 1024 gaps of it.
const STREAM_WINDOW: u32 = limits::BODY + 64 * 1024;

/// This process's end of all its QUIC connections. Cheap to clone.
#[derive(Clone)]
pub struct Quic(Arc<Inner>);

struct Inner {
    certificate: Certificate,
    /// Sockets that dial, by family.
    dialling: Mutex<[Option<Endpoint>; 2]>,
}

impl Quic {
    /// With a certificate made now.
    ///
    /// # Errors
    /// No certificate can be made.
    pub fn new() -> io::Result<Self> {
        Ok(Quic(Arc::new(Inner { certificate: Certificate::generate()?, dialling: Mutex::default() })))
    }

    /// Connects to the first of the addresses that `host:port` names and that answers.
    ///
    /// # Errors
    /// The last address's error, or that there is none.
    pub async fn connect(&self, address: &str) -> io::Result<Stream> {
        let mut last = io::Error::new(io::ErrorKind::NotFound, format!("{address} names no address"));
        for target in lookup_host(address).await? {
            match tokio::time::timeout(CONNECT, self.connect_to(target)).await {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(error)) => last = error,
                Err(_) => last = io::Error::new(io::ErrorKind::TimedOut, format!("{target} does not answer")),
            }
        }
        Err(last)
    }

    async fn connect_to(&self, target: SocketAddr) -> io::Result<Stream> {
        let endpoint = self.dialler(target.is_ipv6())?;
        let mut config = ClientConfig::new(Arc::new(self.client_crypto()?));
        config.transport_config(Arc::new(transport()?));
        let connecting = endpoint.connect_with(config, target, NAME).map_err(io::Error::other)?;
        let connection = connecting.await?;
        let (outgoing, incoming) = connection.open_bi().await?;
        stream(connection, incoming, outgoing)
    }

    /// A listener at an address.
    ///
    /// # Errors
    /// The address is taken, or not ours.
    pub fn listen(&self, address: SocketAddr) -> io::Result<Endpoint> {
        let crypto = QuicServerConfig::try_from(self.0.certificate.server()?).map_err(io::Error::other)?;
        let mut config = ServerConfig::with_crypto(Arc::new(crypto));
        config.transport_config(Arc::new(transport()?));
        config.max_incoming(limits::AT_THE_DOOR).incoming_buffer_size(u64::from(UNADMITTED));
        endpoint(address, Some(config))
    }

    fn dialler(&self, six: bool) -> io::Result<Endpoint> {
        let mut dialling = self.0.dialling.lock();
        let place = &mut dialling[usize::from(six)];
        if let Some(endpoint) = place {
            return Ok(endpoint.clone());
        }
        let any: IpAddr = if six { Ipv6Addr::UNSPECIFIED.into() } else { Ipv4Addr::UNSPECIFIED.into() };
        Ok(place.insert(endpoint(SocketAddr::new(any, 0), None)?).clone())
    }

    fn client_crypto(&self) -> io::Result<QuicClientConfig> {
        QuicClientConfig::try_from(certificate::client()?).map_err(io::Error::other)
    }
}

/// Takes a connection that comes in, as far as the first stream.
///
/// # Errors
/// Those of the connection.
pub async fn accept(incoming: Incoming) -> io::Result<Stream> {
    let connection = incoming.accept()?.await?;
    let (outgoing, incoming) = connection.accept_bi().await?;
    stream(connection, incoming, outgoing)
}

/// Body of the fuzz target: any bytes are an error or an object's messages.
///
/// # Errors
/// Bytes that are no stream of an object.
pub fn fuzz(bytes: &[u8]) -> Result<(), CodecError> {
    bulk::parse(bytes).map(drop)
}

fn stream(
    connection: Connection,
    incoming: quinn::RecvStream,
    outgoing: quinn::SendStream,
) -> io::Result<Stream> {
    let mut binding = vec![0; 32];
    let exported = connection.export_keying_material(&mut binding, BINDING, b"");
    exported.map_err(|_| io::Error::other("no binding to the connection"))?;
    // A stream that is closed by now shows when it is used.
    let _ = outgoing.set_priority(bulk::FIRST);
    Ok(Stream {
        incoming: Box::new(incoming),
        outgoing: Box::new(Control::new(outgoing)),
        route: Route::new(Transport::Quic, connection.remote_address(), connection.local_ip()),
        binding,
        bulk: Some(Bulk::new(connection)),
    })
}

fn endpoint(address: SocketAddr, config: Option<ServerConfig>) -> io::Result<Endpoint> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    if address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    // More than the system allows is cut down by it, and that is fine.
    let _ = socket.set_recv_buffer_size(SOCKET_BYTES);
    let _ = socket.set_send_buffer_size(SOCKET_BYTES);
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    Endpoint::new(EndpointConfig::default(), config, UdpSocket::from(socket), Arc::new(TokioRuntime))
}

/// What both ends begin with: nothing but the first stream, and little of that.
fn transport() -> io::Result<TransportConfig> {
    let mut config = TransportConfig::default();
    let idle = IdleTimeout::try_from(limits::SILENT).map_err(io::Error::other)?;
    config
        .max_idle_timeout(Some(idle))
        .max_concurrent_bidi_streams(VarInt::from_u32(1))
        .max_concurrent_uni_streams(VarInt::from_u32(0))
        .receive_window(VarInt::from_u32(UNADMITTED))
        .stream_receive_window(VarInt::from_u32(STREAM_WINDOW))
        .send_window(u64::from(WINDOW))
        .send_fairness(false)
        .congestion_controller_factory(Arc::new(GentleConfig::default()))
        .datagram_receive_buffer_size(None);
    Ok(config)
}
