//! The mount of the vault, and the places where it is shown.
//!
//! There is one filesystem for a vault, since what was written and is in no version yet lies in it. A second
//! mount is the same one shown at another place: with one page cache, both are the same at any moment.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};

use bosr_mount::{Ended, Mount, MountError, UnmountError};
use parking_lot::Mutex;
use tokio::sync::watch;

use super::super::api::MountRequest;
use super::super::error::{DaemonError, MountTrouble, chain};
use super::super::lease::{Lease, LeaseKind};
use super::super::mount_options::{self, HowMounted, Mounter};
use super::{Service, blocking};
use crate::fs::{DirtyLimit, MountedVault};
use crate::vault::Vault;

/// The mounts that there are.
pub(super) struct Mounts {
    current: Arc<Mutex<Option<Mounted>>>,
    /// Rises with every mount that ended.
    ended: watch::Sender<u64>,
}

/// One mount, from the moment it is asked for.
struct Mounted {
    /// Where it is shown, as it was asked for.
    dirs: Vec<String>,
    how: HowMounted,
    mount: Option<Arc<Mount>>,
    _lease: Lease,
}

/// What a request to mount comes to.
enum Claim {
    /// There is no mount yet: this place is the first.
    First,
    /// The mount is to be shown here too.
    Another(Arc<Mount>),
}

impl Mounts {
    /// None yet.
    pub(super) fn new() -> Self {
        Mounts { current: Arc::default(), ended: watch::Sender::new(0) }
    }

    /// Where they are.
    pub(super) fn places(&self) -> Vec<String> {
        self.current.lock().iter().flat_map(|mounted| mounted.shown()).collect()
    }

    fn is_at(&self, dir: &str) -> bool {
        self.places().iter().any(|place| place == dir)
    }

    /// Takes the place of a mount that is about to be made.
    fn claim(&self, dir: &str, how: &HowMounted, lease: Lease) -> Result<Claim, DaemonError> {
        let refused = |cause: String| DaemonError::Mount {
            dir: dir.to_owned(),
            trouble: MountTrouble::AlreadyMounted,
            causes: vec![cause],
        };
        let mut current = self.current.lock();
        let Some(mounted) = current.as_ref() else {
            let dirs = vec![dir.to_owned()];
            *current = Some(Mounted { dirs, how: how.clone(), mount: None, _lease: lease });
            return Ok(Claim::First);
        };
        let first = mounted.shown().first().cloned().unwrap_or_default();
        let Some(mount) = mounted.mount.clone() else {
            return Err(refused(format!("the vault is being mounted on {first}")));
        };
        if mounted.shown().iter().any(|place| place == dir) {
            return Err(refused("the vault is mounted there already".to_owned()));
        }
        match mounted.how.differs_for_all(how) {
            Some(option) => Err(refused(format!("the vault is mounted on {first} with another {option}"))),
            None => Ok(Claim::Another(mount)),
        }
    }

    /// The mount is made, or shown at one more place.
    fn made(&self, dir: &str, mount: &Arc<Mount>) {
        if let Some(mounted) = self.current.lock().as_mut() {
            mounted.mount = Some(mount.clone());
            if !mounted.dirs.iter().any(|own| own == dir) {
                mounted.dirs.push(dir.to_owned());
            }
        }
    }

    /// Gives up the place; the lease goes with it.
    fn release(&self) {
        self.current.lock().take();
        self.ended.send_modify(|count| *count += 1);
    }

    fn mount_at(&self, dir: Option<&str>) -> Option<Arc<Mount>> {
        let current = self.current.lock();
        let shown =
            |mounted: &&Mounted| dir.is_none_or(|dir| mounted.shown().iter().any(|place| place == dir));
        current.as_ref().filter(shown)?.mount.clone()
    }

    /// Returns when nothing is mounted on `dir` any more, and what was written there is in the vault.
    async fn gone(&self, dir: &str) {
        let mut ended = self.ended.subscribe();
        // The sender lives in self: waiting cannot fail while this runs.
        let _ = ended.wait_for(|_| !self.is_at(dir)).await;
    }
}

