//! Deciding conflicts: which of the versions that stand side by side a person wants.
//!
//! A conflict is one tombstone file beside one name. Deciding is an ordinary operation on the tree (removing
//! the tombstone, renaming it over the name or elsewhere), so it travels and merges like any other; what is
//! given up stays in the history. All that was asked for is looked at before the first change: a request
//! that cannot be carried out whole changes nothing.

use super::changes::Origin;
use super::error::{Result, VaultError};
use super::files::split;
use super::vault::Vault;
use super::view::naming::kept_name;
use super::view::{Conflict, Entry, Tombstone};
use super::{Draw, Name, NodeId, Outcome, Replace, Tree};

/// Which version is to stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// What has the name; the tombstone goes.
    Current,
    /// The tombstone, which becomes the content of the name.
    Tombstone,
    /// Both: the tombstone becomes an ordinary file beside the name.
    Both,
}

/// Which conflicts are meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Conflicts {
    /// Every one of the vault.
    All,
    /// Those at these paths: of a file, of a tombstone file, of everything below a directory.
    At(Vec<Vec<u8>>),
}

/// A conflict that was decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decided {
    /// What it was.
    pub conflict: Conflict,
    /// Where the tombstone's version is now, as a path from the root; `None` if it went.
    pub kept: Option<Vec<Name>>,
}

