//! Places in a vault as people list them, to come first or last: `["Photos/2026", "Documents"]` in the configuration,
//! `Photos/2026:Documents` in the environment.

use std::str::FromStr;

use serde::Deserialize;

use crate::vault::{NoPlace, Priorities, Rank};

/// A list of directories and files, by their paths in the vault.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Vec<String>")]
pub struct Places(Vec<String>);

impl Places {
    fn give(&self, rank: Rank, priorities: &mut Priorities) -> Result<(), String> {
        for path in &self.0 {
            let before = priorities.put(path, rank).map_err(|error| error.to_string())?;
            if before.is_some_and(|before| before != rank) {
                return Err(format!("`{path}` is to come first and last: name it in one of them"));
            }
        }
        Ok(())
    }
}

/// What comes first and what comes last.
///
/// # Errors
/// A place that is in both.
pub fn priorities(first: &Places, last: &Places) -> Result<Priorities, String> {
    let mut priorities = Priorities::default();
    first.give(Rank::First, &mut priorities)?;
    last.give(Rank::Last, &mut priorities)?;
    Ok(priorities)
}

impl TryFrom<Vec<String>> for Places {
    type Error = NoPlace;

    fn try_from(paths: Vec<String>) -> Result<Self, NoPlace> {
        let mut any = Priorities::default();
        for path in &paths {
            any.put(path, Rank::First)?;
        }
        Ok(Places(paths))
    }
}

impl FromStr for Places {
    type Err = NoPlace;

    fn from_str(text: &str) -> Result<Self, NoPlace> {
        let paths = text.split(':').filter(|path| !path.is_empty());
        paths.map(str::to_owned).collect::<Vec<_>>().try_into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vault::Name;

    #[test]
    fn places_are_listed_as_paths_are_in_the_environment() {
        let places = |text: &str| text.parse::<Places>();
        assert_eq!(places("a/b:c").unwrap(), Places(vec!["a/b".into(), "c".into()]));
        assert_eq!(places("").unwrap(), Places::default());
        assert_eq!(places("a::").unwrap(), Places(vec!["a".into()]));
        assert!(places("a:../b").unwrap_err().to_string().contains("`../b`"));
    }

    #[test]
    fn a_place_comes_first_or_last_and_not_both() {
        let places = |text: &str| text.parse::<Places>().unwrap();
        let made = priorities(&places("a:b/c"), &places("b")).unwrap();
        let path = |names: &[&str]| names.iter().map(|name| Name::new(*name).unwrap()).collect::<Vec<_>>();
        assert_eq!(made.rank(&path(&["a", "x"])), Rank::First);
        assert_eq!(made.rank(&path(&["b", "c"])), Rank::First);
        assert_eq!(made.rank(&path(&["b", "x"])), Rank::Last);
        let both = priorities(&places("a"), &places("b:/a/")).unwrap_err();
        assert!(both.contains("`/a/`"), "{both}");
    }
}
