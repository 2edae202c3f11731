//! A disk in memory that knows what is durable and what is not, and can lose power or fail at any call.
//!
//! It is stricter than any real one: a file is durable only by its own sync, a name only by the sync of its
//! folder, and a failed sync loses what it should have made durable for good.
//!
//! Calls that change something (write, set_len, sync, create, rename, remove, sync_dir) are counted from 1.
//! A test runs a workload once to learn the count, then again with [`FaultDisk::cut_at`] or
//! [`FaultDisk::fail_at`] at each, and looks at [`FaultDisk::after_power_cut`].

mod inode;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;

use nix::errno::Errno;
use parking_lot::Mutex;

use self::inode::{Change, Inode};
use super::{Disk, DiskFile, Open, Space};

/// What a power cut does to writes that were not synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// None of them happened.
    Drop,
    /// All of them happened.
    Keep,
    /// Those before a random one happened; that one in part.
    Torn,
    /// Each happened, did not, or happened in some of its 512-byte sectors.
    Reordered,
}

impl Loss {
    /// Every kind.
    pub const ALL: [Loss; 4] = [Loss::Drop, Loss::Keep, Loss::Torn, Loss::Reordered];
}

/// The test disk. A clone is the same disk.
#[derive(Clone, Debug, Default)]
pub struct FaultDisk(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    inodes: Vec<Inode>,
    names: BTreeMap<String, usize>,
    durable_names: BTreeMap<String, usize>,
    /// Changes of names not yet durable, in order: (folder, path, what it names now).
    name_changes: Vec<(String, String, Option<usize>)>,
    dirs: BTreeSet<String>,
    calls: u64,
    cut_at: Option<u64>,
    fail_at: Option<(u64, Errno)>,
    off: bool,
    /// Bytes all files together may hold.
    budget: Option<u64>,
}

/// What a counted call is to do.
enum Go {
    On,
    /// Power fails during this very call.
    Cut,
}

const TOTAL: u64 = 1 << 40;

fn power_is_off() -> io::Error {
    io::Error::other("the power is off")
}

impl State {
    fn call(&mut self) -> io::Result<Go> {
        self.alive()?;
        self.calls += 1;
        if self.cut_at == Some(self.calls) {
            self.off = true;
            return Ok(Go::Cut);
        }
        match self.fail_at {
            Some((n, errno)) if n == self.calls => Err(errno.into()),
            _ => Ok(Go::On),
        }
    }

    fn alive(&self) -> io::Result<()> {
        if self.off { Err(power_is_off()) } else { Ok(()) }
    }

    fn used(&self) -> u64 {
        self.names.values().map(|&n| self.inodes[n].live.len() as u64).sum()
    }

    fn check_budget(&self, inode: usize, end: u64) -> io::Result<()> {
        let grown = end.saturating_sub(self.inodes[inode].live.len() as u64);
        match self.budget {
            Some(budget) if grown > 0 && self.used() + grown > budget => Err(Errno::ENOSPC.into()),
            _ => Ok(()),
        }
    }

    fn change(&mut self, inode: usize, change: Change) -> io::Result<()> {
        let go = self.call()?;
        self.check_budget(inode, change.end())?;
        let stamp = self.calls;
        self.inodes[inode].change(stamp, change);
        match go {
            Go::On => Ok(()),
            Go::Cut => Err(power_is_off()),
        }
    }

    fn rename(&mut self, path: &str, to: Option<usize>) {
        match to {
            Some(inode) => self.names.insert(path.to_owned(), inode),
            None => self.names.remove(path),
        };
        self.name_changes.push((folder(path).to_owned(), path.to_owned(), to));
    }
}

fn folder(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(dir, _)| dir)
}

/// A small generator (splitmix64), enough to choose what is lost.
#[derive(Debug)]
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % sides.max(1)
    }
}

impl FaultDisk {
    /// An empty disk without faults.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many counted calls were made.
    pub fn calls(&self) -> u64 {
        self.0.lock().calls
    }

    /// Lets the power fail during the `n`-th counted call: it and all later calls return errors.
    pub fn cut_at(&self, n: u64) {
        self.0.lock().cut_at = Some(n);
    }

    /// Lets the `n`-th counted call fail, alone.
    pub fn fail_at(&self, n: u64, errno: Errno) {
        self.0.lock().fail_at = Some((n, errno));
    }

    /// Limits what all files together may hold, in bytes; growing beyond is `ENOSPC`.
    pub fn limit(&self, budget: Option<u64>) {
        self.0.lock().budget = budget;
    }

    /// What all files together hold, in bytes.
    pub fn used(&self) -> u64 {
        self.0.lock().used()
    }

    /// The disk as found when the power is back, without faults. The same seed loses the same.
    pub fn after_power_cut(&self, loss: Loss, seed: u64) -> FaultDisk {
        let old = self.0.lock();
        let mut dice = Dice(seed);
        let horizon = match loss {
            Loss::Torn => old.first_unsynced() + dice.roll(old.calls + 2 - old.first_unsynced()),
            _ => u64::MAX,
        };
        let mut new = State { dirs: old.dirs.clone(), budget: old.budget, ..State::default() };
        new.inodes = old.inodes.iter().map(|i| i.after_power_cut(loss, horizon, &mut dice)).collect();
        new.names = old.durable_names.clone();
        let kept = match loss {
            Loss::Drop => 0,
            Loss::Keep => old.name_changes.len() as u64,
            Loss::Torn | Loss::Reordered => dice.roll(old.name_changes.len() as u64 + 1),
        };
        for (_, path, to) in old.name_changes.iter().take(kept as usize) {
            match to {
                Some(inode) => new.names.insert(path.clone(), *inode),
                None => new.names.remove(path),
            };
        }
        new.durable_names = new.names.clone();
        FaultDisk(Arc::new(Mutex::new(new)))
    }

