//! All mirror sessions of a vault: the library's face.
//!
//! [`Replicator::push`], [`Replicator::pull`] and [`Replicator::once`] do one thing and end;
//! [`Replicator::follow`] keeps a session to a peer for as long as its handle lives. [`Replicator::listen`]
//! answers peers that dial, and devices that join. Of two sessions between the same devices, the one dialled
//! by the smaller key stays.
//!
//! The owner of the vault calls [`Replicator::publish`] after each durable commit of its own; heads that come
//! from one peer are passed on to the others without it.

mod following;
#[cfg(test)]
mod hostile;
mod listening;
mod registry;
#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use tokio::sync::{broadcast, oneshot, watch};

pub use super::driver::{PeerError, Status};
pub use following::Following;

use super::admission::{Admission, Inviter};
use super::dialling::{self, Transports};
use super::doors::Doors;
use super::driver::{self, Command, Surroundings};
use super::handshake::{self, HandshakeError};
use super::limits;
use super::link::{Link, Stream};
use super::message::Hello;
use super::pace::Rates;
use super::quic::Quic;
use super::replica::{Announcement, Replica, ReplicaError};
use super::session::{Config, Event, Randomness, Session, Summary};
use super::wire::EpochBox;
use crate::ambient::{self, Ambient};
use crate::crypto::{DevicePublic, Epoch, ObjectId};
use registry::{Parties, Registry};

/// Time a handshake may take, on either side.
const HANDSHAKE: Duration = Duration::from_secs(5);
/// Events kept for a slow listener.
const EVENTS: usize = 1024;
/// Time a device may take to join: its inviter makes a commit meanwhile.
const JOINING: Duration = Duration::from_secs(30);

/// What a replicator works with.
#[derive(Clone)]
pub struct Parts {
    /// The vault.
    pub replica: Arc<dyn Replica>,
    /// Its devices and epochs.
    pub admission: Arc<dyn Admission>,
    /// Its tickets.
    pub inviter: Option<Arc<dyn Inviter>>,
    /// Time and randomness.
    pub ambient: Ambient,
    /// This device's name.
    pub name: String,
    /// How peers are reached.
    pub transports: Transports,
    /// This process's end of QUIC.
    pub quic: Quic,
    /// How fast data may go.
    pub rates: Arc<Rates>,
}

/// Where a peer may be found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerAddress {
    /// `host:port`, tried in order.
    pub addresses: Vec<String>,
    /// Its key, if known: then a session it has dialled is as good as one of ours.
    pub key: Option<DevicePublic>,
}

/// What to do with a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Send what it lacks.
    Push,
    /// Take what we lack.
    Pull,
    /// Both.
    Both,
}

/// All mirror sessions of a vault. Cheap to clone; sessions end when [`Replicator::close`] is called.
#[derive(Clone)]
pub struct Replicator(Arc<Inner>);

struct Inner {
    parts: Parts,
    registry: Registry,
    events: broadcast::Sender<(DevicePublic, Event)>,
    joined: broadcast::Sender<(DevicePublic, String)>,
    doors: Doors,
    /// Where we answer; 0 while we do not.
    port: AtomicU16,
    closing: watch::Sender<bool>,
}

impl Replicator {
    /// One without sessions.
    pub fn new(parts: Parts) -> Self {
        Replicator(Arc::new(Inner {
            parts,
            registry: Registry::default(),
            events: broadcast::Sender::new(EVENTS),
            joined: broadcast::Sender::new(EVENTS),
            doors: Doors::default(),
            port: AtomicU16::new(0),
            closing: watch::Sender::new(false),
        }))
    }

    /// Sends what the peer lacks.
    ///
    /// # Errors
    /// As [`PeerError`] says.
    pub async fn push(&self, peer: &PeerAddress) -> Result<Summary, PeerError> {
        self.once(peer, Direction::Push).await
    }

    /// Takes what we lack.
    ///
    /// # Errors
    /// As [`PeerError`] says.
    pub async fn pull(&self, peer: &PeerAddress) -> Result<Summary, PeerError> {
        self.once(peer, Direction::Pull).await
    }

    /// Does one thing and ends. If a session with the device runs, waits until that has nothing left to do.
    ///
    /// # Errors
    /// As [`PeerError`] says.
    pub async fn once(&self, peer: &PeerAddress, way: Direction) -> Result<Summary, PeerError> {
        if let Some(running) = peer.key.and_then(|key| self.0.registry.session(&key)) {
            return self.settled(running).await;
        }
        let link = self.dial(peer).await?;
        let key = link.peer;
        let config = Config {
            push: way != Direction::Pull,
            pull: way != Direction::Push,
            ..Config::once(&self.0.parts.name)
        };
        let result = self.converse(link, config).await;
        match self.0.registry.session(&key) {
            _ if result.as_ref().is_ok_and(|summary| summary.done) => result,
            // Ours gave way to one that the peer had dialled.
            Some(running) => self.settled(running).await,
            None => result.and(Err(PeerError::Unfinished)),
        }
    }

