//! Telling whether a store was copied or restored since it was last open.
//!
//! At each open a fresh random mark is written into the store and into a state file that lies elsewhere
//! (`$XDG_STATE_HOME/bosr/<vault id>`), so it does not travel with a copy or a backup of the store. If
//! they do not agree, this store is another life of the replica: its owner takes a new `ReplicaId` before
//! the first operation, or it would use stamps again that its peers have seen.
//!
//! The state file is written first and holds two marks, the one found in the store and the next: a power
//! cut between the two writes is not taken for a copy.

use std::io;
use std::path::Path;

use crate::ambient::{Entropy, files, random};

use super::disk::{self, Disk};

const MARK: usize = 16;
const FILE: &str = "mark";
/// More than either file holds.
const LIMIT: u64 = 64;

/// What the marks say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Continuity {
    /// It is the store this machine last had open.
    Same,
    /// There is no mark in the store: it is new.
    New,
    /// The store or the state file was copied, restored or lost.
    Broken,
}

/// Compares the marks of the store and of `state`, and writes new ones to both. Call it with the store's
/// lock held, once for each open. `state`'s folder must exist.
pub fn renew(store: &dyn Disk, state: &Path, entropy: &dyn Entropy) -> io::Result<Continuity> {
    let found = mark_in_store(store)?;
    let known = optional(files::read(state, LIMIT))?;
    let continuity = match (&found, &known) {
        (None, None) => Continuity::New,
        (Some(found), Some(known)) if known.chunks(MARK).any(|mark| mark == found) => Continuity::Same,
        _ => Continuity::Broken,
    };
    let next = random::<MARK>(entropy);
    let mut both = next.to_vec();
    both.extend_from_slice(found.as_deref().unwrap_or_default());
    files::replace(state, &both, 0o600)?;
    disk::replace(store, FILE, &next)?;
    Ok(continuity)
}

fn mark_in_store(store: &dyn Disk) -> io::Result<Option<Vec<u8>>> {
    Ok(optional(disk::read_whole(store, FILE, LIMIT))?.map(|mut mark| {
        // A mark of the wrong size equals none.
        mark.resize(MARK, 0);
        mark
    }))
}

fn optional(read: io::Result<Vec<u8>>) -> io::Result<Option<Vec<u8>>> {
    match read {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ambient::Ambient;
    use crate::store::disk::fault::{FaultDisk, Loss};

    #[test]
    fn a_copy_is_told_from_the_original() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("state");
        let entropy = Ambient::host().entropy;
        let renew = |disk: &FaultDisk| renew(disk, &state, entropy.as_ref()).unwrap();
        let disk = FaultDisk::new();
        assert_eq!(renew(&disk), Continuity::New);
        assert_eq!(renew(&disk), Continuity::Same);
        let copy = disk.after_power_cut(Loss::Keep, 0);
        assert_eq!(renew(&disk), Continuity::Same);
        assert_eq!(renew(&disk), Continuity::Same);
        assert_eq!(renew(&copy), Continuity::Broken);
        assert_eq!(renew(&copy), Continuity::Same);
        assert_eq!(renew(&disk), Continuity::Broken);
        assert_eq!(renew(&FaultDisk::new()), Continuity::Broken);
    }

    #[test]
    fn a_lost_state_file_is_a_break() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("state");
        let entropy = Ambient::host().entropy;
        let disk = FaultDisk::new();
        renew(&disk, &state, entropy.as_ref()).unwrap();
        let other = folder.path().join("other");
        assert_eq!(renew(&disk, &other, entropy.as_ref()).unwrap(), Continuity::Broken);
    }

    #[test]
    fn no_power_cut_is_taken_for_a_copy() {
        let folder = tempfile::tempdir().unwrap();
        let entropy = Ambient::host().entropy;
        for cut in 1.. {
            let state = folder.path().join(cut.to_string());
            let disk = FaultDisk::new();
            renew(&disk, &state, entropy.as_ref()).unwrap();
            disk.cut_at(disk.calls() + cut);
            let done = renew(&disk, &state, entropy.as_ref()).is_ok();
            for loss in Loss::ALL {
                for seed in 0..4 {
                    let after = disk.after_power_cut(loss, seed);
                    let copy_of_state = folder.path().join("now");
                    files::replace(&copy_of_state, &files::read(&state, LIMIT).unwrap(), 0o600).unwrap();
                    assert_eq!(
                        renew(&after, &copy_of_state, entropy.as_ref()).unwrap(),
                        Continuity::Same,
                        "cut {cut}, {loss:?}, seed {seed}"
                    );
                }
            }
            if done {
                break;
            }
        }
    }
}
