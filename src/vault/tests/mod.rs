//! The integrated vault on the test disk: several hosts, power cuts, threads.

mod crash;
mod lives;
mod meanwhile;
mod meeting;
mod past;
mod prune;
mod replay;
mod resolving;
mod scale;
mod stored_view;
mod threads;
mod turns;

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::{Arc, LazyLock};

use parking_lot::Mutex;

use super::*;
use crate::ambient::{Ambient, Clock, Entropy, WallNanos};
use crate::crypto::{Argon2Cost, DeviceKey, Keyring, ObjectKind, Unlock, VaultFile, new_key_file};
use crate::merge::merge_commit;
use crate::store::disk::fault::{Dice, FaultDisk};
use crate::store::{Caches, Options, Store};
use crate::trie::{Child, inspect};
use crate::vault::contents::Extents;

/// The keys of one vault; every host gets its own device.
static FIRST: LazyLock<(VaultFile, Keyring)> = LazyLock::new(|| {
    let entropy = Ambient::host().entropy;
    let mut keyring = Keyring::generate(&*entropy);
    let unlock = Unlock::KeyFile(new_key_file(&*entropy));
    let file = VaultFile::create(&mut keyring, &unlock, Argon2Cost::weak_for_tests(), &*entropy).unwrap();
    (file, keyring)
});

/// Random bytes that are the same each time.
#[derive(Debug)]
struct Seeded(Mutex<Dice>);

impl Entropy for Seeded {
    fn fill(&self, buf: &mut [u8]) {
        let mut dice = self.0.lock();
        buf.iter_mut().for_each(|byte| *byte = dice.roll(256) as u8);
    }
}

/// A clock that stands still until it is moved.
#[derive(Debug, Default)]
struct StillClock(Mutex<std::time::Duration>);

impl Clock for StillClock {
    fn wall(&self) -> WallNanos {
        1_700_000_000_000_000_000 + self.0.lock().as_nanos() as i64
    }

    fn monotonic(&self) -> std::time::Duration {
        *self.0.lock()
    }
}

/// One device with its disk.
#[derive(Clone)]
struct Host {
    disk: FaultDisk,
    keyring: Arc<Keyring>,
    ambient: Ambient,
    clock: Arc<StillClock>,
}

fn options() -> Options {
    Options {
        segment_len: 256 << 10,
        journal_len: 128 << 10,
        reserve: 8 << 10,
        caches: Caches { index: 1 << 20, ..Caches::default() },
        index_batch: 64,
        index_checkpoint: 64 << 10,
    }
}

impl Host {
    fn new(seed: u64) -> Self {
        let clock = Arc::new(StillClock::default());
        let entropy = Arc::new(Seeded(Mutex::new(Dice(seed))));
        let ambient = Ambient { clock: clock.clone(), entropy: entropy.clone() };
        let device = DeviceKey::generate(&*entropy);
        let keyring = Arc::new(Keyring::from_inviter(&FIRST.1.for_joiner(), device).unwrap());
        Host { disk: FaultDisk::new(), keyring, ambient, clock }
    }

    fn store(&self) -> Arc<Store> {
        let disk = Arc::new(self.disk.clone());
        let (keyring, ambient) = (self.keyring.clone(), self.ambient.clone());
        Arc::new(Store::create_with(disk, &FIRST.0, keyring, ambient, options()).unwrap())
    }

    /// A new vault with this device in it.
    fn create(&self, name: &str) -> Arc<Vault> {
        let device = self.keyring.device().public();
        Vault::create(self.store(), device, name, self.ambient.clone()).unwrap()
    }

    /// A replica that has merged nothing yet.
    fn join(&self) -> Arc<Vault> {
        Vault::create_joining(self.store(), self.keyring.device().public(), self.ambient.clone()).unwrap()
    }

    fn try_open(&self, life: Life) -> Result<(Arc<Vault>, OpenReport)> {
        let (keyring, ambient) = (self.keyring.clone(), self.ambient.clone());
        let (store, recovery) =
            Store::open_with(Arc::new(self.disk.clone()), keyring, ambient.clone(), options())?;
        Vault::open(Arc::new(store), recovery, life, ambient)
    }

    fn open(&self) -> Arc<Vault> {
        let (vault, report) = self.try_open(Life::Same).unwrap();
        assert!(report.lost.is_empty() && report.damage.is_empty(), "{report:?}");
        vault
    }

    /// The same device with another disk.
    fn on(&self, disk: FaultDisk) -> Self {
        Host { disk, ..self.clone() }
    }
}

fn name(name: &str) -> Name {
    Name::new(name).unwrap()
}

fn attr() -> Attr {
    Attr { mode: 0o644, uid: 0, gid: 0, mtime: 1, birth: 1, xattrs: BTreeMap::new() }
}

/// Bytes that do not shrink, and that are the same for the same seed.
fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut dice = Dice(seed);
    (0..len).map(|_| dice.roll(256) as u8).collect()
}

fn put(vault: &Vault, path: &str, bytes: &[u8]) -> NodeId {
    vault.put_file(path.as_bytes(), bytes, attr()).unwrap()
}

