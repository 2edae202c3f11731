//! Sees that those who are shut out stay out: whatever a merge brings or drops.
//!
//! After each new head, sessions with revoked devices end, a revocation that the state has lost is said again,
//! and if a revoked device may have the current epoch a new one is made. That one waits a little first: the
//! device that revoked it has made one already, and hands it over.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;

use super::super::new_heads::NewHeads;
use super::rotation::Rotation;
use crate::ambient::{self, Ambient};
use crate::miror::replicator::Replicator;
use crate::vault::{Vault, VaultError};

/// How long the epoch of who revoked may take to come here, at least; at most twice that.
const GRACE: Duration = Duration::from_secs(10);

/// Runs until it is dropped.
pub struct Guard(JoinHandle<()>);

impl Guard {
    /// Begins.
    pub fn start(
        vault: Arc<Vault>,
        rotation: Arc<Rotation>,
        replicator: Replicator,
        ambient: Ambient,
    ) -> Self {
        let heads = NewHeads::of(&vault);
        Guard(tokio::spawn(watch(vault, rotation, replicator, heads, ambient)))
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn watch(
    vault: Arc<Vault>,
    rotation: Arc<Rotation>,
    replicator: Replicator,
    heads: NewHeads,
    ambient: Ambient,
) {
    let mut deadline = None;
    loop {
        let due = enforce(&vault, &rotation, &replicator).await;
        let now = ambient.clock.monotonic();
        let at = *deadline.get_or_insert_with(|| now + grace(&ambient));
        if !due {
            deadline = None;
        }
        tokio::select! {
            () = heads.next() => {}
            () = tokio::time::sleep(at.saturating_sub(now)), if due => {
                deadline = None;
                rotate(&rotation, &replicator).await;
            }
        }
    }
}

/// Ends sessions with revoked devices, says lost revocations again; true if a new epoch is due.
async fn enforce(vault: &Arc<Vault>, rotation: &Arc<Rotation>, replicator: &Replicator) -> bool {
    let (vault, rotation) = (vault.clone(), rotation.clone());
    let looked = tokio::task::spawn_blocking(move || {
        let revoked = vault.revoked();
        if !revoked.is_empty()
            && let Err(error) = vault.restore_revocations().and_then(|restored| commit_if(&vault, restored))
        {
            tracing::warn!(%error, "a revocation could not be written back");
        }
        let due = rotation.is_due() && rotation.plan().is_ok();
        (revoked, due)
    });
    let Ok((revoked, due)) = looked.await else { return false };
    for device in &revoked {
        replicator.end(device).await;
    }
    due
}

fn commit_if(vault: &Vault, changed: bool) -> Result<(), VaultError> {
    if changed { vault.commit().map(drop) } else { Ok(()) }
}

async fn rotate(rotation: &Arc<Rotation>, replicator: &Replicator) {
    let rotation = rotation.clone();
    match tokio::task::spawn_blocking(move || rotation.is_due().then(|| rotation.rotate())).await {
        Ok(Some(Ok(rotated))) => replicator.hand_over(&rotated.epoch),
        Ok(Some(Err(error))) => tracing::warn!(%error, "no new epoch could be made without a revoked device"),
        Ok(None) | Err(_) => {}
    }
}

fn grace(ambient: &Ambient) -> Duration {
    let [share] = ambient::random::<1>(&*ambient.entropy);
    GRACE + GRACE * u32::from(share) / 256
}
