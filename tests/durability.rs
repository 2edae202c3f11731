//! Power cuts under an open filesystem: a loop that writes and fsyncs, cut at each write and each sync of the
//! disk, with what was not synced dropped, torn or reordered.
//!
//! What must hold after each cut: names are as after a prefix of all changes of names, not shorter than what an
//! fsync returned from; each file is as after a prefix of the requests made on it, likewise.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use bosr::ambient::{Ambient, Clock, WallNanos};
use bosr::crypto::{Argon2Cost, Keyring, Unlock, VaultFile, new_key_file};
use bosr::fs::{Checks, DirtyLimit, MountedVault, Ownership};
use bosr::store::disk::fault::{FaultDisk, Loss};
use bosr::store::{Options, Store};
use bosr::vault::{Content, Data, Fold, Life, NodeId, Tree, Vault};
use bosr_mount::{
    Access, Answer, Caller, Created, Error, Filesystem, Handle, Inode, OpenFlags, Opened, Permissions,
    Rename, Reply, SetAttributes, Write,
};

const CALLER: Caller = Caller { uid: 0, gid: 0, pid: 1 };

const READ_WRITE: OpenFlags = OpenFlags {
    access: Access::ReadWrite,
    append: false,
    truncate: false,
    exclusive: false,
    direct: false,
    synchronous: false,
    execute: false,
    clear_set_id: false,
};

fn options() -> Options {
    Options { segment_len: 1 << 20, journal_len: 256 << 10, reserve: 0, ..Options::default() }
}

/// Time passes when it is told to.
#[derive(Debug, Default)]
struct StillClock(Mutex<Duration>);

impl Clock for StillClock {
    fn wall(&self) -> WallNanos {
        1_700_000_000_000_000_000 + self.0.lock().unwrap().as_nanos() as i64
    }

    fn monotonic(&self) -> Duration {
        *self.0.lock().unwrap()
    }
}

/// What has been asked for so far, and what was promised durable.
#[derive(Default)]
struct Model {
    /// All contents of each file, one after each request.
    files: Vec<Vec<Vec<u8>>>,
    /// All states of the names, one after each change: which file each leads to.
    names: Vec<BTreeMap<String, usize>>,
    /// How much of both an fsync returned from.
    durable_names: usize,
    durable: BTreeMap<usize, usize>,
}

impl Model {
    fn new() -> Model {
        Model { names: vec![BTreeMap::new()], ..Model::default() }
    }

    fn rename_all(&mut self, change: impl FnOnce(&mut BTreeMap<String, usize>)) {
        let mut names = self.names.last().unwrap().clone();
        change(&mut names);
        self.names.push(names);
    }

    /// Fails unless `found` can be what a power cut left.
    fn accept(&self, found: &BTreeMap<String, Vec<u8>>, what: &str) {
        let fits = |names: &BTreeMap<String, usize>| {
            names.len() == found.len()
                && names.iter().all(|(name, file)| {
                    let from = self.durable.get(file).copied().unwrap_or(0);
                    found.get(name).is_some_and(|bytes| self.files[*file][from..].contains(bytes))
                })
        };
        let lengths: BTreeMap<_, _> = found.iter().map(|(name, bytes)| (name, bytes.len())).collect();
        assert!(self.names[self.durable_names..].iter().any(fits), "{what}: found {lengths:?}");
    }
}

/// An open vault with a filesystem, driven by requests as the kernel would make them.
struct Rig {
    vault: Arc<Vault>,
    fs: Arc<MountedVault>,
    model: Model,
    open: BTreeMap<usize, (Inode, Handle)>,
}

fn ask<T: Answer>(request: impl FnOnce(Reply<T>)) -> Result<T, Error> {
    let (send, receive) = mpsc::channel();
    request(Reply::to(move |answer| send.send(answer).unwrap()));
    receive.recv().unwrap()
}

impl Rig {
    fn create(&mut self, name: &str) -> Result<usize, Error> {
        let flags = OpenFlags { exclusive: true, ..READ_WRITE };
        let file = self.model.files.len();
        self.model.files.push(vec![Vec::new()]);
        self.model.rename_all(|names| {
            names.insert(name.to_owned(), file);
        });
        let made: Created = ask(|reply| {
            let permissions = Permissions::from_mode(0o644);
            self.fs.create(&CALLER, Inode::ROOT, OsStr::new(name), permissions, flags, reply);
        })?;
        self.open.insert(file, (made.entry.attributes.inode, made.opened.handle));
        Ok(file)
    }

