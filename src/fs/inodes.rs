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

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashMap, HashSet};
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
#[derive(Debug)]
struct Known {
    subject: Subject,
    shows: Option<Stamp>,
    file: Option<Arc<File>>,
    orphan: Option<Box<Facts>>,
    lookups: u64,
}

/// What a number is known to be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen<'a> {
    /// What it stands for.
    pub(super) subject: Subject,
    /// The version of its content that it shows; `None` where content does not count (directories).
    pub(super) shows: Option<Stamp>,
    /// The open file, while there is one.
    pub(super) file: Option<&'a Arc<File>>,
    /// What it was when its last name was removed, or given to another: it lives on without one, while the
    /// tree may have forgotten it.
    pub(super) orphan: Option<&'a Facts>,
    /// The kernel may ask for it.
    pub(super) is_known: bool,
}

/// The entry of a node that is not open, under the number of its id: nearly all are such, and a million of them
/// must fit. The rest of the id is the number.
#[derive(Debug, Clone, Copy)]
struct Plain {
    shows: Stamp,
    /// What the number has not of the node's id, but for one bit.
    high: [u8; 8],
    /// Lookups, then that bit, then whether it shows a version.
    packed: u32,
}

/// The lookups that a plain entry can count.
const MOST_LOOKUPS: u64 = (1 << 30) - 1;

impl Plain {
    /// `None` if this entry has more to it.
    fn of(number: u64, known: &Known) -> Option<Plain> {
        let Subject::Node(node) = known.subject else { return None };
        if known.file.is_some() || known.orphan.is_some() || known.lookups > MOST_LOOKUPS {
            return None;
        }
        let [a, b, c, d, e, f, g, h, top, ..] = node.0;
        let packed =
            (known.lookups as u32) << 2 | u32::from(top >> 7) << 1 | u32::from(known.shows.is_some());
        let plain = Plain { shows: known.shows.unwrap_or_default(), high: [a, b, c, d, e, f, g, h], packed };
        (plain.node(number) == node).then_some(plain)
    }

    fn node(&self, number: u64) -> NodeId {
        let low = number | u64::from(self.packed >> 1 & 1) << 63;
        let mut id = [0; 16];
        id[..8].copy_from_slice(&self.high);
        id[8..].copy_from_slice(&low.to_be_bytes());
        NodeId(id)
    }

    fn shows(&self) -> Option<Stamp> {
        (self.packed & 1 == 1).then_some(self.shows)
    }

    fn lookups(&self) -> u64 {
        u64::from(self.packed >> 2)
    }

    fn seen(&self, number: u64) -> Seen<'static> {
        let subject = Subject::Node(self.node(number));
        Seen { subject, shows: self.shows(), file: None, orphan: None, is_known: true }
    }

    fn known(&self, number: u64) -> Known {
        let Seen { subject, shows, .. } = self.seen(number);
        Known { subject, shows, file: None, orphan: None, lookups: self.lookups() }
    }
}

/// The table of one mounted vault.
#[derive(Debug)]
pub(super) struct Inodes {
    /// Ordered: it grows bit by bit, where a hash table would double, and stand still meanwhile.
    plain: BTreeMap<u64, Plain>,
    /// The others: open, without a name, tombstone files, numbers from the counter.
    odd: HashMap<u64, Known>,
    /// The numbers of subjects that have not that of their id; one that was forgotten stays as long as that of the
    /// id stands for an earlier incarnation.
    current: HashMap<Subject, u64>,
    /// The numbers that have a file open: few beside all that the kernel knows.
    open: HashSet<u64>,
    next: u64,
}

impl Inodes {
    /// A table that knows the root.
    pub(super) fn new() -> Self {
        let subject = Subject::Node(NodeId::ROOT);
        let root = Known { subject, shows: None, file: None, orphan: None, lookups: 1 };
        Inodes {
            plain: BTreeMap::new(),
            odd: HashMap::from([(Inode::ROOT.0, root)]),
            current: HashMap::new(),
            open: HashSet::new(),
            next: COUNTED,
        }
    }

