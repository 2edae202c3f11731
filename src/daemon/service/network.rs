//! In step with the peers: once, or as long as somebody wants it; and devices that are to become peers.

use std::time::Duration;

use super::super::api::{
    Amount, Invitation, InvitationRequest, PeerSynced, Peers, SyncProgress, Synced, VERSION,
};
use super::super::error::{DaemonError, chain};
use super::super::lease::LeaseKind;
use super::super::network::{Listen, Peer, reachable};
use super::super::new_heads::NewHeads;
use super::super::opening::vault_error;
use super::super::updates::Reporter;
use super::Service;
use crate::miror::admission::Refusal;
use crate::miror::handshake::HandshakeError;
use crate::miror::replica::ReplicaError;
use crate::miror::replicator::{Direction, PeerError, Status};
use crate::miror::session::{Progress, Summary};
use crate::miror::ticket::LIFETIME;
use crate::vault::Fold;

/// How long a ticket is good for, unless less was asked for.
const LONGEST_TICKET: Duration = Duration::from_nanos(LIFETIME.unsigned_abs());
/// How often the progress of a transfer is told.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(100);
/// How long a peer that is not where it was is looked for on the local network.
const NEARBY_WAIT: Duration = Duration::from_secs(3);
/// How long a follower lets what happens in sessions come together before it tells of it.
const GATHERING: Duration = Duration::from_millis(250);

impl Service {
    /// Where peers reach this vault.
    pub(super) async fn listening(&self) -> Option<String> {
        self.network.listening.address().await.map(|address| address.to_string())
    }

    /// Makes a ticket and waits until a device has joined with it or it has expired.
    pub async fn invite(
        &self,
        request: InvitationRequest,
        reporter: Reporter<Invitation>,
    ) -> Result<(), DaemonError> {
        let _lease = self.lease(LeaseKind::Invitation)?;
        let asked = request.listen.map(|asked| Listen::parse(Some(&asked))).transpose()?;
        let bound = self.network.listening.begin_at(asked.as_ref(), &self.network.replicator).await?;
        let bound = bound.ok_or_else(|| DaemonError::Listen {
            address: "any address".to_owned(),
            causes: vec!["listening is turned off".to_owned()],
        })?;
        let mut joined = self.network.replicator.joined();
        let lifetime =
            request.valid_seconds.map(Duration::from_secs).unwrap_or(LONGEST_TICKET).min(LONGEST_TICKET);
        let nanos = i64::try_from(lifetime.as_nanos()).unwrap_or(i64::MAX);
        let ticket = self.network.inviter.issue(reachable(bound), nanos);
        let ticket = ticket
            .ok_or_else(|| DaemonError::Ticket { reason: "cannot be made: too many are open".into() })?;
        reporter.report(Invitation::Ticket(ticket.to_string())).await;
        let arrival = async {
            loop {
                let (key, name) = joined.recv().await.ok()?;
                if self.network.inviter.spent_by(&ticket.id) == Some(key) {
                    let listed = self.vault.device_record(&key).map(|record| record.name);
                    return Some(listed.unwrap_or(name));
                }
            }
        };
        tokio::select! {
            Some(name) = arrival => reporter.report(Invitation::Joined(name)).await,
            () = tokio::time::sleep(lifetime) => {
                return Err(DaemonError::Ticket { reason: "has expired and nobody has used it".into() });
            }
            () = self.stop.stopped() => {}
        }
        Ok(())
    }

    /// Brings the vault and its peers to the same state.
    pub async fn sync(&self, peers: Peers, reporter: Reporter<SyncProgress>) -> Result<Synced, DaemonError> {
        let peers = self.chosen(&peers)?;
        self.offer_everything().await?;
        let each = peers.iter().map(|peer| self.sync_with(peer, &reporter));
        let mut outcomes = futures_util::future::join_all(each).await;
        // Who has just joined may know a peer only by what another has told it now.
        let told = outcomes.iter().any(Result::is_ok);
        for (peer, outcome) in peers.iter().zip(&mut outcomes).filter(|_| told) {
            if outcome.as_ref().is_err_and(is_unlisted) {
                *outcome = self.sync_with(peer, &reporter).await;
            }
        }
        let peers = peers.iter().zip(outcomes).map(|(peer, outcome)| synced(peer, outcome)).collect();
        let conflicts = self
            .on_vault(|vault| vault.conflicts().map_err(|error| vault_error("looking for conflicts", error)));
        Ok(Synced { version: VERSION, peers, conflicts: conflicts.await?.len() as u64 })
    }

