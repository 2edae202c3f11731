//! The peers that are dialled and kept in step with, each once however many ask for it.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;

use super::book::{KnownPeers, Peer};
use crate::miror::replicator::{Following, Replicator};

/// Who is followed.
pub struct Followings {
    replicator: Replicator,
    peers: KnownPeers,
    running: Mutex<HashMap<String, (Peer, Weak<Following>)>>,
}

impl Followings {
    /// Nobody yet.
    pub fn new(replicator: Replicator, peers: KnownPeers) -> Self {
        Followings { replicator, peers, running: Mutex::default() }
    }

    /// Keeps a session to each peer that is known and has an address, as long as the handles live.
    pub fn hold_all(&self) -> Vec<Arc<Following>> {
        self.hold(&(self.peers)())
    }

    /// Keeps a session to each of `peers` that has an address, as long as the handles live.
    pub fn hold(&self, peers: &[Peer]) -> Vec<Arc<Following>> {
        let mut running = self.running.lock();
        running.retain(|_, (_, following)| following.strong_count() > 0);
        let reachable = peers.iter().filter(|peer| !peer.addresses.is_empty());
        reachable.map(|peer| self.follow(&mut running, peer)).collect()
    }

    fn follow(&self, running: &mut HashMap<String, (Peer, Weak<Following>)>, peer: &Peer) -> Arc<Following> {
        let current = running.get(&peer.alias).filter(|(known, _)| known.addresses == peer.addresses);
        if let Some(following) = current.and_then(|(_, following)| following.upgrade()) {
            return following;
        }
        let following = Arc::new(self.replicator.follow(peer.dialled()));
        running.insert(peer.alias.clone(), (peer.clone(), Arc::downgrade(&following)));
        following
    }
}
