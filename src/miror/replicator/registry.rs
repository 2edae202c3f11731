//! The sessions that run, one a device.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::{Notify, mpsc, watch};

use super::super::driver::{Command, PeerError, Status};
use crate::crypto::DevicePublic;

/// Commands that wait for a session's attention.
const COMMANDS: usize = 256;

struct Running {
    number: u64,
    dialler: DevicePublic,
    commands: mpsc::Sender<Command>,
    status: watch::Receiver<Status>,
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
    /// Enters a session. Of two with one device the one dialled by the smaller key stays; of two dialled by the
    /// same device the newer, since the older is dead or will be.
    pub(super) fn enter(
        &self,
        peer: DevicePublic,
        dialler: DevicePublic,
        own: DevicePublic,
        status: watch::Receiver<Status>,
    ) -> Result<(Place, mpsc::Receiver<Command>), PeerError> {
        let mut table = self.table.lock();
        if let Some(other) = table.running.get(&peer) {
            let smaller = own.min(peer);
            if other.dialler != dialler && other.dialler == smaller {
                return Err(PeerError::Unfinished);
            }
            // Full: it is busy dying, or will see its channel closed.
            let _ = other.commands.try_send(Command::Close);
        }
        let (commands, receiver) = mpsc::channel(COMMANDS);
        table.next += 1;
        let number = table.next;
        table.running.insert(peer, Running { number, dialler, commands, status });
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

    /// Waits until no session with the device runs.
    pub(super) async fn gone(&self, peer: &DevicePublic) {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if !self.table.lock().running.contains_key(peer) {
                return;
            }
            changed.await;
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
