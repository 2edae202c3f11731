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
    /// The owner ends: nobody gets a lease any more.
    over: bool,
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

    /// Takes one; `None` once the owner ends.
    pub fn take(&self, kind: LeaseKind) -> Option<Lease> {
        let taken = self.held.send_if_modified(|held| {
            if !held.over {
                *held.counts.entry(kind).or_default() += 1;
                held.used |= kind != LeaseKind::Connection;
            }
            !held.over
        });
        taken.then(|| Lease { kind, held: self.held.clone() })
    }

    /// No more from now on: the owner ends, whoever still holds one.
    pub fn end(&self) {
        self.held.send_modify(|held| held.over = true);
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

    /// Returns once the last lease is gone, or if none but connections came at all. Nobody gets one then.
    pub async fn ended(&self) {
        let mut held = self.held.subscribe();
        // The sender lives in self: waiting cannot fail while this runs.
        let first = held.wait_for(|held| held.used);
        let _ = tokio::time::timeout(self.first_wait, async { first.await.map(drop) }).await;
        loop {
            let _ = held.wait_for(Held::is_free).await;
            // Somebody may have come since: whoever has a lease is served.
            if self.held.send_if_modified(|held| {
                held.over |= held.is_free();
                held.over
            }) {
                return;
            }
        }
    }
}

impl Held {
    fn is_free(&self) -> bool {
        self.counts.values().all(|count| *count == 0)
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
        let (mount, follow) =
            (leases.take(LeaseKind::Mount).unwrap(), leases.take(LeaseKind::Follow).unwrap());
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
    async fn an_owner_that_ends_gives_no_leases() {
        let leases = Leases::new(Duration::ZERO);
        let mount = leases.take(LeaseKind::Mount);
        drop(mount.unwrap());
        leases.ended().await;
        assert!(leases.take(LeaseKind::Mount).is_none() && leases.take(LeaseKind::Connection).is_none());
        let told = Leases::new(NEVER);
        let held = told.take(LeaseKind::Mount).unwrap();
        told.end();
        assert!(told.take(LeaseKind::Connection).is_none());
        assert!(told.ended().now_or_never().is_none());
        drop(held);
        told.ended().await;
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
        let looking = leases.take(LeaseKind::Connection).unwrap();
        assert!(leases.ended().now_or_never().is_none());
        drop(looking);
        leases.ended().await;
    }
}
