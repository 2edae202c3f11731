//! What was looked up lately, as it was then.
//!
//! Between the kernel's lookup of a name and its open of the number it got, a peer's content may come: the number
//! stands for the old one. Whoever opens it now began to before the change, and gets what the name led to then,
//! as if the open had been a moment faster. (The kernel tries again once when told that a number is stale, which
//! is not enough when peers change a file many times a second.)

use std::collections::VecDeque;

use bosr_mount::Inode;
use parking_lot::Mutex;

use super::facts::Facts;
use crate::vault::Stamp;

/// How many lookups are remembered: more than there are programs between a lookup and an open.
const REMEMBERED: usize = 512;

/// The latest lookups of files, oldest first.
#[derive(Debug, Default)]
pub(super) struct Recent(Mutex<VecDeque<(Inode, Facts)>>);

impl Recent {
    /// `inode` was looked up, and these were its facts.
    pub(super) fn looked_up(&self, inode: Inode, facts: &Facts) {
        let mut lookups = self.0.lock();
        if lookups.len() >= REMEMBERED {
            lookups.pop_front();
        }
        lookups.push_back((inode, facts.clone()));
    }

    /// What `inode` was when it showed the version `shows`, if that is remembered.
    pub(super) fn find(&self, inode: Inode, shows: Option<Stamp>) -> Option<Facts> {
        let lookups = self.0.lock();
        let found = lookups.iter().rev().find(|(known, facts)| *known == inode && facts.shows == shows);
        found.map(|(_, facts)| facts.clone())
    }
}