/// Why conflicts were not decided. Nothing was changed, unless the vault failed.
#[derive(Debug, thiserror::Error)]
pub enum ResolveError {
    /// Nothing has that path, or it is no path.
    #[error("no such file or directory")]
    Path(Vec<u8>, #[source] VaultError),
    /// Nothing stands beside that path, nor below it.
    #[error("not in conflict")]
    NoConflict(Vec<u8>),
    /// Several versions stand beside one file: only one can become its content.
    #[error("several versions stand beside it")]
    Several(Vec<Name>, usize),
    /// A directory has the name, and a file cannot become its content.
    #[error("a directory has the name")]
    Directory(Vec<Name>),
    /// The vault failed, perhaps after some of it was done.
    #[error(transparent)]
    Vault(#[from] VaultError),
}

impl Vault {
    /// Decides conflicts. Not durable until [`Vault::sync`]. For threads that may wait.
    ///
    /// # Errors
    /// See [`ResolveError`].
    pub fn resolve(&self, which: &Conflicts, keep: Keep) -> std::result::Result<Vec<Decided>, ResolveError> {
        let all = self.conflicts()?;
        let chosen = match which {
            Conflicts::All => all,
            Conflicts::At(paths) => self.conflicts_at(all, paths)?,
        };
        if keep == Keep::Tombstone {
            self.require_replaceable(&chosen)?;
        }
        let mut decided = Vec::with_capacity(chosen.len());
        for conflict in chosen {
            let kept = self.patiently(|tree, draw| decide(tree, &conflict, keep, draw))?;
            let Some(kept) = kept else { continue };
            let kept = kept.map(|name| conflict.directory.iter().chain([&name]).cloned().collect());
            decided.push(Decided { conflict, kept });
        }
        Ok(decided)
    }

    /// The conflicts that `paths` mean; each path must mean one.
    fn conflicts_at(
        &self,
        all: Vec<Conflict>,
        paths: &[Vec<u8>],
    ) -> std::result::Result<Vec<Conflict>, ResolveError> {
        let mut chosen = vec![false; all.len()];
        for path in paths {
            self.find(path).map_err(|error| ResolveError::Path(path.clone(), error))?;
            let names = split(path).map_err(|error| ResolveError::Path(path.clone(), error))?;
            let mut found = false;
            for (conflict, chosen) in all.iter().zip(&mut chosen) {
                let meant = conflict.tombstone_path() == names || conflict.path().starts_with(&names);
                found |= meant;
                *chosen |= meant;
            }
            if !found {
                return Err(ResolveError::NoConflict(path.clone()));
            }
        }
        Ok(all.into_iter().zip(chosen).filter_map(|(conflict, chosen)| chosen.then_some(conflict)).collect())
    }

    /// Fails if a tombstone cannot become the content of its name, or if several were to.
    fn require_replaceable(&self, chosen: &[Conflict]) -> std::result::Result<(), ResolveError> {
        for conflict in chosen {
            let slot = |other: &&Conflict| {
                (other.front, &other.tombstone.beside) == (conflict.front, &conflict.tombstone.beside)
            };
            let beside = chosen.iter().filter(slot).count();
            if beside > 1 {
                return Err(ResolveError::Several(conflict.path(), beside));
            }
            let directory = self.read(|tree| holder_is_directory(tree, conflict))?;
            if directory {
                return Err(ResolveError::Directory(conflict.path()));
            }
        }
        Ok(())
    }

    /// An operation in nobody's name, again whenever the journal has room for it.
    pub(super) fn patiently<R>(
        &self,
        operation: impl Fn(&mut Tree, Draw<'_>) -> Result<Outcome<R>>,
    ) -> Result<R> {
        loop {
            match self.edit(Origin::VAULT, &operation) {
                Err(VaultError::Busy) => self.wait_for_room()?,
                done => return done,
            }
        }
    }
}

fn holder_is_directory(tree: &Tree, conflict: &Conflict) -> Result<bool> {
    match tree.scene().lookup(&conflict.front, &conflict.tombstone.beside)? {
        Some(Entry::Node(node)) => Ok(tree.node(&node)?.is_some_and(|node| node.is_directory())),
        _ => Ok(false),
    }
}

/// What became of a tombstone: the name its version has now, if it has one. The outer `None`: it stood there
/// no more.
type Fate = Option<Option<Name>>;

fn decide(tree: &mut Tree, conflict: &Conflict, keep: Keep, draw: Draw<'_>) -> Result<Outcome<Fate>> {
    let dir = conflict.front;
    let Some(tombstone) = tombstone_now(tree, conflict)? else { return Ok(tree.unchanged(None)) };
    match keep {
        Keep::Current => Ok(tree.unlink(&dir, &tombstone.name, draw)?.with(Some(None))),
        Keep::Tombstone => {
            let to = tombstone.beside.clone();
            rename(tree, &dir, &tombstone, to, draw)
        }
        Keep::Both => {
            let to = free_name(tree, &dir, &tombstone)?;
            rename(tree, &dir, &tombstone, to, draw)
        }
    }
}

fn rename(
    tree: &mut Tree,
    dir: &NodeId,
    tombstone: &Tombstone,
    to: Name,
    draw: Draw<'_>,
) -> Result<Outcome<Fate>> {
    let renamed = tree.rename((dir, &tombstone.name), (dir, &to), Replace::Allowed, None, draw)?;
    Ok(renamed.with(Some(Some(to))))
}

/// The tombstone under the name it has by now: deciding one may rename another.
fn tombstone_now(tree: &Tree, conflict: &Conflict) -> Result<Option<Tombstone>> {
    let group = tree.scene().group(&conflict.front)?;
    let all = tree.scene().tombstones(&group)?;
    let same = |it: &&Tombstone| {
        (it.node, it.stamp) == (conflict.tombstone.node, conflict.tombstone.stamp)
            && it.beside == conflict.tombstone.beside
    };
    Ok(all.iter().find(same).cloned())
}

/// A name for a version that is to be an ordinary file: after the device that wrote it.
fn free_name(tree: &Tree, dir: &NodeId, tombstone: &Tombstone) -> Result<Name> {
    let device = tree.scene().device_name(&tombstone.stamp);
    let mut count = 1;
    loop {
        let name = kept_name(&tombstone.beside, &device, count);
        if tree.scene().lookup(dir, &name)?.is_none() {
            return Ok(name);
        }
        count += 1;
    }
}
