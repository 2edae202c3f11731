//! Word of each new durable head of a vault, for a task that acts on it.

use std::sync::Arc;

use tokio::sync::Notify;

use crate::vault::{ChangeSet, Changes, Origin, Vault};

/// Hears of new heads as long as it lives; for one task.
pub struct NewHeads {
    vault: Arc<Vault>,
    origin: Origin,
    told: Arc<Told>,
}

struct Told(Notify);

impl Changes for Told {
    fn changed(&self, _: &ChangeSet) {}

    fn committed(&self) {
        self.0.notify_one();
    }
}

impl NewHeads {
    /// Of a vault, from now on.
    pub fn of(vault: &Arc<Vault>) -> Self {
        let told = Arc::new(Told(Notify::new()));
        let origin = vault.subscribe(told.clone());
        NewHeads { vault: vault.clone(), origin, told }
    }

    /// Returns when there has been one since the last time.
    pub async fn next(&self) {
        self.told.0.notified().await;
    }
}

impl Drop for NewHeads {
    fn drop(&mut self) {
        self.vault.unsubscribe(self.origin);
    }
}
