//! The work of discovery: announces, listens, asks those that were found who they are, and tells those who dial.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

use super::Parts;
use super::announcement::{Announcement, Subject};
use super::mdns::{Found, Mdns};
use super::neighbours::{Heard, Neighbours, Question};
use super::tag::{Tags, day_of};
use crate::crypto::DevicePublic;
use crate::miror::replicator::Replicator;

/// How often to look whether there is something else to announce or to ask: the listener, the day, the epoch, the
/// devices of the vault, whether somebody follows.
const INTERVAL: Duration = Duration::from_secs(1);
/// How many are asked at once.
const ASKED_AT_ONCE: usize = 8;
/// How long one may take to answer, at all its addresses.
const QUESTION: Duration = Duration::from_secs(15);
/// Records of strangers that are kept before all are thrown away: a few megabytes. A service is four records or five.
const MOST_RECORDS: u64 = 8192;
/// How long nothing is looked for then, and after a failure.
const PAUSE: Duration = Duration::from_secs(60);
/// How often all that is known is looked at anew: there may not have been room for it.
const LOOK_AGAIN: Duration = Duration::from_secs(600);

/// Who answered to a question, by the name of the service.
type Answer = (String, Option<(SocketAddr, DevicePublic)>);

/// What runs.
pub(super) struct Running {
    parts: Parts,
    neighbours: Arc<Mutex<Neighbours>>,
    tags: Tags,
    mdns: Option<Mdns>,
    announced: Option<Announcement>,
    asking: JoinSet<Answer>,
    /// When what is known was last told from the beginning.
    browsed: Duration,
    /// Until when nothing is looked for.
    quiet: Duration,
    /// Until when nothing is tried at all.
    failed: Duration,
}

impl Running {
    pub(super) fn new(parts: Parts, neighbours: Arc<Mutex<Neighbours>>) -> Self {
        Running {
            parts,
            neighbours,
            tags: Tags::new(&[], 0),
            mdns: None,
            announced: None,
            asking: JoinSet::new(),
            browsed: Duration::ZERO,
            quiet: Duration::ZERO,
            failed: Duration::ZERO,
        }
    }

