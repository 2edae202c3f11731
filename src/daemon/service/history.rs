//! The past of the vault.

use super::super::api::{LogEntry, VERSION};
use super::super::error::DaemonError;
use super::super::opening::{path_error, vault_error};
use super::Service;
use crate::vault::{LogEntry as Commit, Vault, VaultError};

/// The longest history that is listed.
const LOG_ENTRIES: usize = 10_000;

impl Service {
    /// The commits, newest first; with a path, those in which it changed.
    pub async fn log(&self, path: Option<Vec<u8>>) -> Result<Vec<LogEntry>, DaemonError> {
        self.on_vault(move |vault| {
            let found = path.as_ref().map(|path| vault.find(path).map_err(|error| path_error(path, error)));
            let node = found.transpose()?.map(|found| found.node());
            let failed = |error: VaultError| vault_error("reading the history", error);
            // What was written just now is part of it.
            vault.fold_and_commit(true).map_err(failed)?;
            let commits = vault.log(node.as_ref(), LOG_ENTRIES).map_err(failed)?;
            commits.iter().map(|commit| entry(vault, commit).map_err(failed)).collect()
        })
        .await
    }
}

fn entry(vault: &Vault, commit: &Commit) -> Result<LogEntry, VaultError> {
    let state = vault.load_commit(&commit.id)?;
    let changed = commit.changed.map(|changed| {
        format!("{} added, {} changed, {} gone", changed.added, changed.changed, changed.pruned)
    });
    Ok(LogEntry {
        version: VERSION,
        commit: commit.id.to_string(),
        root: state.root.map(|root| root.to_string()).unwrap_or_default(),
        parents: commit.parents.iter().map(ToString::to_string).collect(),
        device: commit.author.as_ref().map(|author| author.device.clone()),
        time: commit.author.as_ref().map(|author| author.time),
        nodes: state.count,
        change: changed,
    })
}
