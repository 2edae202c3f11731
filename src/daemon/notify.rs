//! Telling the service manager how we are: the datagrams of `sd_notify(3)`. Without a service manager nothing
//! is sent.

use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// Where the service manager listens, if there is one.
pub struct Notify(Option<OsString>);

impl Notify {
    /// As `NOTIFY_SOCKET` says.
    pub fn host() -> Self {
        Notify(std::env::var_os("NOTIFY_SOCKET").filter(|set| !set.is_empty()))
    }

    /// All that was to be started is.
    pub fn ready(&self, status: &str) {
        self.tell(&format!("READY=1\nSTATUS={status}"));
    }

    /// The configuration is being read again; `micros` is the monotonic clock.
    pub fn reloading(&self, micros: u128) {
        self.tell(&format!("RELOADING=1\nMONOTONIC_USEC={micros}"));
    }

    /// The end has begun.
    pub fn stopping(&self) {
        self.tell("STOPPING=1");
    }

    fn tell(&self, message: &str) {
        let Some(socket) = &self.0 else { return };
        if let Err(error) = send(socket, message) {
            tracing::warn!(%error, "the service manager could not be told");
        }
    }
}

fn send(socket: &OsString, message: &str) -> io::Result<()> {
    let address = match socket.as_bytes() {
        #[cfg(target_os = "linux")]
        [b'@', name @ ..] => {
            use std::os::linux::net::SocketAddrExt;
            SocketAddr::from_abstract_name(name)?
        }
        _ => SocketAddr::from_pathname(socket)?,
    };
    UnixDatagram::unbound()?.send_to_addr(message.as_bytes(), &address).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_service_manager_gets_datagrams() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let manager = UnixDatagram::bind(&path).unwrap();
        Notify(Some(path.into_os_string())).ready("1 vault");
        let mut bytes = [0; 64];
        let length = manager.recv(&mut bytes).unwrap();
        assert_eq!(&bytes[..length], b"READY=1\nSTATUS=1 vault");
    }

    #[test]
    fn without_one_nothing_happens() {
        Notify(None).ready("");
        Notify(Some("/does/not/exist".into())).stopping();
    }
}
