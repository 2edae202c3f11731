//! Which inode number stands for what in `.bosr/`.
//!
//! Numbers have the two top bits set: those of the vault's files have the first one clear, or come from a
//! counter that starts at the first alone. A number stands for one place while the kernel knows it, and for
//! nothing else while mounted.

use std::collections::HashMap;

use bosr_mount::Inode;

use super::super::inodes::Subject;
use crate::vault::CommitId;

/// The bits that all numbers have.
const BEYOND: u64 = 0b11 << 62;

/// Something in `.bosr/`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Place {
    /// `.bosr` itself.
    Top,
    /// `.bosr/snapshots`.
    Snapshots,
    /// A file whose content is made when it is opened.
    Made(String),
    /// Something in the tree that a commit names.
    Past(CommitId, Subject),
}

/// Whether a number is of this range.
pub(super) fn is_beyond(inode: Inode) -> bool {
    inode.0 & BEYOND == BEYOND
}

/// The table of numbers.
#[derive(Debug)]
pub(super) struct Places {
    last: u64,
    known: HashMap<u64, (Place, u64)>,
    numbers: HashMap<Place, u64>,
}

impl Places {
    pub(super) fn new() -> Self {
        Places { last: BEYOND, known: HashMap::new(), numbers: HashMap::new() }
    }

    /// What a number stands for.
    pub(super) fn find(&self, inode: Inode) -> Option<Place> {
        self.known.get(&inode.0).map(|(place, _)| place.clone())
    }

    /// The number of a place, with one lookup more.
    pub(super) fn look_up(&mut self, place: Place) -> Inode {
        let number = match self.numbers.get(&place) {
            Some(number) => *number,
            None => {
                self.last += 1;
                self.numbers.insert(place.clone(), self.last);
                self.last
            }
        };
        self.known.entry(number).or_insert((place, 0)).1 += 1;
        Inode(number)
    }

    /// The number of a place if it has one, else one that stands for nothing: for listings.
    pub(super) fn peek(&self, place: &Place) -> Inode {
        Inode(self.numbers.get(place).copied().unwrap_or(BEYOND))
    }

    /// The kernel lets go of lookups.
    pub(super) fn forget(&mut self, inode: Inode, lookups: u64) {
        let Some((place, count)) = self.known.get_mut(&inode.0) else { return };
        *count = count.saturating_sub(lookups);
        if *count == 0 {
            self.numbers.remove(place);
            self.known.remove(&inode.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_good_until_it_is_forgotten_and_never_used_again() {
        let mut places = Places::new();
        let top = places.look_up(Place::Top);
        assert!(is_beyond(top) && !is_beyond(Inode::ROOT) && !is_beyond(Inode((1 << 63) + 5)));
        assert_eq!(places.look_up(Place::Top), top);
        places.forget(top, 1);
        assert_eq!(places.find(top), Some(Place::Top));
        places.forget(top, 1);
        assert_eq!(places.find(top), None);
        assert_ne!(places.look_up(Place::Snapshots), top);
    }
}