    /// Goes on until `stop` comes, and says goodbye then.
    pub(super) async fn run(mut self, stop: impl Future<Output = ()>) {
        tokio::pin!(stop);
        let mut ticks = tokio::time::interval(INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = &mut stop => break,
                _ = ticks.tick() => self.look_around().await,
                found = next(self.mdns.as_ref()) => match found {
                    Some(found) => self.found(found),
                    // More came than could be taken.
                    None => self.give_up_for_a_while(),
                },
                Some(answer) = self.asking.join_next() => {
                    if let Ok(answer) = answer {
                        self.answered(answer);
                    }
                }
            }
            self.ask();
        }
        if let Some(mdns) = self.mdns.take() {
            mdns.end().await;
        }
    }

    fn now(&self) -> Duration {
        self.parts.ambient.clock.monotonic()
    }

    async fn look_around(&mut self) {
        if let Err(error) = self.adjust().await {
            tracing::warn!(%error, "discovery on the local network has failed, and is tried again later");
            self.failed = self.now() + PAUSE;
            self.give_up_for_a_while();
        }
    }

    /// Brings what is announced and looked for in line with how things are.
    async fn adjust(&mut self) -> mdns_sd::Result<()> {
        let anew = self.keep_tags();
        let subject = self.subject().await;
        let looks = self.parts.is_on() && self.parts.followings.are_wanted();
        if !looks {
            self.neighbours.lock().forget_all();
        }
        if subject.is_none() && !looks {
            self.announced = None;
            if let Some(mdns) = self.mdns.take() {
                mdns.end().await;
            }
            return Ok(());
        }
        if self.now() < self.failed {
            return Ok(());
        }
        self.announce(subject)?;
        self.browse(looks && self.now() >= self.quiet, anew).await
    }

    /// Announces this and nothing else.
    fn announce(&mut self, subject: Option<Subject>) -> mdns_sd::Result<()> {
        let mdns = match &mut self.mdns {
            Some(mdns) => mdns,
            none => none.insert(Mdns::start()?),
        };
        if self.announced.as_ref().map(|said| said.subject) == subject {
            return Ok(());
        }
        self.announced = subject.map(|subject| Announcement::of(subject, &*self.parts.ambient.entropy));
        match &self.announced {
            Some(announcement) => mdns.announce(announcement),
            None => mdns.retract(),
        }
    }

    /// Looks for others, unless they have filled what there is.
    async fn browse(&mut self, wanted: bool, anew: bool) -> mdns_sd::Result<()> {
        let now = self.now();
        let Some(mdns) = &mut self.mdns else { return Ok(()) };
        if wanted && (anew || now >= self.browsed + LOOK_AGAIN) {
            // What is known already is told again.
            mdns.browse(false)?;
            self.browsed = now;
        }
        mdns.browse(wanted)?;
        if wanted && mdns.records().await.is_none_or(|records| records > MOST_RECORDS) {
            tracing::warn!(
                "too much is announced on the local network: nothing is looked for there for a while"
            );
            self.give_up_for_a_while();
        }
        Ok(())
    }

    /// Throws away what strangers have filled, and looks for nothing for a while.
    fn give_up_for_a_while(&mut self) {
        self.mdns = None;
        self.announced = None;
        self.quiet = self.now() + PAUSE;
        self.neighbours.lock().forget_strangers();
    }

    /// True if they have changed.
    fn keep_tags(&mut self) -> bool {
        let epochs: Vec<_> = self.parts.keys.keyring().epochs().cloned().collect();
        let today = day_of(self.parts.ambient.clock.wall());
        let changed = !self.tags.hold(&epochs, today);
        if changed {
            self.tags = Tags::new(&epochs, today);
            self.neighbours.lock().expire(today);
        }
        changed
    }

    /// What there is to be announced.
    async fn subject(&self) -> Option<Subject> {
        let bound = self.parts.listening.address().await.filter(|_| self.parts.is_on())?;
        let others = !(self.parts.peers)().is_empty();
        Subject::of(bound, self.tags.own()?).filter(|_| others)
    }

    fn found(&mut self, found: Found) {
        let mut neighbours = self.neighbours.lock();
        let gone = match found {
            Found::Gone(name) => Some(name),
            Found::Here { name, addresses, tag } => {
                let own = self.announced.as_ref().is_some_and(|own| own.is_called(&name));
                match self.tags.recognise(&tag).filter(|_| !own) {
                    Some(day) => {
                        neighbours.hear(Heard { name, addresses, day }, self.parts.ambient.clock.monotonic());
                        None
                    }
                    // It may have been one of ours.
                    None => Some(name),
                }
            }
        };
        if let Some(name) = gone {
            neighbours.leave(&name);
            self.parts.followings.look_again();
        }
    }

    fn ask(&mut self) {
        let room = ASKED_AT_ONCE.saturating_sub(self.asking.len());
        for question in self.neighbours.lock().questions(self.now(), room) {
            self.asking.spawn(put(question, self.parts.replicator.clone()));
        }
    }

    fn answered(&mut self, (name, who): Answer) {
        self.neighbours.lock().answered(&name, who, self.now());
        if let Some((_, device)) = who {
            self.parts.followings.hear_of(&device);
        }
    }
}

async fn next(mdns: Option<&Mdns>) -> Option<Found> {
    match mdns {
        Some(mdns) => mdns.next().await,
        None => std::future::pending().await,
    }
}

/// Asks one who it is, address by address.
async fn put(question: Question, replicator: Replicator) -> Answer {
    let Question { name, addresses } = question;
    let asking = async {
        for address in addresses {
            match replicator.identify(&address.to_string()).await {
                Ok(device) => return Some((address, device)),
                Err(error) => tracing::debug!(%address, %error, "found on the local network, and not a peer"),
            }
        }
        None
    };
    let who = tokio::time::timeout(QUESTION, asking).await.unwrap_or_default();
    (name, who)
}