    /// The paths of all files.
    pub fn paths(&self) -> Vec<String> {
        self.0.lock().names.keys().cloned().collect()
    }

    /// The bytes of a file as a reader sees them.
    pub fn bytes(&self, path: &str) -> Option<Vec<u8>> {
        let state = self.0.lock();
        state.names.get(path).map(|&n| state.inodes[n].live.clone())
    }

    /// Replaces the bytes of a file, as damage or an attacker would; durable at once.
    pub fn tamper(&self, path: &str, change: impl FnOnce(&mut Vec<u8>)) {
        let mut state = self.0.lock();
        if let Some(&inode) = state.names.get(path) {
            state.inodes[inode].tamper(change);
        }
    }
}

impl State {
    fn first_unsynced(&self) -> u64 {
        self.inodes.iter().filter_map(Inode::first_unsynced).min().unwrap_or(self.calls)
    }
}

impl Disk for FaultDisk {
    fn open(&self, path: &str, how: Open) -> io::Result<Arc<dyn DiskFile>> {
        let mut state = self.0.lock();
        state.alive()?;
        let inode = match (state.names.get(path).copied(), how) {
            (Some(inode), Open::Create) => {
                state.change(inode, Change::Length(0))?;
                inode
            }
            (Some(inode), _) => inode,
            (None, Open::Create) => {
                let go = state.call()?;
                let dir = folder(path);
                if !dir.is_empty() && !state.dirs.contains(dir) {
                    return Err(Errno::ENOENT.into());
                }
                state.inodes.push(Inode::default());
                let inode = state.inodes.len() - 1;
                state.rename(path, Some(inode));
                if matches!(go, Go::Cut) {
                    return Err(power_is_off());
                }
                inode
            }
            (None, _) => return Err(Errno::ENOENT.into()),
        };
        Ok(Arc::new(FaultFile { disk: self.clone(), inode }))
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        let mut state = self.0.lock();
        let go = state.call()?;
        if !state.names.contains_key(path) {
            return Err(Errno::ENOENT.into());
        }
        state.rename(path, None);
        if matches!(go, Go::Cut) { Err(power_is_off()) } else { Ok(()) }
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.0.lock();
        let go = state.call()?;
        let Some(&inode) = state.names.get(from) else { return Err(Errno::ENOENT.into()) };
        state.rename(to, Some(inode));
        state.rename(from, None);
        if matches!(go, Go::Cut) { Err(power_is_off()) } else { Ok(()) }
    }

    fn list(&self, dir: &str) -> io::Result<Vec<String>> {
        let state = self.0.lock();
        state.alive()?;
        if !dir.is_empty() && !state.dirs.contains(dir) {
            return Err(Errno::ENOENT.into());
        }
        let all = state.names.keys().chain(&state.dirs);
        let mut names: Vec<_> = all
            .filter(|path| folder(path) == dir)
            .map(|path| path.rsplit('/').next().unwrap_or(path).to_owned())
            .collect();
        names.sort();
        Ok(names)
    }

    fn make_dir(&self, path: &str) -> io::Result<()> {
        let mut state = self.0.lock();
        state.alive()?;
        state.dirs.insert(path.to_owned());
        Ok(())
    }

    fn sync_dir(&self, dir: &str) -> io::Result<()> {
        let mut state = self.0.lock();
        if matches!(state.call()?, Go::Cut) {
            return Err(power_is_off());
        }
        let changes = std::mem::take(&mut state.name_changes);
        for (folder, path, to) in changes {
            match to {
                _ if folder != dir => state.name_changes.push((folder, path, to)),
                Some(inode) => drop(state.durable_names.insert(path, inode)),
                None => drop(state.durable_names.remove(&path)),
            }
        }
        Ok(())
    }

    fn space(&self) -> io::Result<Space> {
        let state = self.0.lock();
        state.alive()?;
        let total = state.budget.unwrap_or(TOTAL);
        Ok(Space { free: total.saturating_sub(state.used()), total })
    }
}

#[derive(Debug)]
struct FaultFile {
    disk: FaultDisk,
    inode: usize,
}

impl DiskFile for FaultFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let state = self.disk.0.lock();
        state.alive()?;
        let live = &state.inodes[self.inode].live;
        let start = usize::try_from(offset).unwrap_or(usize::MAX).min(live.len());
        let n = buf.len().min(live.len() - start);
        buf[..n].copy_from_slice(&live[start..start + n]);
        Ok(n)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.disk.0.lock().change(self.inode, Change::Bytes(offset, bytes.to_vec()))
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.disk.0.lock().change(self.inode, Change::Length(len))
    }

    fn len(&self) -> io::Result<u64> {
        let state = self.disk.0.lock();
        state.alive()?;
        Ok(state.inodes[self.inode].live.len() as u64)
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.disk.0.lock();
        let inode = self.inode;
        match state.call() {
            Ok(Go::On) => state.inodes[inode].sync(),
            Ok(Go::Cut) => return Err(power_is_off()),
            Err(error) => {
                state.inodes[inode].fail_sync();
                return Err(error);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
