//! The mounts of the vault. For now there is one at a time: dirty data lives in one filesystem.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bosr_mount::{Ended, Mount, MountError, UnmountError};
use parking_lot::Mutex;
use tokio::sync::watch;

use super::super::api::MountRequest;
use super::super::error::{DaemonError, MountTrouble, chain};
use super::super::lease::{Lease, LeaseKind};
use super::super::mount_options::{self, HowMounted};
use super::{Service, blocking};
use crate::fs::MountedVault;
use crate::vault::Vault;

/// The mounts that there are.
pub(super) struct Mounts {
    current: Arc<Mutex<Option<Mounted>>>,
    /// Rises with every mount that ended.
    ended: watch::Sender<u64>,
}

/// One mount, from the moment it is asked for.
struct Mounted {
    dir: String,
    mount: Option<Arc<Mount>>,
    _lease: Lease,
}

impl Mounts {
    /// None yet.
    pub(super) fn new() -> Self {
        Mounts { current: Arc::default(), ended: watch::Sender::new(0) }
    }

    /// Where they are.
    pub(super) fn places(&self) -> Vec<String> {
        self.current.lock().iter().map(|mounted| mounted.dir.clone()).collect()
    }

    fn is_at(&self, dir: &str) -> bool {
        self.current.lock().as_ref().is_some_and(|mounted| mounted.dir == dir)
    }

    /// Takes the place of a mount that is about to be made.
    fn claim(&self, dir: &str, lease: Lease) -> Result<(), DaemonError> {
        let mut current = self.current.lock();
        if let Some(mounted) = current.as_ref() {
            let causes = vec![format!("the vault is mounted on {} already", mounted.dir)];
            let trouble = MountTrouble::AlreadyMounted;
            return Err(DaemonError::Mount { dir: dir.to_owned(), trouble, causes });
        }
        *current = Some(Mounted { dir: dir.to_owned(), mount: None, _lease: lease });
        Ok(())
    }

    /// Gives up the place; the lease goes with it.
    fn release(&self) {
        self.current.lock().take();
        self.ended.send_modify(|count| *count += 1);
    }

    fn mount_at(&self, dir: Option<&str>) -> Option<Arc<Mount>> {
        let current = self.current.lock();
        let mounted = current.as_ref().filter(|mounted| dir.is_none_or(|dir| mounted.dir == dir))?;
        mounted.mount.clone()
    }

    /// Returns when nothing is mounted on `dir` any more, and what was written there is in the vault.
    async fn gone(&self, dir: &str) {
        let mut ended = self.ended.subscribe();
        // The sender lives in self: waiting cannot fail while this runs.
        let _ = ended.wait_for(|_| !self.is_at(dir)).await;
    }
}

impl Service {
    /// Mounts the vault; returns when the mount is ready.
    pub async fn mount(self: &Arc<Self>, request: MountRequest) -> Result<(), DaemonError> {
        let MountRequest { dir, options } = request;
        let (uid, gid) = (nix::unistd::geteuid().as_raw(), nix::unistd::getegid().as_raw());
        let how = mount_options::parse(&options, uid, gid).map_err(|option| DaemonError::Mount {
            dir: dir.clone(),
            trouble: MountTrouble::UnknownOption,
            causes: vec![format!("there is no mount option {option}")],
        })?;
        self.mounts.claim(&dir, self.leases.take(LeaseKind::Mount))?;
        let (vault, place) = (self.vault.clone(), PathBuf::from(&dir));
        let mounted = blocking(move || start(vault, &place, &how)).await;
        match mounted {
            Ok((filesystem, mount)) => {
                if let Some(mounted) = self.mounts.current.lock().as_mut() {
                    mounted.mount = Some(mount.clone());
                }
                let service = self.clone();
                tokio::task::spawn_blocking(move || service.attend(&filesystem, &mount));
                Ok(())
            }
            Err(error) => {
                self.mounts.release();
                Err(error)
            }
        }
    }

