//! Who read which version of a file lately.
//!
//! An editor reads a file, and saves it by renaming another over it. If a peer's version came in between, the
//! editor's author never saw it: the save must stand beside it, not replace it silently. So the version that
//! a process last opened is remembered for a while, and is the base of its save.

use std::collections::{BTreeMap, HashMap};

use parking_lot::Mutex;

use crate::vault::{NodeId, Stamp};

/// How many openings are remembered: a good while for editors, little for the memory.
const REMEMBERED: usize = 512;

/// The latest openings: of each file by each process the last.
#[derive(Debug, Default)]
pub(super) struct Readers(Mutex<Readings>);

#[derive(Debug, Default)]
struct Readings {
    files: HashMap<NodeId, Vec<Reading>>,
    /// Which file each was of, oldest first.
    turns: BTreeMap<u64, NodeId>,
    last: u64,
}

#[derive(Debug)]
struct Reading {
    turn: u64,
    process: u32,
    stamps: Vec<Stamp>,
}

impl Readers {
    /// `process` opened the file `node`, which showed it `stamps`.
    pub(super) fn opened(&self, process: u32, node: NodeId, stamps: &[Stamp]) {
        let mut readings = self.0.lock();
        readings.last += 1;
        let turn = readings.last;
        readings.turns.insert(turn, node);
        let of_file = readings.files.entry(node).or_default();
        let before = of_file.iter().position(|reading| reading.process == process);
        let before = before.map(|at| of_file.swap_remove(at).turn);
        of_file.push(Reading { turn, process, stamps: stamps.to_vec() });
        match before {
            Some(before) => drop(readings.turns.remove(&before)),
            None => readings.forget_the_oldest(),
        }
    }

    /// What `node` showed was replaced here, which is no conflict: whoever had read that counts as having
    /// read what it shows now. Whoever had read something older still has.
    pub(super) fn replaced(&self, node: &NodeId, before: &[Stamp], now: &[Stamp]) {
        for reading in self.0.lock().files.get_mut(node).into_iter().flatten() {
            if reading.stamps == before {
                reading.stamps = now.to_vec();
            }
        }
    }

    /// What `process` last read of `node`, if that is remembered.
    pub(super) fn read(&self, process: u32, node: &NodeId) -> Option<Vec<Stamp>> {
        let readings = self.0.lock();
        let found = readings.files.get(node)?.iter().find(|reading| reading.process == process);
        found.map(|reading| reading.stamps.clone())
    }
}

impl Readings {
    fn forget_the_oldest(&mut self) {
        if self.turns.len() <= REMEMBERED {
            return;
        }
        let Some((turn, node)) = self.turns.pop_first() else { return };
        if let Some(of_file) = self.files.get_mut(&node) {
            of_file.retain(|reading| reading.turn != turn);
            if of_file.is_empty() {
                self.files.remove(&node);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vault::ReplicaId;

    fn node(n: usize) -> NodeId {
        let mut id = [7; 16];
        id[..8].copy_from_slice(&n.to_be_bytes());
        NodeId(id)
    }

    fn stamp(lamport: u64) -> Vec<Stamp> {
        vec![Stamp { lamport, replica: ReplicaId([1; 8]) }]
    }

    #[test]
    fn the_oldest_openings_are_forgotten_and_reading_again_makes_young() {
        let readers = Readers::default();
        for n in 0..REMEMBERED + 10 {
            readers.opened(1, node(n), &stamp(1));
            readers.opened(2, node(0), &stamp(n as u64));
        }
        assert_eq!(readers.read(2, &node(0)), Some(stamp((REMEMBERED + 9) as u64)));
        assert_eq!(readers.read(1, &node(0)), None);
        assert_eq!(readers.read(1, &node(10)), None);
        assert_eq!(readers.read(1, &node(11)), Some(stamp(1)));
        assert_eq!(readers.0.lock().files.len(), REMEMBERED);
    }

    #[test]
    fn who_had_read_what_was_replaced_has_read_what_replaced_it() {
        let readers = Readers::default();
        readers.opened(1, node(1), &stamp(1));
        readers.opened(2, node(1), &stamp(2));
        readers.opened(2, node(2), &stamp(2));
        readers.replaced(&node(1), &stamp(2), &stamp(3));
        let read = [(1, 1), (2, 1), (2, 2)].map(|(process, n)| readers.read(process, &node(n)));
        assert_eq!(read, [1, 3, 2].map(|lamport| Some(stamp(lamport))));
    }
}
