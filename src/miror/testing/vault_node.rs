//! A real vault over the test disk as a node of the simulated network.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use parking_lot::Mutex;

use super::node::Node;
use super::rng::Rng;
use crate::ambient::{Ambient, Clock, Entropy, WallNanos};
use crate::crypto::{Argon2Cost, DeviceKey, Keyring, Unlock, VaultFile, new_key_file};
use crate::miror::replica::Replica;
use crate::miror::vault_replica::VaultReplica;
use crate::store::disk::fault::{FaultDisk, Loss};
use crate::store::{Caches, Options, Store};
use crate::vault::open::Life;
use crate::vault::{Attr, Data, Found, Kind, Name, NodeId, Origin, Priorities, Rank, Replace, Vault};

/// Names that are written to: few, so that replicas meet on them.
const NAMES: u64 = 12;

/// The keys of the vault; each node has its own device.
static FIRST: LazyLock<(VaultFile, Keyring)> = LazyLock::new(|| {
    let entropy = Seeded(Mutex::new(Rng::new(0)));
    let mut keyring = Keyring::generate(&entropy);
    let unlock = Unlock::KeyFile(new_key_file(&entropy));
    let file = VaultFile::create(&mut keyring, &unlock, Argon2Cost::weak_for_tests(), &entropy);
    (file.unwrap_or_else(|error| panic!("{error}")), keyring)
});

#[derive(Debug)]
struct Seeded(Mutex<Rng>);

impl Entropy for Seeded {
    fn fill(&self, buf: &mut [u8]) {
        let bytes = self.0.lock().bytes(buf.len());
        buf.copy_from_slice(&bytes);
    }
}

/// A wall clock that jumps; nothing waits by it.
#[derive(Debug, Default)]
struct Jumping(AtomicI64);

impl Clock for Jumping {
    fn wall(&self) -> WallNanos {
        self.0.load(Ordering::Relaxed)
    }

    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }
}

/// What was written, and what nobody who saw it has replaced or removed. Every content is written once.
#[derive(Debug, Default)]
pub struct Kept {
    written: BTreeSet<Vec<u8>>,
    alive: BTreeSet<Vec<u8>>,
}

/// A vault with its disk.
pub struct VaultNode {
    disk: FaultDisk,
    keyring: Arc<Keyring>,
    ambient: Ambient,
    clock: Arc<Jumping>,
    vault: Arc<Vault>,
    replica: VaultReplica,
}

fn options() -> Options {
    Options {
        segment_len: 1 << 20,
        journal_len: 128 << 10,
        reserve: 8 << 10,
        caches: Caches { index: 1 << 20, ..Caches::default() },
        index_batch: 64,
        index_checkpoint: 64 << 10,
    }
}

/// A rank for about every other name.
fn some_priorities(rng: &mut Rng) -> Priorities {
    let mut priorities = Priorities::default();
    for name in 0..NAMES {
        if rng.one_in(2) {
            let rank = if rng.one_in(2) { Rank::First } else { Rank::Last };
            // Each name is ranked once.
            let _ = priorities.put(&name.to_string(), rank);
        }
    }
    priorities
}

impl VaultNode {
    fn over(
        disk: FaultDisk,
        keyring: Arc<Keyring>,
        ambient: Ambient,
        clock: Arc<Jumping>,
        vault: Arc<Vault>,
    ) -> Self {
        let replica = VaultReplica::new(vault.clone(), Arc::new(disk.clone()));
        VaultNode { disk, keyring, ambient, clock, vault, replica }
    }

    /// The vault as a replica once more, for who keeps it.
    pub fn shared(&self) -> Arc<dyn Replica> {
        Arc::new(VaultReplica::new(self.vault.clone(), Arc::new(self.disk.clone())))
    }

    /// The bytes of a file, if all of them are here.
    fn bytes(&self, found: &Found) -> Option<Vec<u8>> {
        let Some(Data::Content(content)) = &found.data else { return None };
        if !self.vault.contents().missing(content).ok()?.is_empty() {
            return None;
        }
        let mut bytes = Vec::new();
        self.vault.reader(content.clone()).read_to_end(&mut bytes).ok()?;
        Some(bytes)
    }

    /// Every file with its bytes; None where they are not here.
    fn files(&self) -> Result<BTreeMap<Vec<u8>, Option<Vec<u8>>>, String> {
        let listed = self.vault.list(&NodeId::ROOT).map_err(|error| error.to_string())?;
        let files = listed.into_iter().filter(|(_, found)| found.kind == Kind::File);
        Ok(files.map(|(listed, found)| (listed.name.as_bytes().to_vec(), self.bytes(&found))).collect())
    }

    fn put(&self, path: &str, rng: &mut Rng, oracle: &mut Kept) {
        let shown = self.vault.find(path.as_bytes()).ok();
        let replaced = shown.as_ref().map(|found| self.bytes(found));
        if replaced == Some(None) {
            // Nobody writes over what he cannot read.
            return;
        }
        let mut bytes = rng.bytes(16);
        let len = if rng.one_in(12) { 200_000 } else { rng.below(600) };
        bytes.extend(rng.bytes(len as usize));
        let attr = Attr { mode: 0o644, uid: 0, gid: 0, mtime: 1, birth: 1, xattrs: BTreeMap::new() };
        if self.vault.put_file(path.as_bytes(), &bytes[..], attr).is_ok() {
            oracle.replace(replaced.flatten(), Some(bytes));
        }
    }