    /// Keeps the vault and its peers in the same state until nobody reads the reports any more.
    pub async fn follow(&self, peers: Peers, reporter: Reporter<SyncProgress>) -> Result<(), DaemonError> {
        let _lease = self.lease(LeaseKind::Follow)?;
        self.chosen(&peers)?;
        self.network.listening.begin(&self.network.replicator).await?;
        let mut seen: Vec<Status> = Vec::new();
        let mut held = Vec::new();
        let mut news = self.network.followings.news();
        let heads = NewHeads::of(&self.vault);
        let _wanted = self.network.followings.want();
        loop {
            // Those that are wanted are looked up again: a device may have joined, an address been added. The
            // new handles are taken before the old are given up: what goes on is not broken off.
            let wanted = self.chosen(&peers).unwrap_or_default();
            drop(std::mem::replace(&mut held, self.network.followings.hold(&wanted)));
            let sessions = self.network.replicator.sessions();
            self.report_sessions(&seen, &sessions, &reporter).await;
            seen = sessions;
            tokio::select! {
                () = self.sessions_moved(&seen) => {}
                // Fails only when the network is gone, and with it all this.
                _ = news.changed() => {}
                // One may bring a device.
                () = heads.next() => {}
                () = reporter.abandoned() => return Ok(()),
                () = self.stop.stopped() => return Ok(()),
            }
        }
    }

    /// Returns a little after sessions are not as they were seen.
    async fn sessions_moved(&self, seen: &[Status]) {
        self.network.replicator.until(|sessions| sessions != seen).await;
        tokio::time::sleep(GATHERING).await;
    }

    /// The peers of these aliases; all if there are none.
    fn chosen(&self, peers: &Peers) -> Result<Vec<Peer>, DaemonError> {
        let known = self.known_peers();
        if peers.aliases.is_empty() {
            return Ok(known);
        }
        let find = |alias: &String| {
            let found = known.iter().find(|peer| peer.alias == *alias).cloned();
            found.ok_or_else(|| DaemonError::UnknownPeer { alias: alias.clone() })
        };
        peers.aliases.iter().map(find).collect()
    }

    /// Commits what was written just now, and tells the sessions that run.
    async fn offer_everything(&self) -> Result<(), DaemonError> {
        let replicator = self.network.replicator.clone();
        self.on_vault(move |vault| {
            vault.fold_and_commit(Fold::All).map_err(|error| vault_error("committing", error))?;
            replicator.publish().map_err(|error| DaemonError::internal("telling the peers", &error))
        })
        .await
    }

    /// Brings the vault and a peer to the same state, wherever it is.
    async fn sync_with(&self, peer: &Peer, reporter: &Reporter<SyncProgress>) -> Result<Summary, PeerError> {
        let outcome = self.sync_at(peer, reporter).await;
        if outcome.as_ref().is_err_and(is_nobody_there)
            && let Some(found) = self.found_nearby(peer).await
        {
            return self.sync_at(&found, reporter).await;
        }
        outcome
    }

    /// Brings the vault and a peer to the same state, if it is where it is thought to be.
    async fn sync_at(&self, peer: &Peer, reporter: &Reporter<SyncProgress>) -> Result<Summary, PeerError> {
        let address = peer.dialled();
        let syncing = self.network.replicator.once(&address, Direction::Both);
        tokio::pin!(syncing);
        loop {
            tokio::select! {
                outcome = &mut syncing => return outcome,
                () = tokio::time::sleep(PROGRESS_INTERVAL) => {
                    if let Some(status) = self.session_with(peer) {
                        reporter.report_now(progress(&peer.alias, &status));
                    }
                }
            }
        }
    }

    /// A peer that was met before, where it is on the local network, if it is not where it was.
    async fn found_nearby(&self, peer: &Peer) -> Option<Peer> {
        peer.key.filter(|_| self.network.discovers(&self.settings.lock()))?;
        let followings = &self.network.followings;
        let (_wanted, mut news) = (followings.want(), followings.news());
        let is_it = |known: &Peer| known.key == peer.key && known.found && known.addresses != peer.addresses;
        let looking = async {
            loop {
                if let Some(found) = self.known_peers().into_iter().find(is_it) {
                    return Some(found);
                }
                // Fails only when the network is gone.
                news.changed().await.ok()?;
            }
        };
        tokio::time::timeout(NEARBY_WAIT, looking).await.ok().flatten()
    }

