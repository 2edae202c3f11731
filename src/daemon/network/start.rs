//! Everything of an open vault that has to do with its peers, wired together.

use std::fmt::Display;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::super::config::VaultConfig;
use super::super::create::default_device;
use super::super::error::DaemonError;
use super::super::keys::VaultKeys;
use super::super::news::News;
use super::super::places::{Places, priorities};
use super::super::rate::Rate;
use super::book::KnownPeers;
use super::discovery::{self, Discovery, Nearby};
use super::roaming::Roaming;
use super::{
    Acquaintances, Followings, Guard, Listen, Listening, Meter, Peer, PeerBook, Publisher, Rotation,
    SessionFetch, VaultAdmission, VaultInviter,
};
use crate::ambient::Ambient;
use crate::miror::dialling::Transports;
use crate::miror::pace::Rates;
use crate::miror::quic::Quic;
use crate::miror::replicator::{Parts, Replicator};
use crate::miror::vault_replica::VaultReplica;
use crate::store::disk::Disk;
use crate::vault::Vault;

/// How long sessions may take to say goodbye.
const GOODBYE_WAIT: Duration = Duration::from_secs(3);

/// What forces one transport.
const TRANSPORT: &str = "BOSR_TRANSPORT";

/// The transports that the environment lets us use.
pub fn transports() -> Result<Transports, DaemonError> {
    let forced = std::env::var(TRANSPORT).unwrap_or_default();
    forced.parse().map_err(|reason| DaemonError::Setup { what: TRANSPORT.to_owned(), causes: vec![reason] })
}

/// What limits how fast data goes, whatever the configuration says.
const LIMITS: [&str; 2] = ["BOSR_UPLOAD_LIMIT", "BOSR_DOWNLOAD_LIMIT"];

/// What is asked for first, and last, whatever the configuration says.
const PLACES: [&str; 2] = ["BOSR_FIRST", "BOSR_LAST"];

/// A setting of the environment.
fn set_in<T: FromStr<Err: Display>>(variable: &str) -> Result<Option<T>, DaemonError> {
    let wrong = |why: T::Err| DaemonError::Setup { what: variable.to_owned(), causes: vec![why.to_string()] };
    std::env::var(variable).ok().map(|text| text.parse().map_err(wrong)).transpose()
}

/// Those settings of a vault that the environment may set as well, and then alone does.
#[derive(Default)]
struct Forced {
    rates: [Option<Rate>; 2],
    places: [Option<Places>; 2],
}

impl Forced {
    fn read() -> Result<Self, DaemonError> {
        let [upload, download] = LIMITS.map(set_in);
        let [first, last] = PLACES.map(set_in::<Places>);
        let places = [first?, last?];
        if let [Some(first), Some(last)] = &places {
            let clash = |reason| DaemonError::Setup { what: PLACES.join(", "), causes: vec![reason] };
            priorities(first, last).map_err(clash)?;
        }
        Ok(Forced { rates: [upload?, download?], places })
    }
}

/// The vault and its peers.
pub struct Network {
    /// All sessions.
    pub replicator: Replicator,
    /// Tickets.
    pub inviter: Arc<VaultInviter>,
    /// The keys, and the file that keeps them.
    pub keys: Arc<VaultKeys>,
    /// New epochs.
    pub rotation: Arc<Rotation>,
    /// Where the peers are.
    pub book: Arc<PeerBook>,
    /// Who is kept in step with.
    pub followings: Arc<Followings>,
    /// Whether and where others reach this vault.
    pub listening: Arc<Listening>,
    /// What goes over the network.
    pub meter: Arc<Meter>,
    forced: Forced,
    discovers: Option<bool>,
    rates: Arc<Rates>,
    vault: Arc<Vault>,
    nearby: Nearby,
    /// Told when it is time to look at the peers again.
    news: News,
    discovery: Mutex<Option<Discovery>>,
    running: Mutex<Option<(Publisher, Guard, Acquaintances, Roaming)>>,
}

