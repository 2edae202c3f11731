//! Who read which version of a file lately.
//!
//! An editor reads a file, and saves it by renaming another over it. If a peer's version came in between, the
//! editor's author never saw it: the save must stand beside it, not replace it silently. So the version that
//! a process last opened is remembered for a while, and is the base of its save.

use std::collections::VecDeque;

use parking_lot::Mutex;

use crate::vault::{NodeId, Stamp};

/// How many openings are remembered: a good while for editors, little for the memory.
const REMEMBERED: usize = 512;

/// The latest openings, oldest first.
#[derive(Debug, Default)]
pub(super) struct Readers(Mutex<VecDeque<Reading>>);

#[derive(Debug)]
struct Reading {
    process: u32,
    node: NodeId,
    stamps: Vec<Stamp>,
}

impl Readers {
    /// `process` opened the file `node`, which showed it `stamps`.
    pub(super) fn opened(&self, process: u32, node: NodeId, stamps: &[Stamp]) {
        let mut readings = self.0.lock();
        readings.retain(|reading| reading.process != process || reading.node != node);
        if readings.len() >= REMEMBERED {
            readings.pop_front();
        }
        readings.push_back(Reading { process, node, stamps: stamps.to_vec() });
    }

    /// What `node` showed was replaced here, which is no conflict: whoever had read that counts as having
    /// read what it shows now. Whoever had read something older still has.
    pub(super) fn replaced(&self, node: &NodeId, before: &[Stamp], now: &[Stamp]) {
        for reading in self.0.lock().iter_mut() {
            if reading.node == *node && reading.stamps == before {
                reading.stamps = now.to_vec();
            }
        }
    }

    /// What `process` last read of `node`, if that is remembered.
    pub(super) fn read(&self, process: u32, node: &NodeId) -> Option<Vec<Stamp>> {
        let readings = self.0.lock();
        let found = readings.iter().find(|reading| reading.process == process && reading.node == *node);
        found.map(|reading| reading.stamps.clone())
    }
}
