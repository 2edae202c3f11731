//! The control socket of an owner: HTTP over a Unix socket that only this user and root may use.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;

use super::lease::{LeaseKind, Leases};
use crate::ambient::files;

/// The socket, bound; its file goes with it.
#[derive(Debug)]
pub struct ControlSocket {
    path: PathBuf,
    listener: UnixListener,
}

/// Says when to stop, to everything that runs for an owner.
#[derive(Clone, Debug)]
pub struct Stop(watch::Sender<bool>);

impl Stop {
    /// Not yet.
    pub fn new() -> Self {
        Stop(watch::Sender::new(false))
    }

    /// Now.
    pub fn stop(&self) {
        self.0.send_replace(true);
    }

    /// Returns once it is time.
    pub async fn stopped(&self) {
        // The sender lives in self: waiting cannot fail while this runs.
        let _ = self.0.subscribe().wait_for(|stopped| *stopped).await;
    }
}

impl Default for Stop {
    fn default() -> Self {
        Self::new()
    }
}

impl ControlSocket {
    /// Binds the socket at `path`. Whatever a dead owner left there goes: the caller holds the store's lock.
    pub fn bind(path: &Path) -> io::Result<Self> {
        match files::remove(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(path)?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
        Ok(ControlSocket { path: path.to_owned(), listener })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Serves `router` to whoever may use it, until told to stop. Each connection holds a lease.
    pub async fn serve(&self, router: &Router, leases: &Arc<Leases>, stop: &Stop) {
        loop {
            let accepted = tokio::select! {
                accepted = self.listener.accept() => accepted,
                () = stop.stopped() => return,
            };
            match accepted {
                Ok((stream, _)) if may_use(&stream) => {
                    let serving = serve_connection(stream, router.clone(), leases.clone(), stop.clone());
                    tokio::spawn(serving);
                }
                Ok(_) => tracing::warn!("refused another user at the control socket"),
                Err(error) => {
                    tracing::warn!(%error, "cannot accept at the control socket");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }
}

/// Out of descriptors, accepting fails at once and forever: not in a busy loop.
const ACCEPT_PAUSE: std::time::Duration = std::time::Duration::from_millis(100);

impl Drop for ControlSocket {
    fn drop(&mut self) {
        let _ = files::remove(&self.path);
    }
}

/// Only the user of this process and root.
fn may_use(stream: &UnixStream) -> bool {
    let ours = nix::unistd::geteuid().as_raw();
    stream.peer_cred().is_ok_and(|peer| peer.uid() == ours || peer.uid() == 0)
}

/// Serves one connection to its end; told to stop, to the end of the request under way.
pub async fn serve_connection<S>(stream: S, router: Router, leases: Arc<Leases>, stop: Stop)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    // Whoever is not answered asks the next owner.
    let Some(_lease) = leases.take(LeaseKind::Connection) else { return };
    let service = TowerToHyperService::new(router);
    let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    tokio::select! {
        _ = connection.as_mut() => return,
        () = stop.stopped() => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}
