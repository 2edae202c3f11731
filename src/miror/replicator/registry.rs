//! The sessions that run, one a device.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use parking_lot::Mutex;
use tokio::sync::{Notify, mpsc, watch};

use super::super::driver::{Command, PeerError, Status};
use crate::crypto::DevicePublic;

/// Sessions that began so close to each other may have been dialled by both sides at once. (Both ends of a handshake
/// have 5 s.)
const AT_ONCE: Duration = Duration::from_secs(10);
/// Commands that wait for a session's attention.
const COMMANDS: usize = 256;

struct Running {
    number: u64,
    dialler: DevicePublic,
    begun: Duration,
    /// This machine's address at its end.
    local: Option<IpAddr>,
    commands: mpsc::Sender<Command>,
    status: watch::Receiver<Status>,
}

/// The two devices of a session.
#[derive(Clone, Copy)]
pub(super) struct Parties {
    pub(super) own: DevicePublic,
    pub(super) peer: DevicePublic,
    /// The one of them that dialled.
    pub(super) dialler: DevicePublic,
}

/// The handles of a running session.
pub(super) struct Session {
    pub(super) commands: mpsc::Sender<Command>,
    pub(super) status: watch::Receiver<Status>,
}

#[derive(Default)]
struct Table {
    next: u64,
    running: HashMap<DevicePublic, Running>,
    /// Devices whose last session ended before all was done.
    broken: HashSet<DevicePublic>,
}

#[derive(Clone, Default)]
pub(super) struct Registry {
    table: Arc<Mutex<Table>>,
    changed: Arc<Notify>,
}

/// A session's place in the table.
pub(super) struct Place {
    registry: Registry,
    peer: DevicePublic,
    number: u64,
}

impl Registry {
    /// Enters a session. Of two with one device the one dialled by the smaller key stays; of two dialled by the same
    /// device the newer. And if the peer dials long after the other began, the newer too: it would not enter one of its
    /// own beside one that it has, so that is dead at its end, though this one may not have noticed (a process that was
    /// killed says no goodbye).
    pub(super) fn enter(
        &self,
        parties: Parties,
        local: Option<IpAddr>,
        status: watch::Receiver<Status>,
        now: Duration,
    ) -> Result<(Place, mpsc::Receiver<Command>), PeerError> {
        let Parties { own, peer, dialler } = parties;
        let mut table = self.table.lock();
        if let Some(other) = table.running.get(&peer) {
            let smaller = own.min(peer);
            let at_once = dialler == own || now < other.begun + AT_ONCE;
            if at_once && other.dialler != dialler && other.dialler == smaller {
                return Err(PeerError::Unfinished);
            }
            // Full: it is busy dying, or will see its channel closed.
            let _ = other.commands.try_send(Command::Close);
        }
        let (commands, receiver) = mpsc::channel(COMMANDS);
        table.next += 1;
        let number = table.next;
        table.running.insert(peer, Running { number, dialler, begun: now, local, commands, status });
        self.changed.notify_waiters();
        Ok((Place { registry: self.clone(), peer, number }, receiver))
    }

    /// No session runs.
    pub(super) fn is_empty(&self) -> bool {
        self.table.lock().running.is_empty()
    }

    /// The session with a device.
    pub(super) fn session(&self, peer: &DevicePublic) -> Option<Session> {
        let table = self.table.lock();
        let running = table.running.get(peer)?;
        Some(Session { commands: running.commands.clone(), status: running.status.clone() })
    }

    pub(super) fn statuses(&self) -> Vec<Status> {
        let table = self.table.lock();
        let mut list: Vec<_> =
            table.running.values().map(|running| running.status.borrow().clone()).collect();
        list.sort_by_key(|status| status.peer);
        list
    }

    /// The sessions to ask for objects, those that have everything first.
    pub(super) fn commands(&self) -> Vec<mpsc::Sender<Command>> {
        let table = self.table.lock();
        let mut list: Vec<_> = table
            .running
            .values()
            .map(|running| (!running.status.borrow().in_sync, running.commands.clone()))
            .collect();
        list.sort_by_key(|(behind, _)| *behind);
        list.into_iter().map(|(_, commands)| commands).collect()
    }

    pub(super) fn tell_all(&self, command: impl Fn() -> Command) {
        for running in self.table.lock().running.values() {
            if let Err(mpsc::error::TrySendError::Full(_)) = running.commands.try_send(command()) {
                tracing::debug!("a session is too busy to hear of a new head; the next will do");
            }
        }
    }

    pub(super) async fn end(&self, peer: &DevicePublic) {
        let commands = self.table.lock().running.get(peer).map(|running| running.commands.clone());
        if let Some(commands) = commands {
            let _ = commands.send(Command::Close).await;
        }
    }

    /// Ends the sessions with one of these addresses at this end.
    pub(super) fn end_over(&self, gone: &[IpAddr]) {
        for running in self.table.lock().running.values() {
            if running.local.is_some_and(|local| gone.contains(&local)) {
                // Full: it has more to do than it can, and will hear from its transport.
                let _ = running.commands.try_send(Command::Close);
            }
        }
    }