impl Mounted {
    /// Where it is shown now: also when someone else took it away.
    fn shown(&self) -> Vec<String> {
        let places = self.mount.as_ref().filter(|mount| mount.ended().is_none());
        match places.map(|mount| mount.places()) {
            Some(Ok(places)) => {
                let shown = |dir: &&String| places.iter().any(|place| place.as_path() == Path::new(dir));
                // One that ends may be gone from the tree while what was written to it is put away.
                if places.is_empty() {
                    self.dirs.clone()
                } else {
                    self.dirs.iter().filter(shown).cloned().collect()
                }
            }
            _ => self.dirs.clone(),
        }
    }
}

impl Service {
    /// Mounts the vault; returns when the mount is ready.
    pub async fn mount(self: &Arc<Self>, request: MountRequest) -> Result<(), DaemonError> {
        let MountRequest { dir, options } = request;
        let how = mount_options::parse(&options, &Mounter::this()).map_err(|option| DaemonError::Mount {
            dir: dir.clone(),
            trouble: MountTrouble::UnknownOption,
            causes: vec![format!("there is no mount option {option}")],
        })?;
        let place = PathBuf::from(&dir);
        if let Claim::Another(mount) = self.mounts.claim(&dir, &how, self.lease(LeaseKind::Mount)?)? {
            let shown = mount.clone();
            blocking(move || shown.show_at(&place, &how.kernel).map_err(|error| mount_error(&place, &error)))
                .await?;
            self.mounts.made(&dir, &mount);
            return Ok(());
        }
        let vault = self.vault.clone();
        let service = Arc::downgrade(self);
        let dirty = self.settings.lock().dirty();
        let mounted = blocking(move || start(vault, service, &place, &how, dirty)).await;
        match mounted {
            Ok((filesystem, mount)) => {
                self.mounts.made(&dir, &mount);
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
        let place = PathBuf::from(dir);
        let ending = blocking(move || mount.unmount_at(&place).map_err(|error| unmount_error(shown, &error)));
        tokio::select! {
            ended = ending => ended?,
            // The kernel takes seconds to forget a million files, after all of them are put away here.
            () = self.mounts.gone(dir) => return Ok(()),
        }
        self.mounts.ended.send_modify(|count| *count += 1);
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
    service: Weak<Service>,
    place: &Path,
    how: &HowMounted,
    dirty: DirtyLimit,
) -> Result<(Arc<MountedVault>, Arc<Mount>), DaemonError> {
    let shown = || place.display().to_string();
    let system = |error: std::io::Error| DaemonError::Mount {
        dir: shown(),
        trouble: MountTrouble::Other,
        causes: chain(&error),
    };
    let filesystem =
        MountedVault::new(vault.clone(), how.ownership, how.checks.clone(), dirty).map_err(system)?;
    let mount = Mount::start(filesystem.clone(), place, &how.kernel).map_err(|error| {
        let _ = filesystem.close();
        mount_error(place, &error)
    })?;
    show_files(&vault, service, &filesystem);
    filesystem.tell(mount.invalidator()).map_err(system)?;
    Ok((filesystem, Arc::new(mount)))
}

/// The files of `.bosr/`.
fn show_files(vault: &Arc<Vault>, service: Weak<Service>, filesystem: &MountedVault) {
    let vault = vault.clone();
    filesystem.show("conflicts", Arc::new(move || super::conflicts::as_file(&vault)));
    let runtime = tokio::runtime::Handle::current();
    let status = move || {
        let service = service.upgrade()?;
        let status = runtime.block_on(service.status_as_it_is()).ok()?;
        let mut text = serde_json::to_vec_pretty(&status).ok()?;
        text.push(b'\n');
        Some(text)
    };
    filesystem.show("status", Arc::new(move || status().unwrap_or_default()));
}

fn mount_error(place: &Path, error: &MountError) -> DaemonError {
    DaemonError::Mount { dir: place.display().to_string(), trouble: trouble(error), causes: chain(error) }
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
        MountError::OnlyByRoot => MountTrouble::OnlyByRoot,
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