    fn write(&mut self, file: usize, offset: usize, data: &[u8]) -> Result<(), Error> {
        let mut bytes = self.model.files[file].last().unwrap().clone();
        bytes.resize(bytes.len().max(offset + data.len()), 0);
        bytes[offset..offset + data.len()].copy_from_slice(data);
        self.model.files[file].push(bytes);
        let (inode, handle) = self.open[&file];
        let write =
            Write { offset: offset as u64, data, append: false, from_mapping: false, clear_set_id: false };
        ask(|reply| self.fs.write(&CALLER, inode, handle, write, reply)).map(drop)
    }

    fn truncate(&mut self, file: usize, size: usize) -> Result<(), Error> {
        let mut bytes = self.model.files[file].last().unwrap().clone();
        bytes.resize(size, 0);
        self.model.files[file].push(bytes);
        let (inode, handle) = self.open[&file];
        let changes = SetAttributes { size: Some(size as u64), ..SetAttributes::default() };
        ask(|reply| self.fs.setattr(&CALLER, inode, Some(handle), &changes, reply)).map(drop)
    }

    fn sync(&mut self, file: usize) -> Result<(), Error> {
        let (inode, handle) = self.open[&file];
        ask(|reply| self.fs.fsync(&CALLER, inode, handle, false, reply))?;
        self.model.durable.insert(file, self.model.files[file].len() - 1);
        self.model.durable_names = self.model.names.len() - 1;
        Ok(())
    }

    fn close(&mut self, file: usize) -> Result<(), Error> {
        let (inode, handle) = self.open.remove(&file).unwrap();
        ask(|reply| self.fs.release(inode, handle, reply))
    }

    /// Lets go of a file and takes it up again: what was written to it is being folded from now on.
    fn reopen(&mut self, file: usize) -> Result<(), Error> {
        let (inode, handle) = self.open[&file];
        ask(|reply| self.fs.release(inode, handle, reply))?;
        let opened: Opened = ask(|reply| self.fs.open(&CALLER, inode, READ_WRITE, reply))?;
        self.open.insert(file, (inode, opened.handle));
        Ok(())
    }

    fn rename(&mut self, from: &str, to: &str) -> Result<(), Error> {
        self.model.rename_all(|names| {
            let file = names.remove(from).unwrap();
            names.insert(to.to_owned(), file);
        });
        let (from, to) = (OsStr::new(from), OsStr::new(to));
        ask(|reply| self.fs.rename(&CALLER, Inode::ROOT, from, Inode::ROOT, to, Rename::Replace, reply))
    }

    fn unlink(&mut self, name: &str) -> Result<(), Error> {
        self.model.rename_all(|names| {
            names.remove(name);
        });
        ask(|reply| self.fs.unlink(&CALLER, Inode::ROOT, OsStr::new(name), reply))
    }

    fn commit(&self) -> Result<(), Error> {
        self.fold(Fold::Ready)
    }

    fn fold(&self, which: Fold) -> Result<(), Error> {
        self.vault.fold_and_commit(which).map(drop).map_err(|_| Error::Io)
    }

