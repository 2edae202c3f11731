//! One file of the test disk: its bytes as read, its bytes as durable, and the changes between.

use super::{Dice, Loss};

const SECTOR: usize = 512;

/// One change of a file.
#[derive(Clone, Debug)]
pub(super) enum Change {
    /// Bytes written at an offset.
    Bytes(u64, Vec<u8>),
    /// Cut or extended.
    Length(u64),
}

impl Change {
    pub(super) fn end(&self) -> u64 {
        match self {
            Change::Bytes(offset, bytes) => offset + bytes.len() as u64,
            Change::Length(len) => *len,
        }
    }

    fn apply(&self, to: &mut Vec<u8>) {
        match self {
            Change::Bytes(offset, bytes) => put(to, *offset as usize, bytes),
            Change::Length(len) => to.resize(*len as usize, 0),
        }
    }

    /// Applies the bytes before a random sector boundary, as a write cut short.
    fn apply_start(&self, to: &mut Vec<u8>, dice: &mut Dice) {
        if let Change::Bytes(offset, bytes) = self {
            let sectors = bytes.len().div_ceil(SECTOR) as u64;
            let kept = (dice.roll(sectors + 1) as usize * SECTOR).min(bytes.len());
            put(to, *offset as usize, &bytes[..kept]);
        }
    }

    /// Applies some sectors and not others.
    fn apply_some(&self, to: &mut Vec<u8>, dice: &mut Dice) {
        let Change::Bytes(offset, bytes) = self else { return };
        for (n, sector) in bytes.chunks(SECTOR).enumerate() {
            if dice.roll(2) == 0 {
                put(to, *offset as usize + n * SECTOR, sector);
            }
        }
    }
}

fn put(to: &mut Vec<u8>, offset: usize, bytes: &[u8]) {
    if bytes.is_empty() {
        return;
    }
    let end = offset + bytes.len();
    if to.len() < end {
        to.resize(end, 0);
    }
    to[offset..end].copy_from_slice(bytes);
}

#[derive(Debug, Default)]
pub(super) struct Inode {
    pub(super) live: Vec<u8>,
    durable: Vec<u8>,
    /// With the number of the call that made each.
    unsynced: Vec<(u64, Change)>,
}

impl Inode {
    pub(super) fn change(&mut self, stamp: u64, change: Change) {
        change.apply(&mut self.live);
        self.unsynced.push((stamp, change));
    }

    pub(super) fn sync(&mut self) {
        for (_, change) in self.unsynced.drain(..) {
            change.apply(&mut self.durable);
        }
    }

    /// The kernel marks the pages clean and forgets: no later sync brings them to the disk.
    pub(super) fn fail_sync(&mut self) {
        self.unsynced.clear();
    }

    pub(super) fn first_unsynced(&self) -> Option<u64> {
        self.unsynced.first().map(|(stamp, _)| *stamp)
    }

    pub(super) fn tamper(&mut self, change: impl FnOnce(&mut Vec<u8>)) {
        self.sync();
        change(&mut self.live);
        self.durable = self.live.clone();
    }

    pub(super) fn after_power_cut(&self, loss: Loss, horizon: u64, dice: &mut Dice) -> Inode {
        let mut bytes = self.durable.clone();
        for (stamp, change) in &self.unsynced {
            match loss {
                Loss::Drop => {}
                Loss::Keep => change.apply(&mut bytes),
                Loss::Torn if *stamp < horizon => change.apply(&mut bytes),
                Loss::Torn if *stamp == horizon => change.apply_start(&mut bytes, dice),
                Loss::Torn => {}
                Loss::Reordered => match dice.roll(3) {
                    0 => {}
                    1 => change.apply(&mut bytes),
                    _ => change.apply_some(&mut bytes, dice),
                },
            }
        }
        Inode { live: bytes.clone(), durable: bytes, unsynced: Vec::new() }
    }
}
