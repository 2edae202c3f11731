//! The conditions between all hosts and what has happened to their packets: what the lab sets and the relay reads.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::Condition;

/// What went from one host to another while the relay carried it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) packets: u64,
    pub(crate) bytes: u64,
    /// Lost by chance, silence or a protocol shut out.
    pub(crate) lost: u64,
    /// Lost since too much was under way.
    pub(crate) overrun: u64,
}

/// Everything about one direction.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Direction {
    pub(crate) condition: Condition,
    pub(crate) counts: Counts,
}

/// Every direction between `hosts` hosts.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) hosts: usize,
    directions: Mutex<Vec<Direction>>,
}

impl Table {
    pub(crate) fn new(hosts: usize) -> Table {
        Table { hosts, directions: Mutex::new(vec![Direction::default(); hosts * hosts]) }
    }

    fn locked(&self) -> MutexGuard<'_, Vec<Direction>> {
        self.directions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn direction(&self, from: usize, to: usize) -> Direction {
        self.locked().get(from * self.hosts + to).copied().unwrap_or_default()
    }

    /// Changes one direction.
    pub(crate) fn change(&self, from: usize, to: usize, change: impl FnOnce(&mut Direction)) {
        if let Some(direction) = self.locked().get_mut(from * self.hosts + to) {
            change(direction);
        }
    }

    pub(crate) fn all_clear(&self) -> bool {
        self.locked().iter().all(|direction| direction.condition.is_clear())
    }
}
