//! How people name a state of the history: by commit, or by time.
//!
//! The time of a commit is that of its author's clock; a merge, which has no author, counts as made when the
//! later of what it merges was. "The state at a time" is the latest one that counts as made by then.

use std::collections::{BTreeMap, HashMap};

use jiff::civil::{Date, DateTime};
use jiff::{Span, Timestamp, Zoned};

use super::commit::CommitId;
use super::error::VaultError;
use super::vault::Vault;
use super::{ReplicaId, Stamp};
use crate::ambient::WallNanos;

/// The fewest digits that name a commit. (Fewer could be meant as a time: `3d`.)
pub const MIN_PREFIX: usize = 6;

/// A state that someone names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Revision {
    /// The present one.
    Head,
    /// The commit whose id in hexadecimal begins so; lower case.
    Commit(String),
    /// As it was at a time.
    At(WallNanos),
}

/// Why there is no such state.
#[derive(Debug, thiserror::Error)]
pub enum RevisionError {
    /// It is neither a commit nor a time.
    #[error("neither a commit nor a time")]
    Malformed,
    /// No commit of the history begins so.
    #[error("no commit begins so")]
    Unknown,
    /// Several do.
    #[error("{0} commits begin so")]
    Ambiguous(usize),
    /// The history begins later.
    #[error("the history begins later")]
    TooEarly,
    /// The vault failed.
    #[error(transparent)]
    Vault(#[from] VaultError),
}

impl Revision {
    /// Reads `head`, a commit or its first digits (six at least), an RFC 3339 time, a date (its end) with or
    /// without a time on the clock of `now`'s zone, or how long ago: `2h`, `3 days ago`.
    ///
    /// # Errors
    /// [`RevisionError::Malformed`].
    pub fn parse(text: &str, now: &Zoned) -> Result<Revision, RevisionError> {
        let text = text.trim();
        if matches!(text, "head" | "HEAD" | "now") {
            return Ok(Revision::Head);
        }
        if let Some(time) = absolute(text, now).or_else(|| relative(text, now)) {
            let nanos = time.as_nanosecond().clamp(i128::from(i64::MIN), i128::from(i64::MAX));
            return Ok(Revision::At(nanos as WallNanos));
        }
        let digits = (MIN_PREFIX..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_hexdigit());
        if digits { Ok(Revision::Commit(text.to_ascii_lowercase())) } else { Err(RevisionError::Malformed) }
    }

    /// One word that [`Revision::decode`] reads without knowing a clock.
    pub fn encode(&self) -> String {
        match self {
            Revision::Head => "head".to_owned(),
            Revision::Commit(prefix) => format!("commit:{prefix}"),
            Revision::At(nanos) => format!("time:{nanos}"),
        }
    }

    /// The other way; `None` for anything else.
    pub fn decode(word: &str) -> Option<Revision> {
        match word.split_once(':') {
            None if word == "head" => Some(Revision::Head),
            Some(("commit", prefix)) => Some(Revision::Commit(prefix.to_owned())),
            Some(("time", nanos)) => nanos.parse().ok().map(Revision::At),
            _ => None,
        }
    }
}

/// Without separators a date looks like the digits of a commit: it needs them.
fn absolute(text: &str, now: &Zoned) -> Option<Timestamp> {
    if !text.contains('-') {
        return None;
    }
    if let Ok(time) = text.parse::<Timestamp>() {
        return Some(time);
    }
    let zone = now.time_zone().clone();
    let civil = match (text.parse::<Date>(), text.contains(':')) {
        (Ok(date), false) => date.tomorrow().ok()?.at(0, 0, 0, 0),
        _ => text.parse::<DateTime>().ok()?,
    };
    Some(civil.to_zoned(zone).ok()?.timestamp())
}

fn relative(text: &str, now: &Zoned) -> Option<Timestamp> {
    let span: Span = text.parse().ok()?;
    Some(now.checked_sub(span.abs()).ok()?.timestamp())
}

/// A commit and when it counts as made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dated {
    /// The commit.
    pub id: CommitId,
    /// Nanoseconds since 1970; `None` if no author is known of it or of anything below it.
    pub time: Option<WallNanos>,
}

/// When operations were made: to the commit that holds them first.
#[derive(Clone, Debug, Default)]
pub struct OperationTimes(BTreeMap<ReplicaId, BTreeMap<u64, WallNanos>>);

impl OperationTimes {
    /// The time of an operation, if the commit that its device put it in is here.
    pub fn of(&self, stamp: &Stamp) -> Option<WallNanos> {
        let commits = self.0.get(&stamp.replica)?;
        commits.range(stamp.lamport..).next().map(|(_, time)| *time)
    }
}

