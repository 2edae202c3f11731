//! What waits for a person, and what the person says.

use data_encoding::HEXLOWER;

use super::super::api::{Conflict, Decided, Keep, VERSION};
use super::super::error::DaemonError;
use super::super::opening::{path_error, shown, vault_error};
use super::Service;
use crate::vault::view::Conflict as Beside;
use crate::vault::{self, Conflicts, Fold, Name, ResolveError, Stamp, Vault};

impl Service {
    /// The conflicts that wait for a person. What was written just now is looked at too.
    pub async fn conflicts(&self) -> Result<Vec<Conflict>, DaemonError> {
        self.on_vault(|vault| {
            let failed = |error| vault_error("looking for conflicts", error);
            vault.fold_and_commit(Fold::All).map_err(failed)?;
            Ok(vault.conflicts().map_err(failed)?.iter().map(conflict).collect())
        })
        .await
    }

    /// Decides the conflicts at some paths, or (without any) all of them; durable when this returns.
    pub async fn resolve(&self, paths: Vec<Vec<u8>>, keep: Keep) -> Result<Vec<Decided>, DaemonError> {
        self.on_vault(move |vault| resolve(vault, paths, keep)).await
    }
}

fn resolve(vault: &Vault, paths: Vec<Vec<u8>>, keep: Keep) -> Result<Vec<Decided>, DaemonError> {
    let failed = |error| vault_error("deciding conflicts", error);
    // What is given up is to be in the history.
    vault.fold_and_commit(Fold::All).map_err(failed)?;
    let which = if paths.is_empty() { Conflicts::All } else { Conflicts::At(paths) };
    let decided = vault.resolve(&which, keep_of(keep)).map_err(resolve_error);
    vault.sync().map_err(failed)?;
    let decided = decided?.into_iter().map(|decided| Decided {
        conflict: conflict(&decided.conflict),
        keep,
        kept_as: decided.kept.as_deref().map(path_text),
    });
    Ok(decided.collect())
}

fn keep_of(keep: Keep) -> vault::Keep {
    match keep {
        Keep::Current => vault::Keep::Current,
        Keep::Tombstone => vault::Keep::Tombstone,
        Keep::Both => vault::Keep::Both,
    }
}

fn resolve_error(error: ResolveError) -> DaemonError {
    match error {
        ResolveError::Path(path, error) => path_error(&path, error),
        ResolveError::NoConflict(path) => DaemonError::NoConflict { path: shown(&path) },
        ResolveError::Several(path, count) => {
            DaemonError::SeveralTombstones { path: path_text(&path), count: count as u64 }
        }
        ResolveError::Directory(path) => DaemonError::HeldByDirectory { path: path_text(&path) },
        ResolveError::Vault(error) => vault_error("deciding conflicts", error),
    }
}

/// What `.bosr/conflicts` holds: as `bosr conflicts --json` prints it.
pub(super) fn as_file(vault: &Vault) -> Vec<u8> {
    let told = vault.conflicts().map(|found| found.iter().map(conflict).collect::<Vec<_>>());
    let told = told.map_err(|error| tracing::error!(%error, "the conflicts could not be listed"));
    let mut text = serde_json::to_vec(&told.unwrap_or_default()).unwrap_or_default();
    text.push(b'\n');
    text
}

/// A conflict as it is told.
pub(super) fn conflict(beside: &Beside) -> Conflict {
    let (path, tombstone) = (beside.path(), beside.tombstone_path());
    Conflict {
        version: VERSION,
        path: path_text(&path),
        path_bytes: path_bytes(&path),
        tombstone: path_text(&tombstone),
        tombstone_bytes: path_bytes(&tombstone),
        device: beside.device.clone(),
        stamp: stamp_text(&beside.tombstone.stamp),
        rule: format!("rule {}", beside.rule),
    }
}

/// A stamp as it is told.
pub(super) fn stamp_text(stamp: &Stamp) -> String {
    format!("{}@{}", stamp.lamport, stamp.replica)
}

/// A path from the root for people.
pub(super) fn path_text(path: &[Name]) -> String {
    shown(&joined(path))
}

/// A path in hexadecimal, if its text does not tell its bytes.
pub(super) fn path_bytes(path: &[Name]) -> Option<String> {
    let bytes = joined(path);
    std::str::from_utf8(&bytes).is_err().then(|| HEXLOWER.encode(&bytes))
}

fn joined(path: &[Name]) -> Vec<u8> {
    path.iter().flat_map(|name| [b"/", name.as_bytes()].concat()).collect()
}
