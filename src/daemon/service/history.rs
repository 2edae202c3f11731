//! The past of the vault: what happened, what differs, and bringing it back.

use super::super::api::{Change, Difference, LogEntry, LogEvent, Restored, VERSION, What};
use super::super::error::DaemonError;
use super::super::opening::{path_error, vault_error};
use super::Service;
use super::conflicts::{path_bytes, path_text};
use super::entries::entry_kind;
use crate::vault::{
    self, CommitId, Event, Fold, Happened, How, LogAuthor, RestoreError, Revision, RevisionError, Traced,
    Vault, VaultError,
};

/// The longest history that is listed.
const LOG_ENTRIES: usize = 10_000;

impl Service {
    /// The commits, newest first; with a path, those in which something happened to what has it (or had it
    /// last).
    pub async fn log(&self, path: Option<Vec<u8>>) -> Result<Vec<LogEntry>, DaemonError> {
        self.on_vault(move |vault| {
            let failed = |error: VaultError| vault_error("reading the history", error);
            // What was written just now is part of it.
            vault.fold_and_commit(Fold::All).map_err(failed)?;
            // Everything is below the root.
            let path = path.filter(|path| path.iter().any(|byte| *byte != b'/'));
            match path {
                None => {
                    let commits = vault.log(LOG_ENTRIES).map_err(failed)?;
                    commits.iter().map(|commit| entry(vault, commit).map_err(failed)).collect()
                }
                Some(path) => {
                    let traced = vault.trace(&path, LOG_ENTRIES).map_err(|error| path_error(&path, error))?;
                    traced.iter().map(|traced| traced_entry(vault, traced).map_err(failed)).collect()
                }
            }
        })
        .await
    }

    /// Puts what stood at `path` back there, or at `to`; durable when this returns.
    pub async fn restore(
        &self,
        path: Vec<u8>,
        to: Option<Vec<u8>>,
        at: &str,
    ) -> Result<Restored, DaemonError> {
        let at = decoded(at)?;
        self.on_vault(move |vault| {
            let failed = |error| vault_error("restoring", error);
            // What is replaced is to be in the history.
            let before = vault.fold_and_commit(Fold::All).map_err(failed)?.commit;
            let commit = vault.revision(&at).map_err(|error| revision_error(&at, error))?;
            let restored = vault.restore(&commit, &path, to.as_deref());
            vault.sync().map_err(failed)?;
            let restored = restored.map_err(|error| restore_error(&commit, error))?;
            let counts = restored.counts;
            Ok(Restored {
                version: VERSION,
                commit: restored.from.to_string(),
                path: super::super::opening::shown(&path),
                to: path_text(&restored.to),
                created: counts.created,
                replaced: counts.replaced,
                unchanged: counts.unchanged,
                left: counts.left,
                before: before.to_string(),
            })
        })
        .await
    }

    /// What differs between two states.
    pub async fn diff(&self, from: &str, to: &str) -> Result<Vec<Difference>, DaemonError> {
        let (from, to) = (decoded(from)?, decoded(to)?);
        self.on_vault(move |vault| {
            let failed = |error| vault_error("comparing two states", error);
            vault.fold_and_commit(Fold::All).map_err(failed)?;
            let state = |revision: &Revision| {
                let commit = vault.revision(revision).map_err(|error| revision_error(revision, error))?;
                vault.past(&commit).map_err(failed)
            };
            let (old, new) = (state(&from)?, state(&to)?);
            let differences = vault.difference(&old, &new).map_err(failed)?;
            Ok(differences.iter().map(difference).collect())
        })
        .await
    }
}

/// A state that a client named.
pub(super) fn decoded(word: &str) -> Result<Revision, DaemonError> {
    Revision::decode(word).ok_or_else(|| DaemonError::UnknownCommit { commit: word.to_owned() })
}

