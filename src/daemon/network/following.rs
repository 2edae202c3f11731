//! The peers that are dialled and kept in step with, each once however many ask for it.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use tokio::sync::watch;

use super::super::news::News;
use super::book::{KnownPeers, Peer};
use crate::crypto::DevicePublic;
use crate::miror::replicator::{Following, Replicator};

/// Who is followed.
pub struct Followings {
    replicator: Replicator,
    peers: KnownPeers,
    running: Mutex<HashMap<String, (Peer, Weak<Following>)>>,
    news: News,
    wanted: Arc<()>,
}

/// Somebody wants peers, also those that are not known yet, as long as this lives.
pub struct Wanted {
    _counted: Arc<()>,
}

impl Followings {
    /// Nobody yet; `news` is told when a device has shown where it is.
    pub fn new(replicator: Replicator, peers: KnownPeers, news: News) -> Self {
        Followings { replicator, peers, running: Mutex::default(), news, wanted: Arc::default() }
    }

    /// Says that peers are wanted: they are looked for.
    pub fn want(&self) -> Wanted {
        Wanted { _counted: self.wanted.clone() }
    }

    /// Whether anybody wants peers.
    pub fn are_wanted(&self) -> bool {
        Arc::strong_count(&self.wanted) > 1
    }

    /// Keeps a session to each peer that is known and has an address, as long as the handles live.
    pub fn hold_all(&self) -> Vec<Arc<Following>> {
        self.hold(&(self.peers)())
    }

    /// Keeps a session to each of `peers` that has an address, as long as the handles live.
    pub fn hold(&self, peers: &[Peer]) -> Vec<Arc<Following>> {
        let mut running = self.running.lock();
        running.retain(|_, (_, following)| following.strong_count() > 0);
        peers.iter().filter_map(|peer| self.follow(&mut running, peer)).collect()
    }

    fn follow(
        &self,
        running: &mut HashMap<String, (Peer, Weak<Following>)>,
        peer: &Peer,
    ) -> Option<Arc<Following>> {
        if let Some((known, following)) = running.get_mut(&peer.alias)
            && let Some(following) = following.upgrade()
            && is_still(known, peer)
        {
            // One that was found and is announced no more may still be there: its session is left alone.
            if !peer.addresses.is_empty() {
                following.look_at(peer.addresses.clone());
                known.clone_from(peer);
            }
            return (known.found || !peer.addresses.is_empty()).then_some(following);
        }
        if peer.addresses.is_empty() {
            return None;
        }
        let following = Arc::new(self.replicator.follow(peer.dialled()));
        running.insert(peer.alias.clone(), (peer.clone(), Arc::downgrade(&following)));
        Some(following)
    }

    /// A device has shown where it is: whoever follows it dials now.
    pub fn hear_of(&self, device: &DevicePublic) {
        self.nudge(|peer| peer.key == Some(*device));
        self.look_again();
    }

    /// Peers may be elsewhere than they were: it is time to look at them again.
    pub fn look_again(&self) {
        self.news.tell();
    }

    /// The network has changed: all are dialled now that are not connected.
    pub fn nudge_all(&self) {
        self.nudge(|_| true);
    }

    /// Changes when it is time to look at the peers again.
    pub fn news(&self) -> watch::Receiver<()> {
        self.news.subscribe()
    }

    fn nudge(&self, whom: impl Fn(&Peer) -> bool) {
        let running = self.running.lock();
        let meant = running.values().filter(|(peer, _)| whom(peer));
        meant.filter_map(|(_, following)| following.upgrade()).for_each(|following| following.nudge());
    }
}

/// Whether a peer of the same alias is the one that is followed already, perhaps at other addresses.
fn is_still(known: &Peer, peer: &Peer) -> bool {
    known.addresses == peer.addresses || (known.key.is_some() && known.key == peer.key)
}