fn get(vault: &Arc<Vault>, path: &str) -> Vec<u8> {
    let found = vault.find(path.as_bytes()).unwrap();
    let Some(Data::Content(content)) = found.data else { panic!("{path} is no file") };
    let mut bytes = Vec::new();
    vault.reader(content).read_to_end(&mut bytes).unwrap();
    bytes
}

fn dir(vault: &Vault, path: &str) -> NodeId {
    vault.find(path.as_bytes()).unwrap().node()
}

fn rename(vault: &Vault, from: &str, to: &str) {
    let (from_dir, from_name) = from.rsplit_once('/').unwrap();
    let (to_dir, to_name) = to.rsplit_once('/').unwrap();
    let (a, b) = (dir(vault, from_dir), dir(vault, to_dir));
    vault
        .edit(Origin::VAULT, |tree, draw| {
            tree.rename((&a, &name(from_name)), (&b, &name(to_name)), Replace::Allowed, None, draw)
        })
        .unwrap();
}

fn unlink(vault: &Vault, path: &str) {
    let (parent, last) = path.rsplit_once('/').unwrap();
    let parent = dir(vault, parent);
    vault.edit(Origin::VAULT, |tree, draw| tree.unlink(&parent, &name(last), draw)).unwrap();
}

/// Every path with its bytes (`None` for a directory), from the root.
fn tree(vault: &Arc<Vault>) -> BTreeMap<String, Option<Vec<u8>>> {
    let mut all = BTreeMap::new();
    let mut todo = vec![(String::new(), NodeId::ROOT)];
    while let Some((path, dir)) = todo.pop() {
        for (listed, found) in vault.list(&dir).unwrap() {
            let path = format!("{path}/{}", String::from_utf8_lossy(listed.name.as_bytes()));
            match found.kind {
                Kind::Directory => {
                    all.insert(path.clone(), None);
                    todo.push((path, found.node()));
                }
                _ => {
                    let bytes = get(vault, &path);
                    all.insert(path, Some(bytes));
                }
            }
        }
    }
    all
}

fn check(vault: &Vault) {
    let mut faults = Vec::new();
    vault.check(&mut |fault| faults.push(fault)).unwrap();
    assert_eq!(faults, []);
}

/// All that is absent, in the order in which it is asked for.
fn missing(vault: &Vault) -> Vec<crate::crypto::ObjectId> {
    vault.missing(None, usize::MAX).iter().map(|absent| absent.id).collect()
}

/// Copies an object, unless it is there.
fn carry(from: &Vault, to: &Vault, kind: ObjectKind, id: &crate::crypto::ObjectId) {
    let bytes = from.store().fetch(id).unwrap();
    assert_eq!(to.store().put(kind, &bytes).unwrap(), *id);
}

/// Copies all structure below a commit: commits, tries, lists; with `contents` also the chunks.
fn carry_commit(from: &Vault, to: &Vault, head: CommitId, contents: bool) {
    for commit in from.ancestors(head).unwrap() {
        let (id, commit) = commit.unwrap();
        carry(from, to, ObjectKind::Commit, &id.0);
        let mut todo: Vec<Child> = Child::root(&commit.trie()).into_iter().collect();
        while let Some(child) = todo.pop() {
            carry(from, to, ObjectKind::Trie, &child.id);
            let bytes = from.store().fetch(&child.id).unwrap();
            todo.extend(inspect::<NodeCodec>(&child, &bytes).unwrap().children);
        }
        for entry in from.forest().iter(&commit.trie(), ..) {
            let (_, node) = entry.unwrap();
            for (_, data) in node.data.iter() {
                let Data::Content(content) = data else { continue };
                carry_content(from, to, content, contents);
            }
        }
    }
}

/// Copies the lists of a content, and its chunks if `chunks`, as far as `from` has them.
fn carry_content(from: &Vault, to: &Vault, content: &Content, chunks: bool) {
    loop {
        let missing = to.contents().missing(content).unwrap();
        let wanted = missing
            .into_iter()
            .filter(|(id, kind)| (chunks || *kind == ObjectKind::List) && from.store().contains(id).unwrap());
        let wanted: Vec<_> = wanted.collect();
        if wanted.is_empty() {
            return;
        }
        for (id, kind) in wanted {
            carry(from, to, kind, &id);
        }
    }
}

/// `to` merges all that `from` has.
fn pull(to: &Arc<Vault>, from: &Arc<Vault>) -> Merged {
    pull_with(to, from, true)
}

fn pull_with(to: &Arc<Vault>, from: &Arc<Vault>, contents: bool) -> Merged {
    from.commit().unwrap();
    let offered = from.offer().unwrap();
    carry_commit(from, to, offered.commit, contents);
    let merged = merge_commit(to, Some(from.device()), offered.commit).unwrap();
    check(to);
    merged
}

/// Both merge each other until neither changes.
fn meet(a: &Arc<Vault>, b: &Arc<Vault>) {
    pull(a, b);
    pull(b, a);
    pull(a, b);
    assert_eq!(a.head().root, b.head().root);
    assert_eq!(a.head().commit, b.head().commit);
    assert_eq!(tree(a), tree(b));
}
