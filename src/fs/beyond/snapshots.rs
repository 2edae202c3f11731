//! The names under `.bosr/snapshots/`: the times at which something was committed, to the second, in UTC.
//!
//! Listed are these; reached by name is also any other time or date, and any commit by its first digits. A
//! name means the latest state that counts as made by the end of that second.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

use crate::ambient::WallNanos;
use crate::vault::{CommitId, Revision, RevisionError, Vault, VaultError};

/// The most snapshots that are listed: the latest.
const MOST_LISTED: usize = 10_000;
const SECOND: i64 = 1_000_000_000;

/// A snapshot that is listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Snapshot {
    /// Its second since 1970.
    pub(super) second: i64,
    /// The state.
    pub(super) commit: CommitId,
}

impl Snapshot {
    /// Its name.
    pub(super) fn name(&self) -> String {
        name(self.second)
    }
}

fn name(second: i64) -> String {
    Timestamp::from_second(second).map_or_else(|_| second.to_string(), |time| time.to_string())
}

/// The snapshots that are listed, by time.
pub(super) fn listed(vault: &Vault) -> Result<Vec<Snapshot>, VaultError> {
    let mut seconds: BTreeMap<i64, CommitId> = BTreeMap::new();
    // Children come before parents: the first of a second is the latest.
    for dated in vault.dated_commits()? {
        if let Some(time) = dated.time.filter(|time| *time >= 0) {
            seconds.entry(time.div_euclid(SECOND)).or_insert(dated.id);
        }
        if seconds.len() > MOST_LISTED {
            seconds.pop_first();
        }
    }
    Ok(seconds.into_iter().map(|(second, commit)| Snapshot { second, commit }).collect())
}

/// The commit that a name leads to, if it leads anywhere.
pub(super) fn find(vault: &Vault, name: &str, now: WallNanos) -> Result<Option<CommitId>, VaultError> {
    let now = Timestamp::from_nanosecond(i128::from(now)).unwrap_or(Timestamp::UNIX_EPOCH);
    let Some(revision) = revision(name, &now.to_zoned(TimeZone::UTC)) else { return Ok(None) };
    match vault.revision(&revision) {
        Ok(commit) => Ok(Some(commit)),
        Err(RevisionError::Vault(error)) => Err(error),
        Err(_) => Ok(None),
    }
}

/// What a name means. A name means one state for good: no `head`, and no times counted from now.
fn revision(name: &str, now: &Zoned) -> Option<Revision> {
    match Revision::parse(name, now).ok()? {
        Revision::At(_) if !name.contains('-') => None,
        Revision::At(time) => Some(Revision::At(time.div_euclid(SECOND) * SECOND + (SECOND - 1))),
        Revision::Commit(prefix) => Some(Revision::Commit(prefix)),
        Revision::Head => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_means_the_end_of_its_second() {
        let now = Timestamp::UNIX_EPOCH.to_zoned(TimeZone::UTC);
        let second = 1_700_000_000;
        assert_eq!(name(second), "2023-11-14T22:13:20Z");
        let end = Revision::At(second * SECOND + 999_999_999);
        assert_eq!(revision(&name(second), &now), Some(end));
        assert_eq!(revision("0a1b2c3", &now), Some(Revision::Commit("0a1b2c3".into())));
        for none in ["head", "2h", "3 days ago", "index.html", ".git"] {
            assert_eq!(revision(none, &now), None, "{none}");
        }
    }
}