    /// Keeps a session to the peer until the handle is dropped.
    pub fn follow(&self, peer: PeerAddress) -> Following {
        Following::start(self.clone(), peer)
    }

    /// Tells all sessions of a new durable head. Blocking: asks the replica.
    ///
    /// # Errors
    /// The replica's.
    pub fn publish(&self) -> Result<(), ReplicaError> {
        if self.0.registry.is_empty() {
            // What nobody is told of does not count as offered.
            return Ok(());
        }
        let announcement = self.0.parts.replica.announce()?;
        self.0.registry.tell_all(|| Command::Tip(Box::new(announcement.clone())));
        Ok(())
    }

    /// Gets objects that reads wait for, from whichever connected peer has them. False if none has.
    pub async fn fetch(&self, ids: &[ObjectId]) -> bool {
        for session in self.0.registry.commands() {
            let (done, answer) = oneshot::channel();
            let asked = session.send(Command::Fetch(ids.to_vec(), done)).await.is_ok();
            if asked && answer.await == Ok(true) {
                return true;
            }
        }
        false
    }

    /// What happens in all sessions.
    pub fn events(&self) -> broadcast::Receiver<(DevicePublic, Event)> {
        self.0.events.subscribe()
    }

    /// Devices that join by ticket: their keys and names.
    pub fn joined(&self) -> broadcast::Receiver<(DevicePublic, String)> {
        self.0.joined.subscribe()
    }

    /// How all sessions stand.
    pub fn sessions(&self) -> Vec<Status> {
        self.0.registry.statuses()
    }

    /// Waits until the sessions that run are as wanted.
    pub async fn until(&self, wanted: impl Fn(&[Status]) -> bool) {
        self.0.registry.until(wanted).await;
    }

    /// Ends the session with a device (it was revoked).
    pub async fn end(&self, peer: &DevicePublic) {
        self.0.registry.end(peer).await;
    }

    /// Ends the sessions over addresses that this machine has no more: nothing comes over them, and TCP would take
    /// its time to say so, or to try again once they are back.
    pub fn end_over(&self, gone: &[IpAddr]) {
        self.0.registry.end_over(gone);
    }

    /// Hands a new epoch to the peers of all sessions that may have it.
    pub fn hand_over(&self, epoch: &Epoch) {
        self.0.registry.tell_all(|| Command::Epoch(EpochBox(epoch.clone())));
    }

    /// Ends all sessions, listeners and followings.
    pub fn close(&self) {
        self.0.closing.send_replace(true);
        self.0.registry.tell_all(|| Command::Close);
    }

    /// Asks who answers at an address, and lets go before it learns who asked.
    ///
    /// # Errors
    /// As [`PeerError`] says; also if it is nobody whom the device list would let in.
    pub async fn identify(&self, address: &str) -> Result<DevicePublic, PeerError> {
        let Parts { admission, ambient, .. } = &self.0.parts;
        self.reach(address, async |stream| handshake::identify(stream, &**admission, &ambient.entropy).await)
            .await
    }

