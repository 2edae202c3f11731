//! A plain tree in memory, and what POSIX does to it: the oracle of locality.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::replica::AllNodes;
use super::scratch::{Paths, Shown};
use super::world::Check;
use crate::vault::view::naming::may_be_tombstone;
use crate::vault::{Content, Data, Name};

/// A path from the root.
pub(super) type Path = Vec<Name>;

/// What is at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Item {
    pub(super) shown: Shown,
    /// `None` for a directory.
    pub(super) data: Option<Data>,
}

/// A tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Plain(pub(super) BTreeMap<Path, Item>);

/// POSIX refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Refused;

type Outcome = Result<(), Refused>;

impl Plain {
    /// What paths show, with the contents.
    pub(super) fn of(nodes: &AllNodes, paths: &Paths) -> Plain {
        let item = |shown: &Shown| {
            let data = match shown {
                Shown::Directory(_) => None,
                Shown::File { node, stamp } | Shown::Tombstone { node, stamp } => {
                    nodes[node].data.at(stamp).cloned()
                }
            };
            Item { shown: shown.clone(), data }
        };
        Plain(paths.iter().map(|(path, shown)| (path.clone(), item(shown))).collect())
    }

    fn is_directory(&self, path: &[Name]) -> bool {
        path.is_empty() || self.0.get(path).is_some_and(|item| item.data.is_none())
    }

    fn has_entries(&self, path: &Path) -> bool {
        self.0.keys().any(|other| other.len() > path.len() && other.starts_with(path))
    }

    /// Whether what is above a path is a directory.
    pub(super) fn in_directory(&self, path: &Path) -> bool {
        path.split_last().is_some_and(|(_, above)| self.is_directory(above))
    }

    fn require_directory(&self, path: &Path) -> Outcome {
        if self.in_directory(path) { Ok(()) } else { Err(Refused) }
    }

    pub(super) fn make(&mut self, path: &Path, shown: Shown, data: Option<Data>) -> Outcome {
        self.require_directory(path)?;
        if self.0.contains_key(path) {
            return Err(Refused);
        }
        self.0.insert(path.clone(), Item { shown, data });
        Ok(())
    }

    pub(super) fn link(&mut self, from: &Path, to: &Path) -> Outcome {
        let item = self.0.get(from).cloned().ok_or(Refused)?;
        if !matches!(item.shown, Shown::File { .. }) {
            return Err(Refused);
        }
        self.make(to, item.shown, item.data)
    }

    pub(super) fn unlink(&mut self, path: &Path) -> Outcome {
        if !self.0.contains_key(path) || self.is_directory(path) {
            return Err(Refused);
        }
        self.0.remove(path);
        Ok(())
    }

    pub(super) fn rmdir(&mut self, path: &Path) -> Outcome {
        if path.is_empty() || !self.is_directory(path) || self.has_entries(path) {
            return Err(Refused);
        }
        self.0.remove(path);
        Ok(())
    }

    pub(super) fn write(&mut self, path: &Path, data: &Data) -> Outcome {
        let Some(Item { shown: Shown::File { node, .. }, .. }) = self.0.get(path).cloned() else {
            return Err(Refused);
        };
        for item in self.0.values_mut() {
            if matches!(item.shown, Shown::File { node: other, .. } if other == node) {
                item.data = Some(data.clone());
            }
        }
        Ok(())
    }

    fn below(&self, path: &Path) -> Vec<(Path, Item)> {
        self.0
            .iter()
            .filter(|(other, _)| other.starts_with(path))
            .map(|(p, item)| (p.clone(), item.clone()))
            .collect()
    }

    fn put_below(&mut self, items: Vec<(Path, Item)>, from: &Path, to: &Path) {
        for (path, item) in items {
            let moved = to.iter().chain(&path[from.len()..]).cloned().collect();
            self.0.insert(moved, item);
        }
    }

    pub(super) fn rename(&mut self, from: &Path, to: &Path) -> Outcome {
        let item = self.0.get(from).ok_or(Refused)?;
        self.require_directory(to)?;
        if from == to || self.0.get(to).is_some_and(|target| same_inode(target, item)) {
            return Ok(());
        }
        if self.is_directory(from) && to.starts_with(from) {
            return Err(Refused);
        }
        if self.0.contains_key(to) {
            match (self.is_directory(from), self.is_directory(to)) {
                (true, true) => self.rmdir(to)?,
                (false, false) => self.unlink(to)?,
                _ => return Err(Refused),
            }
        }
        let moving = self.below(from);
        self.0.retain(|path, _| !path.starts_with(from));
        self.put_below(moving, from, to);
        Ok(())
    }

