//! What a state has seen: a version vector over replicas.
//!
//! States are exchanged and joined whole, so a state holds everything its context claims, and two states
//! with equal contexts are equal.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{ReplicaId, Stamp};

/// The furthest a lamport may run ahead of what we know before the state that names it is refused: 2^40.
pub const MAX_LEAP: u64 = 1 << 40;

/// Map from replica to the highest lamport seen of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Context(BTreeMap<ReplicaId, u64>);

impl Context {
    /// The context of an empty vault.
    pub fn new() -> Self {
        Context::default()
    }

    /// Whether the operation with this stamp is part of the state.
    pub fn has_seen(&self, stamp: &Stamp) -> bool {
        self.lamport(&stamp.replica) >= stamp.lamport
    }

    /// The highest lamport seen of `replica`, 0 if none.
    pub fn lamport(&self, replica: &ReplicaId) -> u64 {
        self.0.get(replica).copied().unwrap_or(0)
    }

    /// The highest lamport seen of anyone, 0 if none.
    pub fn highest(&self) -> u64 {
        self.0.values().copied().max().unwrap_or(0)
    }

    /// Takes the operation with this stamp, and all before it of its replica, as seen.
    pub fn observe(&mut self, stamp: &Stamp) {
        let lamport = self.0.entry(stamp.replica).or_insert(0);
        *lamport = (*lamport).max(stamp.lamport);
    }

    /// Sets or (with 0) forgets what was seen of `replica`. For a replica that meets another life of itself.
    pub fn set(&mut self, replica: ReplicaId, lamport: u64) {
        if lamport == 0 {
            self.0.remove(&replica);
        } else {
            self.0.insert(replica, lamport);
        }
    }

    /// The union: what either has seen.
    pub fn join(&self, other: &Context) -> Context {
        let mut joined = self.clone();
        for (replica, lamport) in other.iter() {
            joined.observe(&Stamp { lamport, replica });
        }
        joined
    }

    /// Whether everything `other` has seen was seen here too.
    pub fn contains(&self, other: &Context) -> bool {
        other.iter().all(|(replica, lamport)| self.lamport(&replica) >= lamport)
    }

    /// Whether `other` runs so far ahead of this context that it cannot be honest (see [`MAX_LEAP`]).
    pub fn refuses(&self, other: &Context) -> bool {
        other.highest() > self.highest().saturating_add(MAX_LEAP)
    }

    /// Replicas in ascending order, with their highest lamports.
    pub fn iter(&self) -> impl Iterator<Item = (ReplicaId, u64)> + '_ {
        self.0.iter().map(|(replica, lamport)| (*replica, *lamport))
    }

    /// How many replicas were seen.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing was seen.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<(ReplicaId, u64)> for Context {
    fn from_iter<I: IntoIterator<Item = (ReplicaId, u64)>>(pairs: I) -> Self {
        let mut context = Context::new();
        for (replica, lamport) in pairs {
            context.observe(&Stamp { lamport, replica });
        }
        context
    }
}

impl PartialOrd for Context {
    /// `Less` if everything here was seen by the other, and more; `None` if each saw what the other did not.
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        match (self.contains(other), other.contains(self)) {
            (true, true) => Some(Ordering::Equal),
            (true, false) => Some(Ordering::Greater),
            (false, true) => Some(Ordering::Less),
            (false, false) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replica(byte: u8) -> ReplicaId {
        ReplicaId([byte; 8])
    }

    fn context(pairs: &[(u8, u64)]) -> Context {
        pairs.iter().map(|(byte, lamport)| (replica(*byte), *lamport)).collect()
    }

    #[test]
    fn a_join_contains_both_and_order_is_partial() {
        let (a, b) = (context(&[(1, 5), (2, 1)]), context(&[(1, 3), (3, 9)]));
        assert_eq!(a.partial_cmp(&b), None);
        let joined = a.join(&b);
        assert_eq!(joined, context(&[(1, 5), (2, 1), (3, 9)]));
        assert!(joined > a && joined > b);
        assert_eq!(joined.highest(), 9);
    }

    #[test]
    fn a_zero_entry_is_no_entry() {
        let mut a = context(&[(1, 5)]);
        a.set(replica(1), 0);
        assert_eq!(a, Context::new());
        assert_eq!(a.iter().count(), 0);
    }

    #[test]
    fn a_leap_beyond_the_bound_is_refused() {
        let here = context(&[(1, 7)]);
        assert!(!here.refuses(&context(&[(2, 7 + MAX_LEAP)])));
        assert!(here.refuses(&context(&[(2, 8 + MAX_LEAP)])));
    }
}