/// Why there is no such state.
pub(super) fn revision_error(revision: &Revision, error: RevisionError) -> DaemonError {
    let commit = match revision {
        Revision::Commit(prefix) => prefix.clone(),
        other => other.encode(),
    };
    match error {
        RevisionError::Malformed | RevisionError::Unknown => DaemonError::UnknownCommit { commit },
        RevisionError::Ambiguous(count) => DaemonError::AmbiguousCommit { commit, count: count as u64 },
        RevisionError::TooEarly => DaemonError::BeforeHistory,
        RevisionError::Vault(error) => vault_error("reading the history", error),
    }
}

fn restore_error(commit: &CommitId, error: RestoreError) -> DaemonError {
    match error {
        RestoreError::NotThen(path, VaultError::NotFound | VaultError::NotDirectory) => {
            DaemonError::NotThen {
                path: super::super::opening::shown(&path),
                commit: commit.to_string().chars().take(16).collect(),
            }
        }
        RestoreError::NotThen(path, error) => path_error(&path, error),
        RestoreError::Place(path, error) => path_error(path_text(&path).as_bytes(), error),
        RestoreError::InTheWay(path) => DaemonError::InTheWay { path: path_text(&path) },
        RestoreError::NotHere(path) => DaemonError::ContentMissing { path: path_text(&path) },
        RestoreError::Vault(error) => vault_error("restoring", error),
    }
}

fn entry(vault: &Vault, commit: &vault::LogEntry) -> Result<LogEntry, VaultError> {
    let changed = commit.changed.map(|changed| {
        format!("{} added, {} changed, {} gone", changed.added, changed.changed, changed.pruned)
    });
    log_entry(vault, &commit.id, commit.author.as_ref(), changed, Vec::new())
}

fn traced_entry(vault: &Vault, traced: &Traced) -> Result<LogEntry, VaultError> {
    let events: Vec<LogEvent> = traced.events.iter().map(event).collect();
    log_entry(vault, &traced.id, traced.author.as_ref(), None, events)
}

fn log_entry(
    vault: &Vault,
    id: &CommitId,
    author: Option<&LogAuthor>,
    change: Option<String>,
    events: Vec<LogEvent>,
) -> Result<LogEntry, VaultError> {
    let state = vault.load_commit(id)?;
    Ok(LogEntry {
        version: VERSION,
        commit: id.to_string(),
        root: state.root.map(|root| root.to_string()).unwrap_or_default(),
        parents: state.parents.iter().map(ToString::to_string).collect(),
        device: author.map(|author| author.device.clone()),
        time: author.map(|author| author.time),
        nodes: state.count,
        change,
        events,
    })
}

fn event(event: &Event) -> LogEvent {
    let (mut from, mut versions, mut below) = (None, None, None);
    let what = match &event.what {
        Happened::Created => What::Created,
        Happened::Returned => What::Returned,
        Happened::Written => What::Written,
        Happened::Moved(path) => {
            from = Some(path_text(path));
            What::Moved
        }
        Happened::Linked => What::Linked,
        Happened::Unlinked => What::Unlinked,
        Happened::Removed => What::Removed,
        Happened::Attributes => What::Attributes,
        Happened::Conflicted(count) => {
            versions = Some(*count as u64);
            What::Conflicted
        }
        Happened::Decided => What::Decided,
        Happened::Merged => What::Merged,
        Happened::Below(added, changed, removed) => {
            below = Some([*added, *changed, *removed]);
            What::Below
        }
    };
    LogEvent { path: path_text(&event.path), what, from, size: event.size, versions, below }
}

fn difference(difference: &vault::Difference) -> Difference {
    let (change, content_changed) = match difference.how {
        How::Added => (Change::Added, true),
        How::Removed => (Change::Removed, true),
        How::Content => (Change::Changed, true),
        How::Attributes => (Change::Attributes, false),
        How::Moved { changed } => (Change::Moved, changed),
    };
    Difference {
        version: VERSION,
        path: path_text(&difference.path),
        path_bytes: path_bytes(&difference.path),
        change,
        from: difference.from.as_deref().map(path_text),
        content_changed,
        kind: entry_kind(difference.kind, None),
        size_before: difference.sizes.0,
        size_after: difference.sizes.1,
        tombstone: difference.tombstone,
    }
}
