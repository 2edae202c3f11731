//! Why an owner is still there: each mount, each `sync --follow`, each waiting ticket and each connected
//! client holds one lease, and an owner in the background ends with its last.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::sync::watch;

/// How long a new owner waits for whoever started it to say what for.
pub const FIRST_LEASE_WAIT: Duration = Duration::from_secs(5);

/// What a lease is held for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LeaseKind {
    /// A client is connected. Alone it does not make an owner one that was used.
    Connection,
    /// A mount.
    Mount,
    /// A `sync --follow`.
    Follow,
    /// A ticket that waits for its device.
    Invitation,
    /// `bosr open`, until `bosr close`.
    Open,
}

#[derive(Clone, Debug, Default)]
struct Held {
    counts: BTreeMap<LeaseKind, usize>,
    used: bool,
}

/// The leases of one owner.
#[derive(Debug)]
pub struct Leases {
    held: watch::Sender<Held>,
    first_wait: Duration,
}

/// Keeps the owner there until it is dropped.
#[derive(Debug)]
pub struct Lease {
    kind: LeaseKind,
    held: watch::Sender<Held>,
}

impl Leases {
    /// None held yet; the first is waited for as long as `first_wait`.
    pub fn new(first_wait: Duration) -> Self {
        Leases { held: watch::Sender::new(Held::default()), first_wait }
    }

    /// Takes one.
    pub fn take(&self, kind: LeaseKind) -> Lease {
        self.held.send_modify(|held| {
            *held.counts.entry(kind).or_default() += 1;
            held.used |= kind != LeaseKind::Connection;
        });
        Lease { kind, held: self.held.clone() }
    }

    /// How many of a kind are held.
    pub fn count(&self, kind: LeaseKind) -> usize {
        self.held.borrow().counts.get(&kind).copied().unwrap_or_default()
    }

    /// Returns once none of a kind is held.
    pub async fn without(&self, kind: LeaseKind) {
        let mut held = self.held.subscribe();
        let _ = held.wait_for(|held| held.counts.get(&kind).is_none_or(|count| *count == 0)).await;
    }

    /// Returns once nothing but connections is held.
    pub async fn unused(&self) {
        let mut held = self.held.subscribe();
        let others = |held: &Held| {
            held.counts.iter().any(|(kind, count)| *kind != LeaseKind::Connection && *count > 0)
        };
        let _ = held.wait_for(|held| !others(held)).await;
    }

    /// Returns once the last lease is gone, or if none but connections came at all.
    pub async fn ended(&self) {
        let mut held = self.held.subscribe();
        // The sender lives in self: waiting cannot fail while this runs.
        let first = held.wait_for(|held| held.used);
        let _ = tokio::time::timeout(self.first_wait, async { first.await.map(drop) }).await;
        let _ = held.wait_for(|held| held.counts.values().all(|count| *count == 0)).await;
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.held.send_modify(|held| {
            if let Some(count) = held.counts.get_mut(&self.kind) {
                *count = count.saturating_sub(1);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    const NEVER: Duration = Duration::from_secs(1 << 30);

    #[tokio::test]
    async fn an_owner_ends_with_its_last_lease() {
        let leases = Leases::new(NEVER);
        let (mount, follow) = (leases.take(LeaseKind::Mount), leases.take(LeaseKind::Follow));
        let ended = leases.ended();
        tokio::pin!(ended);
        assert!(ended.as_mut().now_or_never().is_none());
        drop(mount);
        assert!(ended.as_mut().now_or_never().is_none());
        assert_eq!(leases.count(LeaseKind::Follow), 1);
        drop(follow);
        ended.await;
    }

    #[tokio::test]
    async fn a_client_that_only_looks_does_not_end_a_new_owner() {
        let leases = Leases::new(NEVER);
        drop(leases.take(LeaseKind::Connection));
        assert!(leases.ended().now_or_never().is_none());
        drop(leases.take(LeaseKind::Mount));
        leases.ended().await;
    }

    #[tokio::test]
    async fn an_owner_that_nobody_uses_ends_by_itself() {
        let leases = Leases::new(Duration::ZERO);
        let looking = leases.take(LeaseKind::Connection);
        assert!(leases.ended().now_or_never().is_none());
        drop(looking);
        leases.ended().await;
    }
}