    /// Waits for the end of a mount, whoever ends it, and puts away what was written to it.
    fn attend(&self, filesystem: &MountedVault, mount: &Mount) {
        if let Ended::Failed(reason) = mount.wait() {
            tracing::error!(reason, "a mount has failed");
        }
        if let Err(error) = filesystem.close() {
            tracing::error!(%error, "not all that was written to a mount could be kept");
        }
        self.mounts.release();
    }

    /// Ends a mount; returns when it is gone and what was written to it is in the vault.
    pub async fn unmount(&self, dir: &str) -> Result<(), DaemonError> {
        let mount = self.mounts.mount_at(Some(dir));
        let mount = mount.ok_or_else(|| DaemonError::NotMounted { dir: dir.to_owned() })?;
        let shown = dir.to_owned();
        blocking(move || mount.unmount().map(drop).map_err(|error| unmount_error(shown, &error))).await?;
        self.mounts.gone(dir).await;
        Ok(())
    }

    /// Returns when a mount has ended.
    pub async fn mount_ended(&self, dir: &str) -> Result<(), DaemonError> {
        self.mounts.gone(dir).await;
        Ok(())
    }

    /// Ends all of them; one that programs use is taken out of the tree under them.
    pub(super) async fn end_mounts(&self) {
        let Some(mount) = self.mounts.mount_at(None) else { return };
        let ending = blocking(move || {
            if mount.unmount().is_err()
                && let Err(error) = mount.detach()
            {
                tracing::error!(%error, "a mount could not be ended");
            }
            Ok(())
        });
        let _ = ending.await;
        for dir in self.mounts.places() {
            if tokio::time::timeout(LAST_USERS_WAIT, self.mounts.gone(&dir)).await.is_err() {
                tracing::warn!("programs still use a mount that ends");
            }
        }
    }
}

/// How long programs may go on using a mount whose owner ends.
const LAST_USERS_WAIT: std::time::Duration = std::time::Duration::from_secs(2);

fn start(
    vault: Arc<Vault>,
    place: &Path,
    how: &HowMounted,
) -> Result<(Arc<MountedVault>, Arc<Mount>), DaemonError> {
    let shown = || place.display().to_string();
    let system = |error: std::io::Error| DaemonError::Mount {
        dir: shown(),
        trouble: MountTrouble::Other,
        causes: chain(&error),
    };
    let filesystem = MountedVault::new(vault.clone(), how.ownership).map_err(system)?;
    let mount = Mount::start(filesystem.clone(), place, &how.kernel).map_err(|error| {
        let _ = filesystem.close();
        DaemonError::Mount { dir: shown(), trouble: trouble(&error), causes: chain(&error) }
    })?;
    show_files(&vault, &filesystem);
    filesystem.tell(mount.invalidator()).map_err(system)?;
    Ok((filesystem, Arc::new(mount)))
}

/// The files of `.bosr/`.
fn show_files(vault: &Arc<Vault>, filesystem: &MountedVault) {
    let vault = vault.clone();
    filesystem.show("conflicts", Arc::new(move || super::conflicts::as_file(&vault)));
}

fn trouble(error: &MountError) -> MountTrouble {
    match error {
        MountError::NotFound(_) => MountTrouble::NotFound,
        MountError::NotADirectory(_) => MountTrouble::NotDirectory,
        MountError::NotEmpty(_) => MountTrouble::NotEmpty,
        MountError::AlreadyMounted(_) => MountTrouble::AlreadyMounted,
        MountError::NoDevice => MountTrouble::NoDevice,
        MountError::DeviceNotPermitted => MountTrouble::DeviceNotPermitted,
        MountError::NoFusermount => MountTrouble::NoFusermount,
        MountError::OthersNotAllowed => MountTrouble::OthersNotAllowed,
        MountError::NotPermitted(_) => MountTrouble::NotPermitted,
        MountError::DeadMountOfAnother(_) | MountError::NotCleared { .. } => MountTrouble::Dead,
        MountError::Refused { .. } | MountError::System(_) => MountTrouble::Other,
    }
}

fn unmount_error(dir: String, error: &UnmountError) -> DaemonError {
    match error {
        UnmountError::Busy => DaemonError::MountBusy { dir },
        _ => DaemonError::Unmount { dir, causes: chain(error) },
    }
}
