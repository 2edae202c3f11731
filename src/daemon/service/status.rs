//! How the vault is.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;

use super::super::api::{Status, VERSION, Waiting};
use super::super::error::DaemonError;
use super::super::opening::vault_error;
use super::super::updates::Reporter;
use super::Service;
use crate::vault::{ChangeSet, Changes, Fold, Head, Vault, VaultError};

/// How often a watched status is looked at when the vault does not change: rates are to be read then, and nobody
/// tells of a mount that somebody else has taken away.
const WATCH_INTERVAL: Duration = Duration::from_secs(1);

impl Service {
    /// How the vault is now. What was written just now is committed first, so that root and commit are those
    /// of what a reader sees.
    pub async fn status(&self) -> Result<Status, DaemonError> {
        self.status_of(|vault| vault.fold_and_commit(Fold::All)).await
    }

    /// As [`status`](Self::status), without a commit: for the file in the mount, which must not wait for the disk.
    pub(super) async fn status_as_it_is(&self) -> Result<Status, DaemonError> {
        self.status_of(|vault| Ok(vault.head())).await
    }

    async fn status_of(
        &self,
        head: impl FnOnce(&Vault) -> Result<Head, VaultError> + Send + 'static,
    ) -> Result<Status, DaemonError> {
        let (head, conflicts, waiting, history, device) = self
            .on_vault(|vault| {
                let failed = |error| vault_error("looking at the vault", error);
                let head = head(vault).map_err(failed)?;
                let conflicts = vault.conflicts().map_err(failed)?.len() as u64;
                let device = vault.device_record(&vault.device()).map(|record| record.name);
                Ok((head, conflicts, vault.waiting(), vault.history_bytes(), device))
            })
            .await?;
        Ok(Status {
            version: VERSION,
            vault: self.target.shown(),
            id: self.vault_id(),
            device: device.unwrap_or_default(),
            store: self.target.store_shown(),
            root: head.root.map(|root| root.to_string()).unwrap_or_default(),
            commit: head.commit.to_string(),
            nodes: head.count,
            owner: self.stays().then(std::process::id),
            listen: self.listening().await,
            mounts: self.mounts.places(),
            peers: self.peers().await?,
            waiting: Waiting { files: waiting.files, bytes: waiting.bytes },
            history,
            conflicts,
            transfer: self.network.meter.read(),
        })
    }

    fn vault_id(&self) -> String {
        self.vault.store().keyring().vault_id().to_string()
    }

    /// How it is, now and again whenever that changes, until the owner ends or nobody reads any more.
    pub async fn watch_status(&self, reporter: Reporter<Status>) -> Result<(), DaemonError> {
        let changed = Arc::new(Woken(Notify::new()));
        let origin = self.vault.subscribe(changed.clone());
        let watched = self.report_changes(&reporter, &changed.0).await;
        self.vault.unsubscribe(origin);
        watched
    }

    async fn report_changes(&self, reporter: &Reporter<Status>, changed: &Notify) -> Result<(), DaemonError> {
        let mut last = None;
        loop {
            let status = self.status().await?;
            if last.as_ref() != Some(&status) {
                reporter.report(status.clone()).await;
                last = Some(status);
            }
            tokio::select! {
                () = changed.notified() => {}
                () = tokio::time::sleep(WATCH_INTERVAL) => {}
                () = reporter.abandoned() => return Ok(()),
                () = self.stop.stopped() => return Ok(()),
            }
        }
    }
}

/// Wakes whoever watches.
struct Woken(Notify);

impl Changes for Woken {
    fn changed(&self, _: &ChangeSet) {
        self.0.notify_one();
    }
}
