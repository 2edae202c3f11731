//! Reaching a peer: TCP, and, a quarter of a second behind it, QUIC; whichever connects first.

use std::io;
use std::time::Duration;

use super::link::{Stream, Transport};
use super::quic::Quic;
use super::tcp;

/// How far QUIC lies behind TCP: where TCP works it wins on all but the longest paths, and it costs less.
const STAGGER: Duration = Duration::from_millis(250);

/// Which transports are used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Transports {
    /// Both.
    #[default]
    Both,
    /// One: the other is neither dialled nor listened to.
    Only(Transport),
}

impl Transports {
    /// Whether `transport` is one of them.
    pub fn has(self, transport: Transport) -> bool {
        self == Transports::Both || self == Transports::Only(transport)
    }

    /// Those to try after `failed`, which connected and then broke: something in between may spoil only one.
    pub fn without(self, failed: Transport) -> Option<Transports> {
        let other = match failed {
            Transport::Tcp => Transport::Quic,
            Transport::Quic => Transport::Tcp,
        };
        (self == Transports::Both).then_some(Transports::Only(other))
    }
}

impl std::str::FromStr for Transports {
    type Err = String;

    /// As `BOSR_TRANSPORT` says it: `tcp`, `quic`, or nothing.
    fn from_str(text: &str) -> Result<Self, String> {
        match text.trim() {
            "" => Ok(Transports::Both),
            "tcp" => Ok(Transports::Only(Transport::Tcp)),
            "quic" => Ok(Transports::Only(Transport::Quic)),
            other => Err(format!("{other:?} is no transport: it is tcp or quic")),
        }
    }
}

/// Connects to `host:port`.
///
/// # Errors
/// TCP's, if that was tried; else QUIC's.
pub async fn connect(address: &str, transports: Transports, quic: &Quic) -> io::Result<Stream> {
    match transports {
        Transports::Only(Transport::Tcp) => tcp::connect(address).await,
        Transports::Only(Transport::Quic) => quic.connect(address).await,
        Transports::Both => race(address, quic).await,
    }
}

async fn race(address: &str, quic: &Quic) -> io::Result<Stream> {
    let tcp = tcp::connect(address);
    tokio::pin!(tcp);
    let error = tokio::select! {
        connected = &mut tcp => match connected {
            Ok(stream) => return Ok(stream),
            Err(error) => Some(error),
        },
        () = tokio::time::sleep(STAGGER) => None,
    };
    let quic = quic.connect(address);
    if let Some(error) = error {
        return quic.await.map_err(|_| error);
    }
    tokio::pin!(quic);
    tokio::select! {
        connected = &mut tcp => match connected {
            Ok(stream) => Ok(stream),
            Err(error) => quic.await.map_err(|_| error),
        },
        connected = &mut quic => match connected {
            Ok(stream) => Ok(stream),
            Err(_) => tcp.await,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_can_be_forced() {
        assert_eq!("".parse(), Ok(Transports::Both));
        assert_eq!("quic".parse(), Ok(Transports::Only(Transport::Quic)));
        assert!("carrier pigeon".parse::<Transports>().is_err());
        assert_eq!(Transports::Both.without(Transport::Tcp), Some(Transports::Only(Transport::Quic)));
        assert_eq!(Transports::Only(Transport::Tcp).without(Transport::Tcp), None);
    }
}