    /// What a number stands for.
    pub(super) fn find(&self, inode: Inode) -> Option<Seen<'_>> {
        if let Some(plain) = self.plain.get(&inode.0) {
            return Some(plain.seen(inode.0));
        }
        let known = self.odd.get(&inode.0)?;
        Some(Seen {
            subject: known.subject,
            shows: known.shows,
            file: known.file.as_ref(),
            orphan: known.orphan.as_deref(),
            is_known: known.lookups > 0,
        })
    }

    /// The number by which the kernel knows the present incarnation of a subject.
    pub(super) fn number(&self, subject: &Subject) -> Option<Inode> {
        if let Some(number) = self.current.get(subject).copied().map(Inode) {
            return self.find(number).map(|_| number);
        }
        let number = Inode(default_number(&subject.node()));
        self.find(number).filter(|seen| seen.subject == *subject && seen.orphan.is_none()).map(|_| number)
    }

    /// The number for a subject that shows the version `shows`, with one lookup more.
    pub(super) fn look_up(&mut self, subject: Subject, shows: Option<Stamp>) -> Inode {
        if let Some(plain) = self.look_up_plain(&subject, shows) {
            return plain;
        }
        let number = self.number_for(subject, shows);
        let mut known =
            self.take(number).unwrap_or(Known { subject, shows, file: None, orphan: None, lookups: 0 });
        known.lookups += 1;
        self.put(number, known);
        self.is_current(subject, number);
        Inode(number)
    }

    /// One lookup more of what has the number of its id and nothing more to it, as nearly all that a listing meets:
    /// in place.
    fn look_up_plain(&mut self, subject: &Subject, shows: Option<Stamp>) -> Option<Inode> {
        let number = default_number(&subject.node());
        if !matches!(subject, Subject::Node(_)) || self.current.contains_key(subject) {
            return None;
        }
        match self.plain.entry(number) {
            Entry::Occupied(mut known) => {
                let plain = known.get_mut();
                let is_it = plain.node(number) == subject.node() && plain.shows() == shows;
                if !is_it || plain.lookups() >= MOST_LOOKUPS {
                    return None;
                }
                plain.packed += 1 << 2;
            }
            Entry::Vacant(_) if self.odd.contains_key(&number) => return None,
            Entry::Vacant(free) => {
                let known = Known { subject: *subject, shows, file: None, orphan: None, lookups: 1 };
                free.insert(Plain::of(number, &known)?);
            }
        }
        Some(Inode(number))
    }

    /// The number that [`look_up`](Self::look_up) would give, without looking up: for listings.
    pub(super) fn peek(&self, subject: &Subject, shows: Option<Stamp>) -> Inode {
        let known = self.number(subject).and_then(|number| Some((number, self.find(number)?)));
        match known {
            Some((number, known)) if known.shows == shows => number,
            _ => Inode(default_number(&subject.node())),
        }
    }

    fn number_for(&mut self, subject: Subject, shows: Option<Stamp>) -> u64 {
        if let Some(number) = self.number(&subject)
            && self.find(number).is_some_and(|known| known.shows == shows && known.orphan.is_none())
        {
            return number.0;
        }
        let number = default_number(&subject.node());
        // A number that stands for an incarnation still in use cannot stand for another.
        if matches!(subject, Subject::Node(_)) && self.find(Inode(number)).is_none() {
            return number;
        }
        self.next += 1;
        self.next
    }

    /// From now on a subject is found under this number.
    fn is_current(&mut self, subject: Subject, number: u64) {
        if matches!(subject, Subject::Node(_)) && number == default_number(&subject.node()) {
            self.current.remove(&subject);
        } else {
            self.current.insert(subject, number);
        }
    }

    /// Subject and number have no more to do with each other.
    fn is_not_current(&mut self, subject: &Subject, number: u64) {
        if self.current.get(subject) == Some(&number) {
            self.current.remove(subject);
        }
    }

    /// The kernel lets go of `lookups` lookups.
    pub(super) fn forget(&mut self, inode: Inode, lookups: u64) {
        if inode != Inode::ROOT {
            self.change(inode, |known| known.lookups = known.lookups.saturating_sub(lookups));
        }
    }

    /// The open file of a number, made by `open` if there is none, with one handle more: it is not closed before that
    /// is taken off again.
    pub(super) fn open(&mut self, inode: Inode, open: impl FnOnce(NodeId) -> Arc<File>) -> Option<Arc<File>> {
        let file = self.change(inode, |known| {
            let node = known.subject.node();
            Arc::clone(known.file.get_or_insert_with(|| open(node)))
        })?;
        file.state().handles += 1;
        self.open.insert(inode.0);
        Some(file)
    }

    /// A file is no longer open, and has nothing of its own left. Its number may have another one by now.
    pub(super) fn close(&mut self, file: &File) {
        let inode = file.inode();
        let is_this = |open: &Arc<File>| std::ptr::eq(Arc::as_ptr(open), file);
        if self.find(inode).and_then(|known| known.file).is_some_and(is_this) {
            self.open.remove(&inode.0);
            self.change(inode, |known| known.file = None);
        }
    }

    /// What was written through a number is the node's version `shows` now.
    pub(super) fn now_shows(&mut self, inode: Inode, shows: Option<Stamp>) {
        let named = self.change(inode, |known| {
            known.shows = shows;
            known.orphan.is_none().then_some(known.subject)
        });
        // A peer's content that came between was never looked up, or has a number of its own: that one was
        // replaced just now.
        if let Some(Some(subject)) = named {
            self.is_current(subject, inode.0);
        }
    }

    /// A number lives on without a name, as `facts` say.
    pub(super) fn orphan(&mut self, inode: Inode, facts: Facts) {
        let subject = self.find(inode).map(|known| known.subject);
        self.change(inode, |known| known.orphan = Some(Box::new(facts)));
        if let Some(subject) = subject {
            self.is_not_current(&subject, inode.0);
        }
    }

    /// A number stands for another subject from now on: an atomic save, a tombstone file that got a name.
    pub(super) fn rebind(&mut self, inode: Inode, subject: Subject, shows: Option<Stamp>) {
        let before = self.change(inode, |known| {
            known.shows = shows;
            std::mem::replace(&mut known.subject, subject)
        });
        if let Some(before) = before {
            self.is_not_current(&before, inode.0);
            self.is_current(subject, inode.0);
        }
    }

    /// What an orphan was, to be changed.
    pub(super) fn orphaned(&mut self, inode: Inode) -> Option<&mut Facts> {
        self.odd.get_mut(&inode.0)?.orphan.as_deref_mut()
    }

    /// Every number with what it stands for.
    pub(super) fn all(&self) -> Vec<(Inode, Subject)> {
        let plain =
            self.plain.iter().map(|(number, plain)| (Inode(*number), Subject::Node(plain.node(*number))));
        let odd = self.odd.iter().map(|(number, known)| (Inode(*number), known.subject));
        plain.chain(odd).collect()
    }

    /// The file of a subject's present incarnation, if it is open or dirty: of few, so nearly always the answer
    /// is known without a look into the table.
    pub(super) fn file_of(&self, subject: &Subject) -> Option<&Arc<File>> {
        if self.open.is_empty() {
            return None;
        }
        let number = self.current.get(subject).copied();
        let number = number.unwrap_or_else(|| default_number(&subject.node()));
        if !self.open.contains(&number) {
            return None;
        }
        self.number(subject).and_then(|number| self.find(number)?.file)
    }

    /// Every open file.
    pub(super) fn files(&self) -> Vec<Arc<File>> {
        self.open.iter().filter_map(|number| self.odd.get(number)?.file.clone()).collect()
    }

    fn forgotten(&mut self, subject: &Subject, number: u64) {
        let Some(current) = self.current.get(subject).copied() else { return };
        let of_id = default_number(&subject.node());
        let stands_for_it = |number| self.find(Inode(number)).is_some_and(|seen| seen.subject == *subject);
        let unused = match number == of_id {
            true => !stands_for_it(current),
            false => number == current && !stands_for_it(of_id),
        };
        if unused {
            self.current.remove(subject);
        }
    }

    fn change<R>(&mut self, inode: Inode, change: impl FnOnce(&mut Known) -> R) -> Option<R> {
        let mut known = self.take(inode.0)?;
        let changed = change(&mut known);
        self.put(inode.0, known);
        Some(changed)
    }

    fn take(&mut self, number: u64) -> Option<Known> {
        match self.plain.remove(&number) {
            Some(plain) => Some(plain.known(number)),
            None => self.odd.remove(&number),
        }
    }

    /// Keeps an entry, in the smaller form if that will do; or lets go of it if nobody uses it.
    fn put(&mut self, number: u64, known: Known) {
        if known.lookups == 0 && known.file.is_none() {
            self.forgotten(&known.subject, number);
        } else if let Some(plain) = Plain::of(number, &known) {
            self.plain.insert(number, plain);
        } else {
            self.odd.insert(number, known);
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::vault::ReplicaId;

    fn stamp(lamport: u64) -> Option<Stamp> {
        Some(Stamp { lamport, replica: ReplicaId([7; 8]) })
    }

    proptest! {
        /// A number and the little that is kept beside it are the node.
        #[test]
        fn a_plain_entry_is_what_was_put_in(id: [u8; 16], lamport: Option<u64>, lookups in 1..MOST_LOOKUPS) {
            let (subject, shows) = (Subject::Node(NodeId(id)), lamport.and_then(stamp));
            let number = default_number(&NodeId(id));
            let known = Known { subject, shows, file: None, orphan: None, lookups };
            let again = Plain::of(number, &known).unwrap().known(number);
            prop_assert_eq!((again.subject, again.shows, again.lookups), (subject, shows, lookups));
        }
    }

    #[test]
    fn an_id_that_is_not_its_number_is_kept_whole() {
        for low in [0, 1, COUNTED, COUNTED + 1] {
            let mut id = [3; 16];
            id[8..].copy_from_slice(&u64::to_be_bytes(low));
            let subject = Subject::Node(NodeId(id));
            let mut inodes = Inodes::new();
            let inode = inodes.look_up(subject, stamp(1));
            assert!(inodes.find(inode).is_some_and(|seen| seen.subject == subject) && inodes.odd.len() == 2);
            assert_eq!(inodes.number(&subject), Some(inode));
            inodes.forget(inode, 1);
            assert!(inodes.find(inode).is_none() && inodes.number(&subject).is_none());
        }
    }

    #[test]
    fn another_content_has_another_number_until_the_old_one_is_forgotten() {
        let subject = Subject::Node(NodeId([9; 16]));
        let mut inodes = Inodes::new();
        let old = inodes.look_up(subject, stamp(1));
        assert_eq!(inodes.look_up(subject, stamp(1)), old);
        let new = inodes.look_up(subject, stamp(2));
        assert!(new != old && inodes.number(&subject) == Some(new));
        assert_eq!(inodes.peek(&subject, stamp(2)), new);
        inodes.forget(old, 1);
        assert_eq!(inodes.find(old).unwrap().shows, stamp(1));
        inodes.forget(old, 1);
        assert!(inodes.find(old).is_none() && inodes.number(&subject) == Some(new));
        inodes.forget(new, 1);
        assert_eq!(inodes.number(&subject), None);
        assert_eq!(inodes.look_up(subject, stamp(2)), old, "the number of its id");
        assert_eq!((inodes.plain.len(), inodes.odd.len(), inodes.current.len()), (1, 1, 0));
    }

    #[test]
    fn an_atomic_save_keeps_the_number_of_what_was_written() {
        let (target, temporary) = (Subject::Node(NodeId([1; 16])), Subject::Node(NodeId([2; 16])));
        let mut inodes = Inodes::new();
        let old = inodes.look_up(target, stamp(1));
        let new = inodes.look_up(temporary, stamp(2));
        inodes.rebind(new, target, stamp(3));
        assert_eq!((inodes.number(&target), inodes.number(&temporary)), (Some(new), None));
        assert_eq!(inodes.look_up(target, stamp(3)), new);
        // A new file with the temporary one's id cannot be; another lookup of it needs a number of its own.
        assert_ne!(inodes.look_up(temporary, stamp(2)), new);
        inodes.forget(new, 2);
        assert_eq!(inodes.number(&target), None, "what it showed at first is not what it shows");
        let newer = inodes.look_up(target, stamp(3));
        assert!(newer != old && newer != new && inodes.number(&target) == Some(newer));
        inodes.forget(newer, 1);
        inodes.forget(old, 1);
        assert_eq!((inodes.number(&target), inodes.current.contains_key(&target)), (None, false));
    }
}
