//! Tells the sessions of each new durable head, and the vault whether anybody waits for one.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;

use super::super::new_heads::NewHeads;
use super::Meter;
use crate::ambient::Clock;
use crate::miror::replicator::Replicator;
use crate::vault::Vault;

/// How often sessions are counted while there are any, and what they bring is measured.
const COUNT_INTERVAL: Duration = Duration::from_millis(250);

/// Runs until it is dropped.
pub struct Publisher([JoinHandle<()>; 2]);

impl Publisher {
    /// Begins.
    pub fn start(
        vault: Arc<Vault>,
        replicator: Replicator,
        meter: Arc<Meter>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let publishing = tokio::spawn(publish(NewHeads::of(&vault), replicator.clone()));
        let counting = tokio::spawn(count(vault, replicator, meter, clock));
        Publisher([publishing, counting])
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        self.0.iter().for_each(JoinHandle::abort);
    }
}

async fn publish(heads: NewHeads, replicator: Replicator) {
    loop {
        heads.next().await;
        let replicator = replicator.clone();
        match tokio::task::spawn_blocking(move || replicator.publish()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "peers could not be told of a new state"),
            Err(error) => tracing::warn!(%error, "peers could not be told of a new state"),
        }
    }
}

async fn count(vault: Arc<Vault>, replicator: Replicator, meter: Arc<Meter>, clock: Arc<dyn Clock>) {
    let mut followed = false;
    loop {
        let sessions = replicator.sessions();
        meter.note(clock.monotonic(), &sessions);
        let now = !sessions.is_empty();
        if now != followed {
            vault.set_followed(now);
            followed = now;
        }
        if now {
            tokio::time::sleep(COUNT_INTERVAL).await;
        } else {
            replicator.until(|sessions| !sessions.is_empty()).await;
        }
    }
}
