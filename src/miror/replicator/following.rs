//! A session kept up: dialled again when it ends, until the handle is dropped.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::{Config, Link, PeerAddress, PeerError, Replicator};
use crate::miror::backoff::Backoff;

/// Keeps a session to a peer for as long as it lives.
#[derive(Debug)]
pub struct Following {
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    peer: Mutex<PeerAddress>,
    news: Notify,
}

impl Following {
    pub(super) fn start(replicator: Replicator, peer: PeerAddress) -> Self {
        let shared = Arc::new(Shared { peer: Mutex::new(peer), news: Notify::new() });
        let task = tokio::spawn(keep(replicator, shared.clone()));
        Following { shared, task }
    }

    /// Dials now rather than after the wait: the network has changed, or the peer was seen.
    pub fn nudge(&self) {
        self.shared.news.notify_one();
    }

    /// Dials these addresses from now on, and at once if one of them is new. A session that runs is left alone.
    pub fn look_at(&self, addresses: Vec<String>) {
        let mut peer = self.shared.peer.lock();
        let new = addresses.iter().any(|address| !peer.addresses.contains(address));
        peer.addresses = addresses;
        if new {
            self.nudge();
        }
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn keep(replicator: Replicator, shared: Arc<Shared>) {
    let mut backoff = Backoff::default();
    let mut closing = replicator.0.closing.subscribe();
    loop {
        let key = shared.peer.lock().key;
        if let Some(key) = &key {
            replicator.until(|sessions| sessions.iter().all(|session| session.peer != *key)).await;
        }
        let attempt = async {
            let link = dial(&replicator, &shared).await?;
            shared.peer.lock().key = Some(link.peer);
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
            () = shared.news.notified() => {}
            _ = closing.wait_for(|closing| *closing) => return,
        }
    }
}

/// Dials; at news it begins anew, with the addresses of then: what it is waiting for may be of no use any more.
async fn dial(replicator: &Replicator, shared: &Shared) -> Result<Link, PeerError> {
    loop {
        let peer = shared.peer.lock().clone();
        tokio::select! {
            dialled = replicator.dial(&peer) => return dialled,
            () = shared.news.notified() => {}
        }
    }
}