    /// The workload: every way in which bytes and names become durable.
    fn work(&mut self) -> Result<(), Error> {
        let noise: Vec<u8> = (0..900_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        let log = self.create("log")?;
        for round in 0..4 {
            self.write(log, round * 100, &[round as u8 + 1; 100])?;
            self.sync(log)?;
        }
        // Scattered and overlapping, then durable at once.
        self.write(log, 50, &[9; 100])?;
        self.write(log, 10, &[8; 10])?;
        self.write(log, 120, &[7; 60])?;
        self.sync(log)?;
        // A save by rename, as editors do it.
        let doc = self.create("doc")?;
        self.write(doc, 0, b"first version")?;
        self.sync(doc)?;
        self.close(doc)?;
        self.commit()?;
        let save = self.create("doc~")?;
        self.write(save, 0, b"second version, a bit longer")?;
        self.sync(save)?;
        self.close(save)?;
        self.rename("doc~", "doc")?;
        self.sync(log)?;
        // Without fsync before the rename: the bytes go first all the same.
        let hasty = self.create("doc~")?;
        self.write(hasty, 0, b"third version")?;
        self.close(hasty)?;
        self.rename("doc~", "doc")?;
        self.commit()?;
        // Large: through the chunk pipeline, cut and grown.
        let large = self.create("large")?;
        self.write(large, 0, &noise[..400_000])?;
        self.write(large, 400_000, &noise[400_000..])?;
        self.write(large, 300_000, &noise[..300_000])?;
        self.sync(large)?;
        self.truncate(large, 350_000)?;
        self.write(large, 349_990, &[5; 20])?;
        self.sync(large)?;
        self.truncate(large, 600_000)?;
        self.sync(large)?;
        self.commit()?;
        self.unlink("log")?;
        self.write(log, 0, b"written to nobody")?;
        self.sync(large)?;
        self.rename("large", "moved")?;
        self.close(large)?;
        self.commit()
    }

    /// As a database writes: all over a large file, while folds of it are under way and the journal fills.
    fn work_all_over(&mut self) -> Result<(), Error> {
        let noise: Vec<u8> = (0..200_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        let table = self.create("table")?;
        self.write(table, 0, &noise)?;
        self.sync(table)?;
        self.fold(Fold::All)?;
        for round in 0..4 {
            for n in 0..70 {
                let at = (n * 7919 + round * 131) % 195_000;
                self.write(table, at, &[(round * 70 + n) as u8; 900][..100 + n * 10])?;
                if n % 20 == 0 {
                    self.sync(table)?;
                }
            }
            self.truncate(table, 199_000 + round)?;
            // Folded while more is written and the journal is told anew of both.
            self.reopen(table)?;
            for n in 0..70 {
                self.write(table, n * 2801 + round, &[(n + round) as u8; 40])?;
            }
            self.sync(table)?;
            self.fold(Fold::Room)?;
            self.write(table, 150_000, &noise[..40_000])?;
            self.sync(table)?;
            self.fold(Fold::Room)?;
            // Folded with bytes that the journal does not have, while it is asked to have what came after.
            self.write(table, 20_000, &noise[round..40_000])?;
            self.reopen(table)?;
            self.write(table, 10_000 + round, b"after")?;
            self.sync(table)?;
        }
        self.fold(Fold::All)
    }
}

struct Keys {
    keyring: Arc<Keyring>,
    file: VaultFile,
}

fn keys(ambient: &Ambient) -> Keys {
    let mut keyring = Keyring::generate(&*ambient.entropy);
    let key = Unlock::KeyFile(new_key_file(&*ambient.entropy));
    let file = VaultFile::create(&mut keyring, &key, Argon2Cost::default(), &*ambient.entropy).unwrap();
    Keys { keyring: Arc::new(keyring), file }
}

fn rig(vault: Arc<Vault>) -> Rig {
    let fs = MountedVault::new(Arc::clone(&vault), Ownership::Keep, Checks::Kernel, DirtyLimit::default())
        .unwrap();
    Rig { vault, fs, model: Model::new(), open: BTreeMap::new() }
}

fn contents(vault: &Vault) -> BTreeMap<String, Vec<u8>> {
    let listed = vault.read(|tree: &Tree| tree.scene().list(&NodeId::ROOT, 0, 1000)).unwrap();
    let bytes = |node: &NodeId| {
        let content = vault.read(|tree| vault.content_shown(tree, node)).unwrap().map(|shown| shown.content);
        let content: Content = content.unwrap();
        vault.read_content(&content, 0, content.len() as usize).unwrap()
    };
    listed
        .iter()
        .map(|entry| {
            let bosr::vault::Entry::Node(node) = &entry.entry else { panic!("a tombstone appeared") };
            assert!(
                vault.read(|tree| tree.node(node)).unwrap().is_some_and(|node| {
                    node.data.iter().all(|(_, data)| matches!(data, Data::Content(_)))
                })
            );
            (String::from_utf8(entry.name.to_vec()).unwrap(), bytes(node))
        })
        .collect()
}

/// The disk after making a vault: where every run begins.
fn made(keys: &Keys, ambient: &Ambient) -> FaultDisk {
    let disk = FaultDisk::new();
    let store = Store::create_with(
        Arc::new(disk.clone()),
        &keys.file,
        Arc::clone(&keys.keyring),
        ambient.clone(),
        options(),
    )
    .unwrap();
    let device = keys.keyring.device().public();
    Vault::create(Arc::new(store), device, "desk", ambient.clone()).unwrap();
    disk.after_power_cut(Loss::Keep, 0)
}

fn try_open(disk: &FaultDisk, keys: &Keys, ambient: &Ambient) -> Option<Arc<Vault>> {
    let disk = Arc::new(disk.clone());
    let opened = Store::open_with(disk, Arc::clone(&keys.keyring), ambient.clone(), options());
    let (store, recovery) = opened.ok()?;
    Some(Vault::open(Arc::new(store), recovery, Life::Same, ambient.clone()).ok()?.0)
}

fn open(disk: &FaultDisk, keys: &Keys, ambient: &Ambient) -> Arc<Vault> {
    try_open(disk, keys, ambient).expect("a vault opens after a power cut")
}

#[test]
fn what_fsync_returned_from_survives_every_power_cut() {
    survives_every_power_cut(Rig::work);
}

#[test]
fn what_is_written_while_a_fold_is_under_way_survives_every_power_cut() {
    survives_every_power_cut(Rig::work_all_over);
}

/// A log that is never synced nor closed.
#[test]
fn what_is_written_without_a_pause_is_durable_within_a_second() {
    let clock = Arc::new(StillClock::default());
    let ambient = Ambient { clock: clock.clone(), ..Ambient::host() };
    let keys = keys(&ambient);
    let disk = made(&keys, &ambient);
    let mut rig = rig(open(&disk, &keys, &ambient));
    let log = rig.create("log").unwrap();
    let large = rig.create("large").unwrap();
    let noise: Vec<u8> = (0..3_000_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    for second in 0..8 {
        rig.write(log, second * 10, b"one line.\n").unwrap();
        let step = if second % 2 == 0 { 30_000 } else { 1000 };
        let end = rig.model.files[large].last().unwrap().len();
        rig.write(large, end, &noise[end..end + step]).unwrap();
        rig.write(log, second, b"!").unwrap();
        rig.model.durable = [log, large].map(|file| (file, rig.model.files[file].len() - 1)).into();
        rig.model.durable_names = rig.model.names.len() - 1;
        *clock.0.lock().unwrap() += Duration::from_secs(1);
        rig.vault.flush_if_due().unwrap();
        let what = format!("in second {second}");
        rig.model.accept(&contents(&open(&disk.after_power_cut(Loss::Drop, 0), &keys, &ambient)), &what);
    }
    // More than the journal takes as it is: a worker makes a content of it first.
    let end = rig.model.files[large].last().unwrap().len();
    rig.write(large, end, &noise[end..]).unwrap();
    let lost = || {
        *clock.0.lock().unwrap() += Duration::from_secs(1);
        rig.vault.flush_if_due().unwrap();
        let vault = open(&disk.after_power_cut(Loss::Drop, 0), &keys, &ambient);
        contents(&vault)["large"] != noise
    };
    let deadline = Instant::now() + Duration::from_secs(60);
    while lost() {
        assert!(Instant::now() < deadline, "what is much is never durable");
    }
}

/// Every cut point, three kinds of loss each.
fn survives_every_power_cut(work: impl Fn(&mut Rig) -> Result<(), Error>) {
    let ambient = Ambient::host();
    let keys = keys(&ambient);
    let start = made(&keys, &ambient);
    let whole = start.after_power_cut(Loss::Keep, 0);
    let mut rig_whole = rig(open(&whole, &keys, &ambient));
    work(&mut rig_whole).unwrap();
    rig_whole.fs.close().unwrap();
    rig_whole.model.accept(&contents(&rig_whole.vault), "without a cut");
    let calls = whole.calls();
    let mut checked = 0;
    for cut in 1..=calls {
        let disk = start.after_power_cut(Loss::Keep, 0);
        disk.cut_at(cut);
        let Some(vault) = try_open(&disk, &keys, &ambient) else { continue };
        let mut cut_rig = rig(vault);
        let _ = work(&mut cut_rig);
        drop(cut_rig.fs);
        for (seed, loss) in [Loss::Drop, Loss::Torn, Loss::Reordered].into_iter().enumerate() {
            let after = disk.after_power_cut(loss, cut * 3 + seed as u64);
            let vault = open(&after, &keys, &ambient);
            cut_rig.model.accept(&contents(&vault), &format!("cut at {cut} of {calls}, {loss:?}"));
            checked += 1;
        }
    }
    eprintln!("{checked} power cuts over {calls} calls of the disk");
}
