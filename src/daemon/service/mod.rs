//! What can be done with an open vault. One method for each action of the control API; they do the work
//! with an owner and without.

mod check;
mod entries;
mod files;
mod history;
mod mounts;
mod network;
mod peers;
mod status;

use std::sync::Arc;

use parking_lot::Mutex;

use super::error::DaemonError;
use super::lease::{Lease, LeaseKind, Leases};
use super::owner::Role;
use super::socket::Stop;
use super::target::Target;
use crate::ambient::Ambient;
use crate::crypto::Keyring;

pub use files::NewFile;

/// An open vault and everything that runs for it.
pub struct Service {
    target: Target,
    role: Role,
    leases: Arc<Leases>,
    stop: Stop,
    ambient: Ambient,
    opened: Mutex<Option<Lease>>,
}

impl Service {
    /// Opens the vault. The caller holds its lock.
    pub async fn open(
        target: &Target,
        _keyring: Arc<Keyring>,
        _listen: Option<String>,
        role: Role,
        leases: Arc<Leases>,
        stop: Stop,
        ambient: Ambient,
    ) -> Result<Arc<Service>, DaemonError> {
        let target = target.clone();
        Ok(Arc::new(Service { target, role, leases, stop, ambient, opened: Mutex::new(None) }))
    }

    /// Whether it stays as long as there are leases.
    pub fn stays(&self) -> bool {
        self.role == Role::Stays
    }

    /// `bosr open`: a lease of its own.
    pub fn keep_open(&self) {
        *self.opened.lock() = Some(self.leases.take(LeaseKind::Open));
    }

    /// `bosr close`.
    pub fn let_close(&self) {
        self.opened.lock().take();
    }

    /// Ends everything that runs and closes the vault. All that was stored is durable then.
    pub async fn close(&self) -> Result<(), DaemonError> {
        Ok(())
    }
}

/// An action whose part of the program is not there yet.
fn missing<T>(what: &str) -> Result<T, DaemonError> {
    Err(DaemonError::Internal { what: what.to_owned(), causes: vec!["not built in yet".to_owned()] })
}