    /// Waits until the sessions that run are as wanted. They come sorted by device.
    pub(super) async fn until(&self, wanted: impl Fn(&[Status]) -> bool) {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            let mut watched: Vec<_> =
                self.table.lock().running.values().map(|running| running.status.clone()).collect();
            let mut statuses: Vec<_> =
                watched.iter_mut().map(|status| status.borrow_and_update().clone()).collect();
            statuses.sort_by_key(|status| status.peer);
            if wanted(&statuses) {
                return;
            }
            let mut news: FuturesUnordered<_> = watched.iter_mut().map(watch::Receiver::changed).collect();
            let news = async {
                loop {
                    match news.next().await {
                        Some(Ok(())) => return,
                        // A session that ends leaves the table, which is heard of below.
                        Some(Err(_)) => {}
                        None => std::future::pending().await,
                    }
                }
            };
            tokio::select! {
                () = changed => {}
                () = news => {}
            }
        }
    }

    /// The last session with the device ended before all was done.
    pub(super) fn broke_off(&self, peer: &DevicePublic) -> bool {
        self.table.lock().broken.contains(peer)
    }
}

impl Place {
    /// The session is over.
    pub(super) fn leave(self, done: bool) {
        let mut table = self.registry.table.lock();
        if done {
            table.broken.remove(&self.peer);
        } else {
            table.broken.insert(self.peer);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut table = self.registry.table.lock();
        if table.running.get(&self.peer).is_some_and(|running| running.number == self.number) {
            table.running.remove(&self.peer);
        }
        self.registry.changed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::miror::link::Transport;
    use crate::miror::session::Progress;

    /// How a session with device `number` stands at its beginning.
    fn beginning(number: u8, dialled: bool) -> Status {
        Status {
            peer: DevicePublic([number; 32]),
            name: String::new(),
            address: String::new(),
            dialled,
            port: 0,
            transport: Transport::Tcp,
            tip: None,
            in_sync: false,
            settled: false,
            generation: 0,
            progress: Progress::default(),
        }
    }

    /// Whether a session that `dialler` begins at `now` is taken beside one that `other` began at 0 s.
    fn is_taken(own: u8, other: DevicePublic, dialler: DevicePublic, now: u64) -> bool {
        let status = beginning(3 - own, other == DevicePublic([own; 32]));
        let (own, peer) = (DevicePublic([own; 32]), status.peer);
        let registry = Registry::default();
        let (_told, status) = watch::channel(status);
        let enter = |dialler, now| {
            let parties = Parties { own, peer, dialler };
            registry.enter(parties, None, status.clone(), Duration::from_secs(now))
        };
        let (_first, mut commands) = enter(other, 0).unwrap_or_else(|_| panic!("there was none"));
        let taken = enter(dialler, now).is_ok();
        assert_eq!(taken, matches!(commands.try_recv(), Ok(Command::Close)), "one of the two ends");
        taken
    }

    #[test]
    fn who_dials_anew_long_after_has_lost_the_session() {
        let (smaller, greater) = (DevicePublic([1; 32]), DevicePublic([2; 32]));
        for own in [1, 2] {
            assert!(
                is_taken(own, smaller, smaller, 1) && is_taken(own, greater, greater, 1),
                "dialled again"
            );
            assert!(
                is_taken(own, greater, smaller, 1) && !is_taken(own, smaller, greater, 1),
                "both at once"
            );
            assert!(is_taken(own, greater, smaller, 60), "the smaller key dialled");
        }
        assert!(is_taken(1, smaller, greater, 60), "the peer was killed, and is back");
        assert!(!is_taken(2, smaller, greater, 60), "the peer's session is as good as one of ours");
    }

    #[test]
    fn an_address_that_goes_takes_its_sessions_along() {
        let own = DevicePublic([9; 32]);
        let registry = Registry::default();
        let begin = |number, local: [u8; 4]| {
            let status = beginning(number, true);
            let parties = Parties { own, peer: status.peer, dialler: own };
            let status = watch::channel(status).1;
            let entered = registry.enter(parties, Some(local.into()), status, Duration::ZERO);
            entered.unwrap_or_else(|_| panic!("there was none"))
        };
        let (mut cable, mut radio) = (begin(1, [10, 0, 0, 1]), begin(2, [10, 0, 1, 1]));
        registry.end_over(&[[10, 0, 1, 1].into(), [10, 0, 2, 1].into()]);
        assert!(matches!(radio.1.try_recv(), Ok(Command::Close)));
        assert!(cable.1.try_recv().is_err(), "its address is still there");
    }

    /// Waits for a task that has all it waits for.
    async fn soon(waiting: tokio::task::JoinHandle<()>) {
        tokio::time::timeout(Duration::from_secs(20), waiting).await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn who_waits_hears_of_every_change() {
        let own = DevicePublic([9; 32]);
        let registry = Registry::default();
        let begin = |number| {
            let status = beginning(number, true);
            let peer = status.peer;
            let (told, status) = watch::channel(status);
            let parties = Parties { own, peer, dialler: own };
            let (place, _) =
                registry.enter(parties, None, status, Duration::ZERO).unwrap_or_else(|_| panic!());
            (told, place)
        };
        let hears = |wanted: fn(&[Status]) -> bool| {
            let registry = registry.clone();
            tokio::spawn(async move { registry.until(wanted).await })
        };
        let begun = hears(|sessions| sessions.len() == 2);
        tokio::task::yield_now().await;
        let (first, place) = begin(1);
        assert!(!begun.is_finished());
        let (second, other) = begin(2);
        soon(begun).await;
        let settled = hears(|sessions| sessions.iter().any(|session| session.settled));
        tokio::task::yield_now().await;
        drop((first, place));
        second.send_modify(|status| status.in_sync = true);
        tokio::task::yield_now().await;
        assert!(!settled.is_finished());
        second.send_modify(|status| status.settled = true);
        soon(settled).await;
        let over = hears(<[Status]>::is_empty);
        tokio::task::yield_now().await;
        drop(second);
        tokio::task::yield_now().await;
        assert!(!over.is_finished(), "it is still in the table");
        drop(other);
        soon(over).await;
    }
}