    fn remove(&self, path: &str, oracle: &mut Kept) {
        let Ok(found) = self.vault.find(path.as_bytes()) else { return };
        let (Some(bytes), Ok(name)) = (self.bytes(&found), Name::new(&path[1..])) else { return };
        let removed = self.vault.edit(Origin::VAULT, |tree, draw| tree.unlink(&NodeId::ROOT, &name, draw));
        if removed.is_ok() {
            oracle.replace(Some(bytes), None);
        }
    }

    fn rename(&self, path: &str, rng: &mut Rng) {
        let names = (Name::new(&path[1..]), Name::new(format!("moved {}", rng.next())));
        if let (Ok(from), Ok(to)) = names {
            // There may be nothing of that name.
            let _ = self.vault.edit(Origin::VAULT, |tree, draw| {
                let root = &NodeId::ROOT;
                tree.rename((root, &from), (root, &to), Replace::Allowed, None, draw)
            });
        }
    }
}

impl Kept {
    fn replace(&mut self, old: Option<Vec<u8>>, new: Option<Vec<u8>>) {
        if let Some(old) = old {
            self.alive.remove(&old);
        }
        if let Some(new) = new {
            self.written.insert(new.clone());
            self.alive.insert(new);
        }
    }
}

impl Node for VaultNode {
    type Oracle = Kept;

    fn start(number: u8, rng: &mut Rng) -> Self {
        let clock = Arc::new(Jumping(AtomicI64::new(1_700_000_000_000_000_000)));
        let entropy = Arc::new(Seeded(Mutex::new(Rng::new(rng.next()))));
        let ambient = Ambient { clock: clock.clone(), entropy: entropy.clone() };
        let device = DeviceKey::generate(&*entropy);
        let keyring = Keyring::from_inviter(&FIRST.1.for_joiner(), device);
        let keyring = Arc::new(keyring.unwrap_or_else(|error| panic!("{error}")));
        let disk = FaultDisk::new();
        let made =
            Store::create_with(Arc::new(disk.clone()), &FIRST.0, keyring.clone(), ambient.clone(), options());
        let store = Arc::new(made.unwrap_or_else(|error| panic!("{error}")));
        let public = keyring.device().public();
        let vault = match number {
            0 => Vault::create(store, public, "first", ambient.clone()),
            _ => Vault::create_joining(store, public, ambient.clone()),
        };
        let vault = vault.unwrap_or_else(|error| panic!("{error}"));
        if rng.one_in(3) {
            vault.set_priorities(some_priorities(rng));
        }
        Self::over(disk, keyring, ambient, clock, vault)
    }

    fn replica(&self) -> &dyn Replica {
        &self.replica
    }

    fn edit(&self, rng: &mut Rng, oracle: &mut Kept) -> Result<(), String> {
        if rng.one_in(5) {
            let jump = rng.below(2 << 40) as i64 - (1 << 40);
            self.clock.0.fetch_add(jump, Ordering::Relaxed);
        }
        let path = format!("/{}", rng.below(NAMES));
        match rng.below(8) {
            0 => self.remove(&path, oracle),
            1 => self.rename(&path, rng),
            _ => self.put(&path, rng, oracle),
        }
        self.vault.commit().map(drop).map_err(|error| error.to_string())
    }

    fn crash(&mut self, rng: &mut Rng) -> Result<(), String> {
        let loss = Loss::ALL[rng.below(Loss::ALL.len() as u64) as usize];
        let disk = self.disk.after_power_cut(loss, rng.next());
        let (keyring, ambient) = (self.keyring.clone(), self.ambient.clone());
        let opened = Store::open_with(Arc::new(disk.clone()), keyring.clone(), ambient.clone(), options());
        let (store, recovery) = opened.map_err(|error| format!("after a crash: {error}"))?;
        let opened = Vault::open(Arc::new(store), recovery, Life::Same, ambient.clone());
        let (vault, report) = opened.map_err(|error| format!("after a crash: {error}"))?;
        if !report.lost.is_empty() || !report.damage.is_empty() {
            return Err(format!("after a crash: {report:?}"));
        }
        *self = Self::over(disk, keyring, ambient, self.clock.clone(), vault);
        Ok(())
    }

    fn check_bytes(&self, oracle: &Kept) -> Result<(), String> {
        let mut files = self.files()?.into_iter();
        match files.find(|(_, bytes)| bytes.as_ref().is_some_and(|bytes| !oracle.written.contains(bytes))) {
            Some((name, _)) => Err(format!("wrong bytes in {}", String::from_utf8_lossy(&name))),
            None => Ok(()),
        }
    }

    fn check_whole(&self, oracle: &Kept) -> Result<(), String> {
        self.check_bytes(oracle)?;
        let files = self.files()?;
        let shown: BTreeSet<_> = files.values().flatten().collect();
        if let Some((name, _)) = files.iter().find(|(_, bytes)| bytes.is_none()) {
            return Err(format!("{} is not whole", String::from_utf8_lossy(name)));
        }
        match oracle.alive.iter().find(|bytes| !shown.contains(bytes)) {
            Some(bytes) => Err(format!("a content of {} bytes is lost", bytes.len())),
            None => {
                let mut faults = Vec::new();
                self.vault.check(&mut |fault| faults.push(fault)).map_err(|error| error.to_string())?;
                if faults.is_empty() { Ok(()) } else { Err(format!("{faults:?}")) }
            }
        }
    }
}