impl Vault {
    /// When the operations of the whole history were made.
    ///
    /// # Errors
    /// Damage, the disk.
    pub fn operation_times(&self) -> Result<OperationTimes, VaultError> {
        let mut times = OperationTimes::default();
        for commit in self.ancestors(self.head().commit)? {
            let (_, commit) = commit?;
            if let Some(author) = commit.author {
                let lamport = commit.context.lamport(&author.replica);
                times.0.entry(author.replica).or_default().insert(lamport, author.time);
            }
        }
        Ok(times)
    }

    /// The commit that is named.
    ///
    /// # Errors
    /// See [`RevisionError`].
    pub fn revision(&self, revision: &Revision) -> Result<CommitId, RevisionError> {
        match revision {
            Revision::Head => Ok(self.head().commit),
            Revision::Commit(prefix) => self.commit_named(prefix),
            Revision::At(time) => {
                let dated = self.dated_commits()?;
                let found = dated.iter().find(|dated| dated.time.is_some_and(|own| own <= *time));
                found.map(|dated| dated.id).ok_or(RevisionError::TooEarly)
            }
        }
    }

    fn commit_named(&self, prefix: &str) -> Result<CommitId, RevisionError> {
        let mut found = Vec::new();
        for commit in self.ancestors(self.head().commit)? {
            let (id, _) = commit?;
            if id.to_string().starts_with(prefix) {
                found.push(id);
            }
        }
        match found.as_slice() {
            [] => Err(RevisionError::Unknown),
            [only] => Ok(*only),
            several => Err(RevisionError::Ambiguous(several.len())),
        }
    }

    /// The whole history with its times, children before parents.
    ///
    /// # Errors
    /// Damage, the disk.
    pub fn dated_commits(&self) -> Result<Vec<Dated>, VaultError> {
        let mut history = Vec::new();
        for commit in self.ancestors(self.head().commit)? {
            let (id, commit) = commit?;
            history.push((id, commit.parents, commit.author.map(|author| author.time)));
        }
        let mut times: HashMap<CommitId, WallNanos> = HashMap::new();
        let mut dated = Vec::with_capacity(history.len());
        for (id, parents, own) in history.into_iter().rev() {
            let time = own.or_else(|| parents.iter().filter_map(|parent| times.get(parent)).max().copied());
            times.extend(time.map(|time| (id, time)));
            dated.push(Dated { id, time });
        }
        dated.reverse();
        Ok(dated)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Zoned {
        "2026-11-23T12:00:00+01:00[+01:00]".parse().unwrap()
    }

    fn at(text: &str) -> Option<String> {
        match Revision::parse(text, &now()) {
            Ok(Revision::At(nanos)) => Some(Timestamp::from_nanosecond(nanos.into()).unwrap().to_string()),
            _ => None,
        }
    }

    #[test]
    fn times_are_read_as_people_write_them() {
        for (text, time) in [
            ("2026-11-20T08:00:00Z", "2026-11-20T08:00:00Z".to_owned()),
            ("2026-11-20T08:00:00+02:00", "2026-11-20T06:00:00Z".to_owned()),
            ("2026-11-20 08:00", "2026-11-20T07:00:00Z".to_owned()),
            ("2026-11-20", "2026-11-20T23:00:00Z".to_owned()),
            ("2h", "2026-11-23T09:00:00Z".to_owned()),
            ("2h ago", "2026-11-23T09:00:00Z".to_owned()),
            ("3 days ago", "2026-11-20T11:00:00Z".to_owned()),
            ("1d 6h", "2026-11-22T05:00:00Z".to_owned()),
        ] {
            assert_eq!(at(text).as_deref(), Some(time.as_str()), "{text}");
        }
    }

    #[test]
    fn commits_are_hexadecimal_and_not_too_short() {
        let parsed = |text: &str| Revision::parse(text, &now()).ok();
        assert_eq!(parsed("head"), Some(Revision::Head));
        assert_eq!(parsed("0123aBc"), Some(Revision::Commit("0123abc".into())));
        assert_eq!(parsed("20261120"), Some(Revision::Commit("20261120".into())));
        for bad in ["", "xyz", "abc12", "yesterday-ish", "2026-13-40", &"a".repeat(65)] {
            assert_eq!(parsed(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_revision_travels_as_one_word() {
        for revision in [Revision::Head, Revision::Commit("0123ab".into()), Revision::At(-5)] {
            assert_eq!(Revision::decode(&revision.encode()), Some(revision));
        }
        assert_eq!(Revision::decode("time:x"), None);
        assert_eq!(Revision::decode("else"), None);
    }
}