impl Network {
    /// Wires it. Nothing is dialled and nothing listens yet. To be called on the runtime that is to run it.
    pub fn start(
        vault: Arc<Vault>,
        disk: Arc<dyn Disk>,
        listen: Listen,
        settings: Arc<Mutex<VaultConfig>>,
        ambient: Ambient,
    ) -> Result<Network, DaemonError> {
        let keys = Arc::new(VaultKeys::new(vault.store().clone(), disk.clone(), ambient.entropy.clone()));
        let inviter = Arc::new(VaultInviter::new(vault.clone(), keys.clone(), ambient.clone()));
        let rotation = Arc::new(Rotation::new(vault.clone(), keys.clone()));
        let discovers = discovery::forced()?;
        let forced = Forced::read()?;
        let rates = Arc::new(Rates::default());
        let replicator = replicator(&vault, disk, &keys, inviter.clone(), rates.clone(), ambient.clone())?;
        let news = News::default();
        let book = Arc::new(PeerBook::new(vault.clone(), news.clone()));
        let nearby = Nearby::default();
        let known: KnownPeers = {
            let (book, nearby, settings) = (book.clone(), nearby.clone(), settings.clone());
            Arc::new(move || with_found(book.peers(&settings.lock()), &nearby))
        };
        let followings = Arc::new(Followings::new(replicator.clone(), known.clone(), news.clone()));
        vault.set_fetch(Some(Arc::new(SessionFetch::new(replicator.clone(), followings.clone()))));
        let meter = Arc::new(Meter::default());
        let listening = Arc::new(Listening::new(vault.clone(), listen));
        let acquaintances = Acquaintances::start(book.clone(), known.clone(), replicator.clone());
        let guard = Guard::start(vault.clone(), rotation.clone(), replicator.clone(), ambient.clone());
        let clock = ambient.clock.clone();
        let publisher = Publisher::start(vault.clone(), replicator.clone(), meter.clone(), clock);
        let roaming = Roaming::start(followings.clone(), replicator.clone());
        let parts = discovery::Parts {
            keys: keys.clone(),
            listening: listening.clone(),
            followings: followings.clone(),
            replicator: replicator.clone(),
            peers: known,
            settings: settings.clone(),
            forced: discovers,
            ambient,
        };
        let discovery = Discovery::start(parts, &nearby);
        let network = Network {
            forced,
            discovers,
            rates,
            replicator,
            inviter,
            keys,
            rotation,
            book,
            followings,
            listening,
            meter,
            vault,
            nearby,
            news,
            discovery: Mutex::new(Some(discovery)),
            running: Mutex::new(Some((publisher, guard, acquaintances, roaming))),
        };
        network.configure(&settings.lock());
        Ok(network)
    }

    /// Lets the limits and priorities of these settings hold from now on, unless the environment sets others.
    pub fn configure(&self, settings: &VaultConfig) {
        let Forced { rates: [up, down], places: [first, last] } = &self.forced;
        let limit = |rate: Option<Rate>| rate.map(|Rate(bytes)| bytes);
        self.rates.upload.limit(limit(up.or(settings.upload_limit)));
        self.rates.download.limit(limit(down.or(settings.download_limit)));
        let (first, last) =
            (first.as_ref().unwrap_or(&settings.first), last.as_ref().unwrap_or(&settings.last));
        match priorities(first, last) {
            Ok(priorities) => self.vault.set_priorities(priorities),
            // One is the environment's and one the configuration's: each was right by itself.
            Err(reason) => tracing::warn!(%reason, "what comes first and last stays as it was"),
        }
        self.news.tell();
    }

    /// Whether peers can be found on the local network.
    pub fn discovers(&self, settings: &VaultConfig) -> bool {
        discovery::is_on(self.discovers, settings)
    }

    /// Whether other devices may come: there is one, or there was when this one joined.
    pub fn has_peers(&self, settings: &VaultConfig) -> bool {
        !self.peers(settings).is_empty()
    }

    /// The peers as they are known now.
    pub fn peers(&self, settings: &VaultConfig) -> Vec<Peer> {
        with_found(self.book.peers(settings), &self.nearby)
    }

    /// Ends all sessions in good order.
    pub async fn close(&self) {
        let discovery = self.discovery.lock().take();
        if let Some(discovery) = discovery {
            discovery.end().await;
        }
        self.replicator.close();
        let silence = self.replicator.until(<[_]>::is_empty);
        let _ = tokio::time::timeout(GOODBYE_WAIT, silence).await;
        self.running.lock().take();
        self.vault.set_fetch(None);
    }
}

/// The peers, with the places where their devices were found on the local network.
fn with_found(peers: Vec<Peer>, nearby: &Nearby) -> Vec<Peer> {
    peers.into_iter().map(|peer| peer.found_at(|device| nearby.places(device))).collect()
}

/// The sessions of a vault: none yet.
fn replicator(
    vault: &Arc<Vault>,
    disk: Arc<dyn Disk>,
    keys: &Arc<VaultKeys>,
    inviter: Arc<VaultInviter>,
    rates: Arc<Rates>,
    ambient: Ambient,
) -> Result<Replicator, DaemonError> {
    let own = vault.device_record(&vault.device());
    Ok(Replicator::new(Parts {
        replica: Arc::new(VaultReplica::new(vault.clone(), disk)),
        admission: Arc::new(VaultAdmission::new(vault.clone(), keys.clone())),
        inviter: Some(inviter),
        ambient,
        name: own.map_or_else(default_device, |record| record.name),
        transports: transports()?,
        rates,
        quic: Quic::new().map_err(|error| DaemonError::internal("making a certificate", &error))?,
    }))
}