    pub(super) fn exchange(&mut self, one: &Path, other: &Path) -> Outcome {
        let (a, b) = (self.0.get(one).ok_or(Refused)?, self.0.get(other).ok_or(Refused)?);
        if one == other || same_inode(a, b) {
            return Ok(());
        }
        let tombstone = |item: &Item| matches!(item.shown, Shown::Tombstone { .. });
        if one.starts_with(other) || other.starts_with(one) || tombstone(a) || tombstone(b) {
            return Err(Refused);
        }
        let (ones, others) = (self.below(one), self.below(other));
        self.0.retain(|path, _| !path.starts_with(one) && !path.starts_with(other));
        self.put_below(ones, one, other);
        self.put_below(others, other, one);
        Ok(())
    }

    /// Whether `after` is what this tree was to become. `tow`: tombstones may have changed names, or come
    /// with another name of their file. `pooled`: equal contents show once.
    pub(super) fn agrees(&self, after: &Plain, tow: bool, pooled: bool) -> Check {
        let ordinary = |plain: &Plain, tombs: bool| -> BTreeMap<Path, Option<Data>> {
            let all = plain.0.iter().filter(|(path, _)| may_be_tombstone(path.last().unwrap()) == tombs);
            all.map(|(path, item)| (path.clone(), item.data.clone())).collect()
        };
        if ordinary(self, false) != ordinary(after, false) {
            return Err(format!("POSIX would show\n{self}\nthe vault shows\n{after}"));
        }
        let (wanted, got) = (ordinary(self, true), ordinary(after, true));
        let contents = |map: &BTreeMap<Path, Option<Data>>| {
            map.values().map(|data| format!("{data:?}")).collect::<BTreeSet<_>>()
        };
        let whole =
            |plain: &Plain| plain.0.values().map(|item| format!("{:?}", item.data)).collect::<BTreeSet<_>>();
        let fine = match (tow, pooled) {
            (false, false) => wanted == got,
            // One that equals what its file became shows no more.
            (true, false) => contents(&wanted).is_subset(&whole(after)) && whole(self) == whole(after),
            (_, true) => contents(&wanted).is_subset(&whole(after)),
        };
        if fine {
            Ok(())
        } else {
            Err(format!("tombstones: POSIX would show\n{self}\nthe vault shows\n{after}"))
        }
    }

    /// How many paths show a content.
    pub(super) fn shows(&self, number: u64) -> usize {
        self.0.values().filter(|item| item.data.as_ref().and_then(token) == Some(number)).count()
    }

    /// The unique contents on show.
    pub(super) fn tokens(&self) -> BTreeSet<u64> {
        self.0.values().filter_map(|item| token(item.data.as_ref()?)).collect()
    }
}

/// Whether two names lead to one file, as those of hard links do, and of what one version of such a file lost.
fn same_inode(a: &Item, b: &Item) -> bool {
    match (&a.shown, &b.shown) {
        (Shown::File { node, .. }, Shown::File { node: other, .. }) => node == other,
        (Shown::Tombstone { .. }, Shown::Tombstone { .. }) => a.shown == b.shown,
        _ => false,
    }
}

/// The unique number in a content.
pub(super) fn token(data: &Data) -> Option<u64> {
    let bytes = match data {
        Data::Content(Content::Inline(bytes)) => bytes,
        Data::Target(target) => target,
        _ => return None,
    };
    std::str::from_utf8(bytes).ok()?.parse().ok()
}

impl fmt::Display for Plain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (path, item) in &self.0 {
            for name in path {
                write!(f, "/{name}")?;
            }
            match &item.data {
                None => write!(f, "/")?,
                Some(Data::Content(Content::Inline(bytes))) => write!(f, "={}", bytes.escape_ascii())?,
                Some(Data::Target(target)) => write!(f, "->{}", target.escape_ascii())?,
                Some(_) => write!(f, "=")?,
            }
            write!(f, " ")?;
        }
        Ok(())
    }
}
