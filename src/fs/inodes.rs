//! The inode table: which number the kernel knows what by.
//!
//! A number stands for one *incarnation* of a node: the node together with the version of its content that
//! it shows. A content that came from elsewhere (a peer, `put`) is a new incarnation under a new number,
//! exactly as if a new file had been renamed over the old one; whoever has the old number open keeps the old
//! bytes. What is written through the mount stays the same incarnation.
//!
//! By default a number is 63 bits of the node's id, the same after a remount. Replaced contents, tombstone
//! files and collisions get numbers with the top bit set, from a counter, never used twice while mounted.
//!
//! Entries live as long as the kernel's lookups and the open file. Own lock, held for map accesses only.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use bosr_mount::Inode;

use super::facts::Facts;
use super::file::File;
use crate::vault::{NodeId, Stamp};

/// Bit that numbers from the counter have and numbers from ids have not.
const COUNTED: u64 = 1 << 63;

/// What a number stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Subject {
    /// A node, as the tree shows it.
    Node(NodeId),
    /// One losing version of a node, shown beside the name it lost.
    Tombstone(NodeId, Stamp),
}

impl Subject {
    /// The node that it is, or is a version of.
    pub(super) fn node(&self) -> NodeId {
        match self {
            Subject::Node(node) | Subject::Tombstone(node, _) => *node,
        }
    }
}

/// A number's entry.
#[derive(Debug, Clone)]
pub(super) struct Known {
    /// What it stands for.
    pub(super) subject: Subject,
    /// The version of its content that it shows; `None` where content does not count (directories).
    pub(super) shows: Option<Stamp>,
    /// The open file, while there is one.
    pub(super) file: Option<Arc<File>>,
    /// What it was when its last name was removed, or given to another: it lives on without one, while the
    /// tree may have forgotten it.
    pub(super) orphan: Option<Box<Facts>>,
    lookups: u64,
}

impl Known {
    fn new(subject: Subject, shows: Option<Stamp>) -> Known {
        Known { subject, shows, file: None, orphan: None, lookups: 0 }
    }
}

/// The table of one mounted vault.
#[derive(Debug)]
pub(super) struct Inodes {
    known: HashMap<u64, Known>,
    current: HashMap<Subject, u64>,
    /// The numbers that have a file open: few beside all that the kernel knows.
    open: HashSet<u64>,
    next: u64,
}

impl Inodes {
    /// A table that knows the root.
    pub(super) fn new() -> Self {
        let root = Subject::Node(NodeId::ROOT);
        let known = Known { lookups: 1, ..Known::new(root, None) };
        Inodes {
            known: HashMap::from([(Inode::ROOT.0, known)]),
            current: HashMap::from([(root, Inode::ROOT.0)]),
            open: HashSet::new(),
            next: COUNTED,
        }
    }

    /// What a number stands for.
    pub(super) fn find(&self, inode: Inode) -> Option<&Known> {
        self.known.get(&inode.0)
    }

    /// The number by which the kernel knows the present incarnation of a subject.
    pub(super) fn number(&self, subject: &Subject) -> Option<Inode> {
        self.current.get(subject).copied().map(Inode)
    }

    /// The number for a subject that shows the version `shows`, with one lookup more.
    pub(super) fn look_up(&mut self, subject: Subject, shows: Option<Stamp>) -> Inode {
        let number = self.number_for(subject, shows);
        self.known.entry(number).or_insert_with(|| Known::new(subject, shows)).lookups += 1;
        self.current.insert(subject, number);
        Inode(number)
    }

    /// The number that [`look_up`](Self::look_up) would give, without looking up: for listings.
    pub(super) fn peek(&self, subject: &Subject, shows: Option<Stamp>) -> Inode {
        match self.current.get(subject).and_then(|number| Some((*number, self.known.get(number)?))) {
            Some((number, known)) if known.shows == shows => Inode(number),
            _ => Inode(default_number(&subject.node())),
        }
    }

