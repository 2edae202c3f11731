//! A session kept up: dialled again when it ends, until the handle is dropped.

use std::sync::Arc;

use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::{Config, PeerAddress, Replicator};
use crate::miror::backoff::Backoff;

/// Keeps a session to a peer for as long as it lives.
#[derive(Debug)]
pub struct Following {
    now: Arc<Notify>,
    task: JoinHandle<()>,
}

impl Following {
    pub(super) fn start(replicator: Replicator, peer: PeerAddress) -> Self {
        let now = Arc::new(Notify::new());
        let task = tokio::spawn(keep(replicator, peer, now.clone()));
        Following { now, task }
    }

    /// Dials now rather than after the wait: the network has changed, or the peer was seen.
    pub fn nudge(&self) {
        self.now.notify_one();
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn keep(replicator: Replicator, mut peer: PeerAddress, now: Arc<Notify>) {
    let mut backoff = Backoff::default();
    let mut closing = replicator.0.closing.subscribe();
    loop {
        if let Some(key) = &peer.key {
            replicator.0.registry.gone(key).await;
        }
        let attempt = async {
            let link = replicator.dial(&peer).await?;
            peer.key = Some(link.peer);
            replicator.converse(link, Config::follow(&replicator.0.parts.name)).await
        };
        let result = tokio::select! {
            result = attempt => result,
            _ = closing.wait_for(|closing| *closing) => return,
        };
        match result {
            Ok(summary) => backoff.ended(summary.took),
            Err(error) => tracing::info!(%error, "session ended"),
        }
        let wait = backoff.next(&*replicator.0.parts.ambient.entropy);
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = now.notified() => {}
            _ = closing.wait_for(|closing| *closing) => return,
        }
    }
}
