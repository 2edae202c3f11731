//! The one CRDT of the vault: a set of values, each under the stamp of the operation that wrote it.
//!
//! To write is to remove the versions the writer was shown and to add one. Two versions stand side by side
//! exactly when neither writer had been shown the other. The join is commutative, associative and idempotent
//! for states that hold everything their contexts claim (argument: `docs/specs/merge.md`, "The join").
//!
//! Invariant: sorted by stamp, no stamp twice. (One operation that writes a field twice takes two stamps.)

use super::{Context, Stamp};

/// Values side by side, usually one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Versions<T>(Vec<(Stamp, T)>);

impl<T> Default for Versions<T> {
    fn default() -> Self {
        Versions(Vec::new())
    }
}

impl<T> Versions<T> {
    /// A set of one.
    pub fn one(stamp: Stamp, value: T) -> Self {
        Versions(vec![(stamp, value)])
    }

    /// Whether nothing was ever written, or all of it removed.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many stand side by side.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The version with the greatest stamp.
    pub fn winner(&self) -> Option<(Stamp, &T)> {
        self.0.last().map(|(stamp, value)| (*stamp, value))
    }

    /// The value written under `stamp`.
    pub fn at(&self, stamp: &Stamp) -> Option<&T> {
        let index = self.0.binary_search_by(|(own, _)| own.cmp(stamp)).ok()?;
        self.0.get(index).map(|(_, value)| value)
    }

    /// Versions in ascending order of their stamps.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (Stamp, &T)> + ExactSizeIterator {
        self.0.iter().map(|(stamp, value)| (*stamp, value))
    }

    /// Stamps in ascending order.
    pub fn stamps(&self) -> impl DoubleEndedIterator<Item = Stamp> + ExactSizeIterator {
        self.0.iter().map(|(stamp, _)| *stamp)
    }

    /// Adds a version; one that is there under that stamp stays as it is.
    pub fn insert(&mut self, stamp: Stamp, value: T) {
        if let Err(index) = self.0.binary_search_by(|(own, _)| own.cmp(&stamp)) {
            self.0.insert(index, (stamp, value));
        }
    }

    /// Takes the version under `stamp` out.
    pub fn remove(&mut self, stamp: &Stamp) -> Option<T> {
        let index = self.0.binary_search_by(|(own, _)| own.cmp(stamp)).ok()?;
        Some(self.0.remove(index).1)
    }
}

impl<T: PartialEq> Versions<T> {
    /// Whether what stands under one stamp in both is the same in both, as it must be.
    pub fn agrees_with(&self, other: &Self) -> bool {
        self.iter().all(|(stamp, value)| other.at(&stamp).is_none_or(|theirs| theirs == value))
    }
}

impl<T: Clone> Versions<T> {
    /// What both have, and what one has and the other has not seen. `own` and `theirs` are the contexts of
    /// the states the two sets belong to.
    #[must_use]
    pub fn join(&self, own: &Context, other: &Self, theirs: &Context) -> Self {
        let mut joined: Vec<(Stamp, T)> = Vec::with_capacity(self.0.len().max(other.0.len()));
        let kept = |set: &Self, context: &Context, stamp: &Stamp| {
            set.at(stamp).is_some() || !context.has_seen(stamp)
        };
        joined.extend(self.0.iter().filter(|(stamp, _)| kept(other, theirs, stamp)).cloned());
        let new = other.0.iter().filter(|(stamp, _)| self.at(stamp).is_none() && !own.has_seen(stamp));
        joined.extend(new.cloned());
        joined.sort_by_key(|(stamp, _)| *stamp);
        Versions(joined)
    }
}

impl<T> FromIterator<(Stamp, T)> for Versions<T> {
    fn from_iter<I: IntoIterator<Item = (Stamp, T)>>(versions: I) -> Self {
        let mut set = Versions::default();
        for (stamp, value) in versions {
            set.insert(stamp, value);
        }
        set
    }
}
