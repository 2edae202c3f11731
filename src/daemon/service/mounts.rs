//! The mounts of the vault.

use parking_lot::Mutex;

use super::super::api::MountRequest;
use super::super::error::DaemonError;
use super::{Service, missing};

/// The mounts that there are.
#[derive(Default)]
pub(super) struct Mounts(Mutex<Vec<String>>);

impl Mounts {
    /// Where they are.
    pub(super) fn places(&self) -> Vec<String> {
        self.0.lock().clone()
    }
}

impl Service {
    /// Mounts the vault; returns when the mount is ready.
    pub async fn mount(&self, _request: MountRequest) -> Result<(), DaemonError> {
        missing("mount")
    }

    /// Ends a mount.
    pub async fn unmount(&self, dir: &str) -> Result<(), DaemonError> {
        Err(DaemonError::NotMounted { dir: dir.to_owned() })
    }

    /// Returns when a mount has ended.
    pub async fn mount_ended(&self, _dir: &str) -> Result<(), DaemonError> {
        missing("mount")
    }

    /// Ends all of them.
    pub(super) async fn end_mounts(&self) {}
}
