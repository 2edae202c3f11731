//! An owner: holds the lock of a store, has the vault open, serves the control socket, ends in good order.
//!
//! Order of ending: no new connections, requests under way finish, mounts and network end, the vault
//! commits and closes, and only then the lock is given up.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinHandle;

use super::client::{Client, Connector};
use super::config::Config;
use super::control;
use super::error::DaemonError;
use super::handoff;
use super::lease::{FIRST_LEASE_WAIT, LeaseKind, Leases};
use super::paths::{Paths, VaultRef};
use super::service::Service;
use super::socket::{ControlSocket, Stop};
use super::target::Target;
use crate::ambient::Ambient;
use crate::crypto::Keyring;
use crate::store::lock::{LockError, StoreLock};

/// How long requests under way may take to finish when an owner ends.
const LAST_REQUESTS_WAIT: Duration = Duration::from_secs(3);

/// How long an owner lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// As long as one command: it neither listens nor takes mounts.
    Command,
    /// As long as there are mounts and leases.
    Stays,
}

/// A vault that this process has open.
pub struct Owner {
    service: Arc<Service>,
    router: Router,
    leases: Arc<Leases>,
    stop: Stop,
    serving: JoinHandle<()>,
    store: String,
    lock: StoreLock,
}

impl Owner {
    /// Takes the lock, opens the vault and serves its socket.
    pub async fn begin(
        target: &Target,
        keyring: Arc<Keyring>,
        listen: Option<String>,
        role: Role,
        ambient: Ambient,
    ) -> Result<Owner, DaemonError> {
        let lock = acquire(target)?;
        let path =
            target.paths.socket(&target.store).map_err(|e| DaemonError::setup("the control socket", &e))?;
        let (leases, stop) = (Arc::new(Leases::new(FIRST_LEASE_WAIT)), Stop::new());
        let service =
            Service::open(target, keyring, listen, role, leases.clone(), stop.clone(), ambient).await?;
        let router = control::router(service.clone());
        let serving = match serve(&path, &lock, router.clone(), leases.clone(), stop.clone()) {
            Ok(serving) => serving,
            Err(error) => {
                let _ = service.close().await;
                return Err(DaemonError::setup(path.display().to_string(), &error));
            }
        };
        let store = target.store_shown();
        Ok(Owner { service, router, leases, stop, serving, store, lock })
    }

    /// A client of this owner, in this process.
    pub async fn client(&self) -> Result<Client, DaemonError> {
        let connector = Connector::Inside {
            router: self.router.clone(),
            leases: self.leases.clone(),
            stop: self.stop.clone(),
        };
        Client::connect(connector, self.store.clone()).await
    }

    /// What it does.
    pub fn service(&self) -> &Arc<Service> {
        &self.service
    }

    /// Why it is still there.
    pub fn leases(&self) -> &Arc<Leases> {
        &self.leases
    }

    /// Ends it: everything stored is durable when this returns.
    pub async fn close(self) -> Result<(), DaemonError> {
        // Others see that it ends and wait; if this fails, they wait as for one that is about to answer.
        let _ = self.lock.sign(None);
        self.leases.end();
        self.stop.stop();
        // Ends with the flag that was just set; a panic in it is none of the vault's.
        let _ = self.serving.await;
        let idle = self.leases.without(LeaseKind::Connection);
        let _ = tokio::time::timeout(LAST_REQUESTS_WAIT, idle).await;
        self.service.close().await
    }
}

pub(super) fn acquire(target: &Target) -> Result<StoreLock, DaemonError> {
    StoreLock::acquire(&target.store).map_err(|error| match error {
        LockError::Held(holder) => {
            DaemonError::InUse { store: target.store_shown(), pid: holder.map(|holder| holder.pid) }
        }
        LockError::Disk(_) => DaemonError::setup(target.store_shown(), &error),
    })
}

/// Serves the control socket at `path`, and says in the lock that it is there.
fn serve(
    path: &Path,
    lock: &StoreLock,
    router: Router,
    leases: Arc<Leases>,
    stop: Stop,
) -> std::io::Result<JoinHandle<()>> {
    let socket = ControlSocket::bind(path)?;
    lock.sign(Some(path))?;
    Ok(tokio::spawn(async move { socket.serve(&router, &leases, &stop).await }))
}

/// The hidden command: an owner in the background, until its last lease is gone or it is told to end.
pub fn background() -> ExitCode {
    let received = match handoff::receive() {
        Ok(received) => received,
        Err(error) => {
            tracing::error!(%error, "cannot become an owner");
            return ExitCode::FAILURE;
        }
    };
    let Ok(runtime) = tokio::runtime::Builder::new_multi_thread().enable_all().build() else {
        return ExitCode::FAILURE;
    };
    runtime.block_on(run_background(received))
}

async fn run_background(received: handoff::Received) -> ExitCode {
    let handoff::Received { name, store, listen, keyring, starter } = received;
    let begun = async {
        let target = target(name, &store)?;
        Owner::begin(&target, Arc::new(keyring), listen, Role::Stays, Ambient::host()).await
    };
    let begun = begun.await;
    let outcome = begun.as_ref().map(|_| ()).map_err(Clone::clone);
    // A starter that has gone will not ask for anything: the owner ends by itself.
    let _ = starter.answer(&outcome);
    let Ok(owner) = begun else { return ExitCode::FAILURE };
    let mut signals = EndSignals::listen();
    tokio::select! {
        () = owner.leases().ended() => {}
        () = signals.received() => {}
    }
    match owner.close().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "cannot close the vault");
            ExitCode::FAILURE
        }
    }
}

/// The vault as this process sees it: the configuration is read again, what was handed over counts.
fn target(name: Option<String>, store: &Path) -> Result<Target, DaemonError> {
    let paths = Paths::host().map_err(|error| DaemonError::setup("your folders", &error))?;
    let config = Config::load(&paths.config_file());
    let config = config.map_err(|error| DaemonError::setup("the configuration", &error))?;
    let vault = VaultRef::Folder(store.to_owned());
    let target = Target::new(paths, &config, &vault);
    Ok(Target { name: name.or(target.name), store: store.to_owned(), ..target })
}

/// SIGTERM and SIGINT. Listened for once and kept: what comes between two looks is not lost.
pub struct EndSignals(Option<(Signal, Signal)>);

impl EndSignals {
    /// From now on the signals do not end the process by themselves. Where that cannot be had, they do.
    pub fn listen() -> Self {
        let signals = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()));
        EndSignals(match signals {
            (Ok(terminate), Ok(interrupt)) => Some((terminate, interrupt)),
            (Err(_), _) | (_, Err(_)) => None,
        })
    }

    /// Returns when one of them has come.
    pub async fn received(&mut self) {
        let Some((terminate, interrupt)) = &mut self.0 else { return std::future::pending().await };
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    }
}