    /// The session with a peer, if there is one.
    pub(super) fn session_with(&self, peer: &Peer) -> Option<Status> {
        let mut sessions = self.network.replicator.sessions().into_iter();
        sessions.find(|session| match peer.key {
            Some(key) => session.peer == key,
            None => peer.addresses.contains(&session.address),
        })
    }

    async fn report_sessions(&self, before: &[Status], now: &[Status], reporter: &Reporter<SyncProgress>) {
        let named = |session: &Status| self.alias_of(session);
        for session in now {
            let old = before.iter().find(|old| old.peer == session.peer);
            let event = match old {
                None => Some("connected"),
                Some(old) if session.in_sync && !old.in_sync => Some("in sync"),
                Some(_) => None,
            };
            let moved = old.is_none_or(|old| old.progress != session.progress);
            if event.is_some() || moved {
                let told =
                    SyncProgress { event: event.map(str::to_owned), ..progress(&named(session), session) };
                reporter.report(told).await;
            }
        }
        for gone in before.iter().filter(|old| now.iter().all(|session| session.peer != old.peer)) {
            let event = Some("not connected any more".to_owned());
            reporter.report(SyncProgress { event, ..progress(&named(gone), gone) }).await;
        }
    }

    /// What the peer at the other end of a session is called.
    fn alias_of(&self, session: &Status) -> String {
        let known = self.known_peers().into_iter().find(|peer| peer.key == Some(session.peer));
        known.map(|peer| peer.alias).unwrap_or_else(|| session.name.clone())
    }
}

fn synced(peer: &Peer, outcome: Result<Summary, PeerError>) -> PeerSynced {
    let (progress, error) = match outcome {
        Ok(summary) => (summary.progress, None),
        Err(error) => (Progress::default(), Some(peer_error(&peer.alias, &error))),
    };
    let (received, sent) = (progress.received_bytes, progress.sent_bytes);
    PeerSynced { alias: peer.alias.clone(), received, sent, error }
}

/// This device does not know the peer.
fn is_unlisted(error: &PeerError) -> bool {
    matches!(error, PeerError::Handshake(HandshakeError::Refused { why: Refusal::Unlisted, .. }))
}

/// Nobody answers there, or nobody who speaks our language.
fn is_nobody_there(error: &PeerError) -> bool {
    let silent = |error: &HandshakeError| matches!(error, HandshakeError::Io(_) | HandshakeError::Slow);
    match error {
        PeerError::Unreachable { .. } => true,
        PeerError::Handshake(error) => silent(error),
        _ => false,
    }
}

fn progress(alias: &str, session: &Status) -> SyncProgress {
    let progress = &session.progress;
    let left = |all: u64, done: u64| all.saturating_sub(done);
    SyncProgress {
        peer: alias.to_owned(),
        received: Amount { done: progress.received_bytes, total: progress.to_receive_bytes },
        sent: Amount { done: progress.sent_bytes, total: progress.to_send_bytes },
        objects: left(progress.to_receive_objects, progress.received_objects)
            + left(progress.to_send_objects, progress.sent_objects),
        event: None,
    }
}

fn peer_error(alias: &str, error: &PeerError) -> DaemonError {
    let (peer, causes) = (alias.to_owned(), chain(error));
    match error {
        PeerError::Handshake(HandshakeError::RefusedByPeer(why)) => {
            DaemonError::Refusal { peer, reason: why.to_string() }
        }
        PeerError::Handshake(HandshakeError::Refused { why, .. }) => {
            DaemonError::TurnedAway { peer, reason: why.to_string() }
        }
        PeerError::Unreachable { .. } | PeerError::Handshake(_) => DaemonError::Unreachable { peer, causes },
        PeerError::Replica(ReplicaError::Full) => DaemonError::Full,
        PeerError::Session(_) | PeerError::Unfinished | PeerError::Closing | PeerError::Replica(_) => {
            DaemonError::Partial { peer, causes }
        }
    }
}
