//! Which content a device asks its peers for first, and which last: directories and files, by their place in the
//! tree. A setting of the device, never sent and no part of the vault's state.

use std::collections::BTreeMap;

use super::{Name, NameError};

/// When content is asked for, beside other content. What a reader waits for comes before all of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rank {
    /// Before the rest.
    First,
    /// With the rest.
    #[default]
    Usual,
    /// When there is no other left.
    Last,
}

/// The whole vault, or a path with a name in it that none can be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{path}` names no directory or file below the vault's top")]
pub struct NoPlace {
    /// As it was given.
    pub path: String,
    /// What is wrong with a name.
    #[source]
    pub name: Option<NameError>,
}

/// The ranks of places. What lies below a place has its rank, unless a place nearer to it has another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Priorities(BTreeMap<Vec<Name>, Rank>);

impl Priorities {
    /// Gives a place a rank; gives the one it had been given before. Slashes before and behind count for nothing.
    ///
    /// # Errors
    /// The path names no place.
    pub fn put(&mut self, path: &str, rank: Rank) -> Result<Option<Rank>, NoPlace> {
        let wrong = |name| NoPlace { path: path.to_owned(), name };
        let trimmed = path.trim_matches('/');
        if trimmed.is_empty() {
            return Err(wrong(None));
        }
        let names = trimmed.split('/').map(Name::new).collect::<Result<Vec<_>, _>>();
        Ok(self.0.insert(names.map_err(|name| wrong(Some(name)))?, rank))
    }

    /// The rank of what stands at `path`.
    pub fn rank(&self, path: &[Name]) -> Rank {
        let places = (1..=path.len()).rev().filter_map(|depth| self.0.get(path.get(..depth)?));
        places.copied().next().unwrap_or_default()
    }

    /// Whether all content has the same rank.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(path: &str) -> Vec<Name> {
        path.split('/').map(|name| Name::new(name).unwrap()).collect()
    }

    #[test]
    fn what_lies_below_a_place_has_its_rank_unless_a_nearer_one_has_another() {
        let mut priorities = Priorities::default();
        assert!(priorities.is_empty());
        for (path, rank) in [
            ("/Photos/", Rank::First),
            ("Photos/raw", Rank::Last),
            ("Photos/raw/best", Rank::First),
            ("film.mkv", Rank::Last),
        ] {
            assert_eq!(priorities.put(path, rank), Ok(None));
            assert_eq!(priorities.put(path, rank), Ok(Some(rank)));
        }
        for (path, rank) in [
            ("Photos", Rank::First),
            ("Photos/2026/a.jpg", Rank::First),
            ("Photos/raw/a.raw", Rank::Last),
            ("Photos/raw/best/b.raw", Rank::First),
            ("Photos 2/a.jpg", Rank::Usual),
            ("film.mkv", Rank::Last),
            ("films/film.mkv", Rank::Usual),
        ] {
            assert_eq!(priorities.rank(&names(path)), rank, "{path}");
        }
        assert_eq!(priorities.rank(&[]), Rank::Usual);
    }

    #[test]
    fn what_is_no_place_is_named() {
        let mut priorities = Priorities::default();
        for path in ["", "/", "//", "a//b", "a/../b", "./a", &"x".repeat(256)] {
            let refused = priorities.put(path, Rank::First).unwrap_err();
            assert!(refused.to_string().contains(&format!("`{path}`")), "{refused}");
        }
        assert!(priorities.is_empty());
    }
}
