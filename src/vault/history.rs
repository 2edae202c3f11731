//! The commits that led to the head, and what they changed.

use std::collections::{BTreeSet, BinaryHeap};

use super::ReplicaId;
use super::commit::{Commit, CommitId};
use super::error::{Result, VaultError};
use super::vault::Vault;
use super::view::Conflict;
use crate::ambient::WallNanos;
use crate::crypto::ObjectKind;
use crate::trie::Trie;

/// A commit as people look at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEntry {
    /// The commit.
    pub id: CommitId,
    /// Whose it is; `None` for a merge.
    pub author: Option<LogAuthor>,
    /// The states it came from.
    pub parents: Vec<CommitId>,
    /// What it changed against its first parent; `None` if that is not here.
    pub changed: Option<Changed>,
}

/// Who made a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogAuthor {
    /// The replica.
    pub replica: ReplicaId,
    /// What people call its device.
    pub device: String,
    /// When, by its clock.
    pub time: WallNanos,
}

/// How many nodes a commit changed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Changed {
    /// New ones.
    pub added: u64,
    /// Changed ones, which those are that lost their last name, too.
    pub changed: u64,
    /// Ones of which nothing is kept any more.
    pub pruned: u64,
}

/// A commit to visit. What has seen more comes first, so that a commit comes before its parents.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Visit {
    seen: u128,
    id: CommitId,
}

/// The commits below some, each once, children before parents. What is not here is left out, with what is
/// below it.
pub struct Ancestors<'a> {
    vault: &'a Vault,
    todo: BinaryHeap<Visit>,
    known: BTreeSet<CommitId>,
}

impl Iterator for Ancestors<'_> {
    type Item = Result<(CommitId, Commit)>;

    fn next(&mut self) -> Option<Self::Item> {
        let Visit { id, .. } = self.todo.pop()?;
        Some(self.vault.load_commit(&id).and_then(|commit| {
            for parent in &commit.parents {
                self.visit(*parent)?;
            }
            Ok((id, commit))
        }))
    }
}

impl Ancestors<'_> {
    fn visit(&mut self, id: CommitId) -> Result<()> {
        if !self.known.insert(id) {
            return Ok(());
        }
        match self.vault.load_commit(&id) {
            Ok(commit) => {
                let seen = commit.context.iter().map(|(_, lamport)| u128::from(lamport)).sum();
                self.todo.push(Visit { seen, id });
                Ok(())
            }
            // A history may end at a missing parent.
            Err(VaultError::Missing(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

impl Vault {
    /// A commit that is here.
    ///
    /// # Errors
    /// [`VaultError::Missing`], [`VaultError::Damaged`], the disk.
    pub fn load_commit(&self, id: &CommitId) -> Result<Commit> {
        Commit::decode(&self.store.fetch(&id.0)?)
    }

    /// Stores a commit. Durable with a later sync of the log.
    ///
    /// # Errors
    /// Of the disk.
    pub fn put_commit(&self, commit: &Commit) -> Result<CommitId> {
        Ok(CommitId(self.store.put(ObjectKind::Commit, &commit.encode()?)?))
    }

    /// The commit and those below it, children before parents.
    ///
    /// # Errors
    /// As [`Vault::load_commit`] of the commit itself, where it is damaged.
    pub fn ancestors(&self, from: CommitId) -> Result<Ancestors<'_>> {
        let mut ancestors = Ancestors { vault: self, todo: BinaryHeap::new(), known: BTreeSet::new() };
        ancestors.visit(from)?;
        Ok(ancestors)
    }

    /// The head and the last commits before it, at most `limit`, newest first.
    ///
    /// # Errors
    /// Damage, the disk.
    pub fn commits_recent(&self, limit: usize) -> Result<Vec<(CommitId, Commit)>> {
        self.ancestors(self.head().commit)?.take(limit).collect()
    }

    /// The history of everything, newest first ([`Vault::trace`] is that of one path). The empty state a vault
    /// begins with is not listed.
    ///
    /// # Errors
    /// Damage, the disk.
    pub fn log(&self, limit: usize) -> Result<Vec<LogEntry>> {
        let mut entries = Vec::new();
        for commit in self.ancestors(self.head().commit)? {
            let (id, commit) = commit?;
            if commit.parents.is_empty() && commit.root.is_none() {
                continue;
            }
            entries.push(self.log_entry(id, &commit)?);
            if entries.len() >= limit {
                break;
            }
        }
        Ok(entries)
    }

    /// Everything that stands beside its name as a tombstone file.
    ///
    /// # Errors
    /// Of the committed state.
    pub fn conflicts(&self) -> Result<Vec<Conflict>> {
        self.read(|tree| tree.scene().conflicts())
    }

    /// Bytes that the history takes in the store.
    pub fn history_bytes(&self) -> u64 {
        self.store.history_bytes()
    }

    fn log_entry(&self, id: CommitId, commit: &Commit) -> Result<LogEntry> {
        let author = self.log_author(commit);
        let changed = match commit.parents.first().map(|parent| self.load_commit(parent)) {
            Some(Ok(parent)) => Some(self.changed_between(&parent.trie(), &commit.trie())?),
            Some(Err(VaultError::Missing(_))) => None,
            Some(Err(error)) => return Err(error),
            None => Some(Changed { added: commit.count, ..Changed::default() }),
        };
        Ok(LogEntry { id, author, parents: commit.parents.clone(), changed })
    }

    /// Whose a commit is, for people.
    pub(super) fn log_author(&self, commit: &Commit) -> Option<LogAuthor> {
        commit.author.map(|author| LogAuthor {
            replica: author.replica,
            device: self.replica_name(&author.replica),
            time: author.time,
        })
    }

    fn changed_between(&self, old: &Trie, new: &Trie) -> Result<Changed> {
        let mut changed = Changed::default();
        self.forest.diff(old, new, |_, old, new| {
            match (old, new) {
                (None, _) => changed.added += 1,
                (_, None) => changed.pruned += 1,
                _ => changed.changed += 1,
            }
            Ok::<(), VaultError>(())
        })?;
        Ok(changed)
    }
}
