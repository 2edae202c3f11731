//! Which logs are kept: of each peer the newest of either direction, some in all, and none that nobody has gone on
//! with for a month. What is dropped costs a new difference if its transfer goes on after all.

use std::collections::BTreeMap;

use super::Role;
use super::files::Name;
use crate::ambient::WallNanos;
use crate::crypto::DevicePublic;
use crate::miror::limits;

/// Logs kept in all.
const KEPT: usize = 32;
/// Logs kept of one peer in one direction: as many as it can ask to go on with.
const KEPT_OF_ONE: usize = limits::RESUMED;
/// How long a log is kept that nobody begins or goes on with: 30 days. By then the state it offers is history.
const UNUSED: WallNanos = 30 * 24 * 3600 * 1_000_000_000;

/// What decides about a log.
#[derive(Clone, Copy, Debug)]
pub(super) struct Standing {
    /// Larger is newer.
    pub(super) age: u64,
    /// When it was begun or gone on with last.
    pub(super) used: WallNanos,
}

/// Nobody will go on with it. A clock that was set back makes nothing old.
pub(super) fn is_forgotten(standing: Standing, now: WallNanos) -> bool {
    now.saturating_sub(standing.used) > UNUSED
}

/// The logs that are too many, the oldest of a peer first.
pub(super) fn surplus(logs: impl Iterator<Item = (Name, Standing)>) -> Vec<Name> {
    let mut by_age: Vec<_> = logs.map(|(name, standing)| (standing.age, name)).collect();
    by_age.sort_unstable_by(|a, b| b.cmp(a));
    let mut of_one: BTreeMap<(DevicePublic, Role), usize> = BTreeMap::new();
    let (mut kept, mut surplus) = (0, Vec::new());
    for (_, name) in by_age {
        let count = of_one.entry((name.0, name.1.role)).or_default();
        if *count >= KEPT_OF_ONE || kept >= KEPT {
            surplus.push(name);
        } else {
            *count += 1;
            kept += 1;
        }
    }
    surplus
}
