//! TCP: sockets set up for syncing, dialled and accepted.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpStream, lookup_host};

use super::link::{Route, Stream, Transport};

/// Bytes the kernel may hold of us that are not yet on the wire: enough to keep a fast link busy between two
/// turns of the writer, little enough that an urgent object is not stuck behind a second of bulk.
const UNSENT: u32 = 256 * 1024;
/// A connection whose peer's machine is gone is noticed by the kernel after this long without traffic.
const KEEPALIVE: Duration = Duration::from_secs(30);
/// How long one address may take to answer.
const CONNECT: Duration = Duration::from_secs(5);

/// Connects to the first of the addresses that `host:port` names and that answers.
///
/// # Errors
/// The last address's error, or that there is none.
pub async fn connect(address: &str) -> io::Result<Stream> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, format!("{address} names no address"));
    for target in lookup_host(address).await? {
        match tokio::time::timeout(CONNECT, TcpStream::connect(target)).await {
            Ok(Ok(socket)) => return prepare(socket, target),
            Ok(Err(error)) => last = error,
            Err(_) => last = io::Error::new(io::ErrorKind::TimedOut, format!("{target} does not answer")),
        }
    }
    Err(last)
}

/// Sets a connected socket up and splits it.
///
/// # Errors
/// Those of the socket's options that matter.
pub fn prepare(socket: TcpStream, address: SocketAddr) -> io::Result<Stream> {
    socket.set_nodelay(true)?;
    tune(&SockRef::from(&socket))?;
    let local = socket.local_addr().ok().map(|local| local.ip());
    let route = Route::new(Transport::Tcp, address, local);
    let (incoming, outgoing) = socket.into_split();
    Ok(Stream {
        incoming: Box::new(tokio::io::BufReader::with_capacity(128 * 1024, incoming)),
        outgoing: Box::new(outgoing),
        route,
        binding: Vec::new(),
        bulk: None,
    })
}

fn tune(socket: &SockRef<'_>) -> io::Result<()> {
    socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE))?;
    #[cfg(target_os = "linux")]
    {
        // BBR keeps a lossy link full where cubic gets 2 % of it; a kernel without it keeps its default.
        if let Err(error) = socket.set_tcp_congestion(b"bbr") {
            tracing::debug!(%error, "no BBR here");
        }
        socket.set_tcp_notsent_lowat(UNSENT)?;
        socket.set_tcp_user_timeout(Some(super::limits::SILENT))?;
    }
    Ok(())
}