    async fn dial(&self, peer: &PeerAddress) -> Result<Link, PeerError> {
        let Parts { admission, ambient, .. } = &self.0.parts;
        let mut last = no_address();
        for address in &peer.addresses {
            let shake = |stream| handshake::dial(stream, &**admission, &ambient.entropy);
            match self.reach(address, shake).await {
                // As it was asked for: by that name it is known to whoever asked.
                Ok(mut link) => {
                    link.route.address.clone_from(address);
                    return Ok(link);
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// Connects and shakes hands, by whichever transport lets us.
    async fn reach<T, F: Future<Output = Result<T, HandshakeError>>>(
        &self,
        address: &str,
        shake: impl Fn(Stream) -> F,
    ) -> Result<T, PeerError> {
        let mut transports = self.0.parts.transports;
        loop {
            let connected = dialling::connect(address, transports, &self.0.parts.quic).await;
            let unreachable = |error| PeerError::Unreachable { address: address.to_owned(), error };
            let stream = connected.map_err(unreachable)?;
            let transport = stream.route.transport;
            let shaken = tokio::time::timeout(HANDSHAKE, shake(stream)).await;
            let error = match shaken.unwrap_or(Err(HandshakeError::Slow)) {
                Ok(shaken) => return Ok(shaken),
                Err(error) => error,
            };
            // What connected and then broke before anybody had said no may be spoilt on the way: the other is tried.
            let broke = matches!(error, HandshakeError::Io(_) | HandshakeError::Slow);
            match transports.without(transport).filter(|_| broke) {
                Some(others) => transports = others,
                None => return Err(error.into()),
            }
        }
    }

    /// A session on a link we dialled.
    async fn converse(&self, link: Link, config: Config) -> Result<Summary, PeerError> {
        let ours = self.introduce().await?;
        let (session, hello) = self.session(config, ours, Some(&link.peer));
        self.run(link, session, hello).await
    }

    /// Waits until a running session has nothing left to do about our head of now.
    async fn settled(&self, mut running: registry::Session) -> Result<Summary, PeerError> {
        let ours = self.announce().await?;
        let generation = ours.generation;
        let told = running.commands.send(Command::Tip(Box::new(ours))).await;
        told.map_err(|_| PeerError::Unfinished)?;
        let settled = |status: &Status| status.settled && status.generation >= generation;
        let status = running.status.wait_for(settled).await.map_err(|_| PeerError::Unfinished)?;
        Ok(Summary { done: true, progress: status.progress, took: Duration::ZERO })
    }

    /// For HELLO: what counts as offered is settled when the peer's state was met.
    async fn introduce(&self) -> Result<Announcement, PeerError> {
        self.ask(|replica| {
            replica.gather()?;
            replica.introduce()
        })
        .await
    }

    async fn announce(&self) -> Result<Announcement, PeerError> {
        self.ask(|replica| {
            replica.gather()?;
            replica.announce()
        })
        .await
    }

    /// Asks the replica, off the runtime's threads.
    async fn ask<R: Send + 'static>(
        &self,
        question: impl FnOnce(&dyn Replica) -> Result<R, ReplicaError> + Send + 'static,
    ) -> Result<R, PeerError> {
        let replica = self.0.parts.replica.clone();
        let asked = tokio::task::spawn_blocking(move || question(&*replica)).await;
        Ok(asked.map_err(|_| PeerError::Closing)??)
    }

    fn session(
        &self,
        mut config: Config,
        ours: Announcement,
        peer: Option<&DevicePublic>,
    ) -> (Session, Hello) {
        config.resume = self.0.parts.replica.resumable(peer);
        config.resume.truncate(limits::NAMED);
        config.port = self.0.port.load(Ordering::Relaxed);
        // Those that run already keep what they have; newer ones share the rest.
        let share = limits::WINDOW_IN_ALL / (1 + self.0.registry.statuses().len() as u64);
        // What is slow to be taken is not asked for long before.
        let share = if self.0.parts.rates.download.is_limited() { limits::WINDOW_MIN } else { share };
        config.window_most = config.window_most.min(share).max(limits::WINDOW_MIN);
        config.window = config.window.min(config.window_most);
        let Ambient { clock, entropy } = &self.0.parts.ambient;
        let random = Randomness { hello: ambient::random(&**entropy), secret: ambient::random(&**entropy) };
        Session::new(config, ours, random, clock.monotonic())
    }

    async fn run(&self, link: Link, mut session: Session, hello: Hello) -> Result<Summary, PeerError> {
        if *self.0.closing.borrow() {
            return Err(PeerError::Closing);
        }
        let (peer, own) = (link.peer, self.0.parts.admission.device().public());
        let parties = Parties { own, peer, dialler: if link.dialled { own } else { peer } };
        if self.0.registry.broke_off(&peer) {
            session.expect_nothing_lost();
        }
        let status = watch::Sender::new(driver::first_status(&link));
        let Parts { replica, admission, ambient, rates, .. } = self.0.parts.clone();
        let now = ambient.clock.monotonic();
        let (place, commands) = self.0.registry.enter(parties, link.route.local, status.subscribe(), now)?;
        let events = self.0.events.clone();
        let registry = self.0.registry.clone();
        let merged = Box::new(move |ours: &Announcement| {
            registry.tell_all(|| Command::Tip(Box::new(ours.clone())));
        });
        let registry = self.0.registry.clone();
        let learned =
            Arc::new(move |epoch: &Epoch| registry.tell_all(|| Command::Epoch(EpochBox(epoch.clone()))));
        let around = Surroundings { replica, admission, ambient, rates, events, merged, learned };
        let result = driver::run(around, link, session, hello, commands, status).await;
        place.leave(result.as_ref().is_ok_and(|summary| summary.done));
        result
    }
}

fn no_address() -> PeerError {
    let error = std::io::Error::new(std::io::ErrorKind::NotFound, "no address is known");
    PeerError::Unreachable { address: "peer".to_owned(), error }
}