    fn number_for(&mut self, subject: Subject, shows: Option<Stamp>) -> u64 {
        if let Some(number) = self.current.get(&subject)
            && self.known.get(number).is_some_and(|known| known.shows == shows && known.orphan.is_none())
        {
            return *number;
        }
        let number = default_number(&subject.node());
        // A number that stands for an incarnation still in use cannot stand for another.
        if matches!(subject, Subject::Node(_)) && !self.known.contains_key(&number) {
            return number;
        }
        self.next += 1;
        self.next
    }

    /// The kernel lets go of `lookups` lookups.
    pub(super) fn forget(&mut self, inode: Inode, lookups: u64) {
        if inode == Inode::ROOT {
            return;
        }
        if let Some(known) = self.known.get_mut(&inode.0) {
            known.lookups = known.lookups.saturating_sub(lookups);
        }
        self.drop_if_unused(inode.0);
    }

    /// The open file of a number, made by `open` if there is none.
    pub(super) fn file(&mut self, inode: Inode, open: impl FnOnce(&Known) -> Arc<File>) -> Option<Arc<File>> {
        let known = self.known.get_mut(&inode.0)?;
        if known.file.is_none() {
            known.file = Some(open(known));
            self.open.insert(inode.0);
        }
        known.file.clone()
    }

    /// The file of a number is no longer open, and has nothing of its own left.
    pub(super) fn close(&mut self, inode: Inode) {
        if let Some(known) = self.known.get_mut(&inode.0) {
            known.file = None;
        }
        self.open.remove(&inode.0);
        self.drop_if_unused(inode.0);
    }

    /// What was written through a number is the node's version `shows` now.
    pub(super) fn now_shows(&mut self, inode: Inode, shows: Option<Stamp>) {
        let Some(known) = self.known.get_mut(&inode.0) else { return };
        known.shows = shows;
        // A peer's content that came between was never looked up, or has a number of its own: that one was
        // replaced just now.
        if known.orphan.is_none() {
            let subject = known.subject;
            self.current.insert(subject, inode.0);
        }
    }

    /// A number lives on without a name, as `facts` say.
    pub(super) fn orphan(&mut self, inode: Inode, facts: Facts) {
        let Some(known) = self.known.get_mut(&inode.0) else { return };
        known.orphan = Some(Box::new(facts));
        let subject = known.subject;
        if self.current.get(&subject) == Some(&inode.0) {
            self.current.remove(&subject);
        }
        self.drop_if_unused(inode.0);
    }

    /// A number stands for another subject from now on: an atomic save, a tombstone file that got a name.
    pub(super) fn rebind(&mut self, inode: Inode, subject: Subject, shows: Option<Stamp>) {
        let Some(known) = self.known.get_mut(&inode.0) else { return };
        let before = std::mem::replace(&mut known.subject, subject);
        known.shows = shows;
        if self.current.get(&before) == Some(&inode.0) {
            self.current.remove(&before);
        }
        self.current.insert(subject, inode.0);
    }

    /// What an orphan was, to be changed.
    pub(super) fn orphaned(&mut self, inode: Inode) -> Option<&mut Facts> {
        self.known.get_mut(&inode.0)?.orphan.as_deref_mut()
    }

    /// Every number with what it stands for.
    pub(super) fn all(&self) -> Vec<(Inode, Subject)> {
        self.known.iter().map(|(number, known)| (Inode(*number), known.subject)).collect()
    }

    /// Every open file.
    pub(super) fn files(&self) -> Vec<Arc<File>> {
        self.open.iter().filter_map(|number| self.known.get(number)?.file.clone()).collect()
    }

    fn drop_if_unused(&mut self, number: u64) {
        let unused = self.known.get(&number).is_some_and(|known| known.lookups == 0 && known.file.is_none());
        if !unused {
            return;
        }
        if let Some(known) = self.known.remove(&number)
            && self.current.get(&known.subject) == Some(&number)
        {
            self.current.remove(&known.subject);
        }
    }
}

/// The number a node has unless something forbids it: never 0, never the root's.
fn default_number(node: &NodeId) -> u64 {
    if *node == NodeId::ROOT {
        return Inode::ROOT.0;
    }
    let [.., a, b, c, d, e, f, g, h] = node.0;
    let number = u64::from_be_bytes([a, b, c, d, e, f, g, h]) & !COUNTED;
    if number <= Inode::ROOT.0 { COUNTED - 1 } else { number }
}
