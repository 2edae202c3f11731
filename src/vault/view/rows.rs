//! The index that serves lookups: one row for each live claim (rules 1 and 2).
//!
//! Rows are keyed by the directory that the claim names itself, before rules 3 and 4 move or unite
//! directories, so that such a change moves no rows. [`Rows`] are those of a state that is kept elsewhere
//! ([`RowSource`]: a vault has it in its database) under what changed since, in memory. The claims of
//! directories stand once more by themselves ([`RowKey::among_directories`]).

use std::collections::{BTreeMap, btree_map};
use std::fmt::Debug;
use std::iter::Peekable;
use std::ops::{Bound, ControlFlow, Range};
use std::sync::Arc;

use super::super::error::{Result, VaultError};
use super::super::{Kind, Name, NodeId, ReplicaId, Stamp};

/// Bytes of a key before the name: parent, hash, node.
const FIXED: usize = 16 + 8 + 16;
/// Bytes of a row: lamport, replica, kind, whether it is a past place.
const ROW: usize = 8 + 8 + 1 + 1;

/// Where a row stands, as it is stored: the directory that the claim names, the hash of the name
/// ([`NameHash`]; big-endian, so that rows are in its order), who claims, and the name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RowKey(Box<[u8]>);

impl RowKey {
    /// The key of a claim.
    pub fn new(parent: &NodeId, hash: u64, node: &NodeId, name: &Name) -> Self {
        let mut bytes = Vec::with_capacity(FIXED + name.len());
        bytes.extend_from_slice(&Self::first(parent, hash));
        bytes.extend_from_slice(&node.0);
        bytes.extend_from_slice(name);
        RowKey(bytes.into_boxed_slice())
    }

    /// As it was stored.
    pub fn stored(bytes: &[u8]) -> Self {
        RowKey(bytes.into())
    }

    /// The key of the same claim where those of directories stand by themselves, so that they can be counted
    /// without a look at the files beside them.
    #[must_use]
    pub fn among_directories(&self) -> Self {
        let mut bytes = self.0.clone();
        bytes.iter_mut().take(16).for_each(|byte| *byte = !*byte);
        RowKey(bytes)
    }

    /// What stands for `parent` in [`RowKey::among_directories`]: the id of no node, since those of nodes are
    /// drawn at random.
    pub fn directories_of(parent: &NodeId) -> NodeId {
        NodeId(parent.0.map(|byte| !byte))
    }

    /// What no key of `parent` with this hash or a greater one is below.
    pub fn first(parent: &NodeId, hash: u64) -> [u8; 24] {
        let mut bytes = [0; 24];
        let (high, low) = bytes.split_at_mut(16);
        high.copy_from_slice(&parent.0);
        low.copy_from_slice(&hash.to_be_bytes());
        bytes
    }

    /// As it is stored.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl std::borrow::Borrow<[u8]> for RowKey {
    fn borrow(&self) -> &[u8] {
        &self.0
    }
}

/// What a row says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// Stamp of the place that the claim is made by.
    pub stamp: Stamp,
    /// What claims.
    pub kind: Kind,
    /// Whether the place is a past one: the node has no name, and lives by rule 1.
    pub gone: bool,
}

impl Row {
    /// As it is stored.
    pub fn to_bytes(self) -> [u8; ROW] {
        let mut bytes = [0; ROW];
        let (lamport, rest) = bytes.split_at_mut(8);
        let (replica, rest) = rest.split_at_mut(8);
        lamport.copy_from_slice(&self.stamp.lamport.to_be_bytes());
        replica.copy_from_slice(&self.stamp.replica.0);
        rest.copy_from_slice(&[self.kind.code(), u8::from(self.gone)]);
        bytes
    }

    /// Of [`Row::to_bytes`]; `None` for anything else.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (lamport, rest) = bytes.split_first_chunk::<8>()?;
        let (replica, rest) = rest.split_first_chunk::<8>()?;
        let &[kind, gone @ (0 | 1)] = rest else { return None };
        let stamp = Stamp { lamport: u64::from_be_bytes(*lamport), replica: ReplicaId(*replica) };
        Some(Row { stamp, kind: Kind::from_code(kind)?, gone: gone == 1 })
    }
}

/// A row that a scan visits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen<'a> {
    /// Hash of the name.
    pub hash: u64,
    /// Who claims.
    pub node: NodeId,
    /// The name claimed.
    pub name: &'a [u8],
    /// What the row says.
    pub row: Row,
}

impl<'a> Seen<'a> {
    fn new(key: &'a [u8], row: Row) -> Result<Self> {
        let damaged = || VaultError::Damaged("a row of the view's index".into());
        let (_, rest) = key.split_first_chunk::<16>().ok_or_else(damaged)?;
        let (hash, rest) = rest.split_first_chunk::<8>().ok_or_else(damaged)?;
        let (node, name) = rest.split_first_chunk::<16>().ok_or_else(damaged)?;
        Ok(Seen { hash: u64::from_be_bytes(*hash), node: NodeId(*node), name, row })
    }

    /// The name, to keep.
    ///
    /// # Errors
    /// A row that holds none.
    pub fn to_name(self) -> Result<Name> {
        Name::new(self.name).map_err(|_| VaultError::Damaged("a name in the view's index".into()))
    }
}

/// Hash of a name: keyed, 63 bits, the same for one name in every directory (united directories are listed
/// in one order). It is the order of listing and, nearly, the readdir cookie.
pub trait NameHash: Send + Sync + Debug {
    /// The hash; the top bit is ignored.
    fn hash(&self, name: &[u8]) -> u64;
}

/// What a scan does with a row: its key, as stored, and the row. Told to stop, it visits no more.
pub type Visit<'v> = dyn FnMut(&[u8], Row) -> Result<ControlFlow<()>> + 'v;

/// Rows that do not change.
pub trait RowSource: Send + Sync + Debug {
    /// Visits the rows of `parent` whose hash is one of `hashes`, in order, until told to stop.
    ///
    /// # Errors
    /// Of the storage, and those of `visit`.
    fn scan(&self, parent: &NodeId, hashes: Range<u64>, visit: &mut Visit<'_>) -> Result<()>;

    /// The row in one place.
    ///
    /// # Errors
    /// Of the storage.
    fn row(&self, key: &RowKey) -> Result<Option<Row>>;
}

/// No rows: of the state without nodes.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoRows;

impl RowSource for NoRows {
    fn scan(&self, _: &NodeId, _: Range<u64>, _: &mut Visit<'_>) -> Result<()> {
        Ok(())
    }

    fn row(&self, _: &RowKey) -> Result<Option<Row>> {
        Ok(None)
    }
}

/// Rows that changed, each as it is now; `None` for one that is no more.
pub type Changes = BTreeMap<RowKey, Option<Row>>;

/// The rows of a state: those of a base, under what changed since.
#[derive(Clone, Debug)]
pub struct Rows {
    base: Arc<dyn RowSource>,
    /// Changes that are being brought into the next base, oldest first.
    frozen: Vec<Arc<Changes>>,
    changes: Changes,
}

impl Rows {
    /// The rows of `base`.
    pub fn over(base: Arc<dyn RowSource>) -> Self {
        Rows { base, frozen: Vec::new(), changes: Changes::new() }
    }

    /// Adds a row or replaces the one in its place.
    pub(super) fn put(&mut self, key: RowKey, row: Row) {
        self.changes.insert(key, Some(row));
    }

    /// Takes a row out, if it is there.
    pub(super) fn remove(&mut self, key: RowKey) {
        self.changes.insert(key, None);
    }

    /// How many rows stand in memory.
    pub fn changed(&self) -> usize {
        self.changes.len() + self.frozen.iter().map(|layer| layer.len()).sum::<usize>()
    }

    /// What changed since the base; none if some of it is frozen.
    pub fn into_changes(self) -> Changes {
        self.changes
    }

    /// Sets what changed so far apart, to be brought into the next base while changes go on above it. The rows
    /// as they are now.
    pub fn freeze(&mut self) -> Rows {
        let changes = std::mem::take(&mut self.changes);
        self.frozen.push(Arc::new(changes));
        Rows { base: Arc::clone(&self.base), frozen: self.frozen.clone(), changes: Changes::new() }
    }

    /// Goes over to another base: `rest` is what `frozen` (of [`Rows::freeze`], of these rows) has otherwise.
    pub fn rebase(&mut self, frozen: &Rows, base: Arc<dyn RowSource>, rest: Changes) {
        self.frozen.drain(..frozen.frozen.len().min(self.frozen.len()));
        self.frozen.insert(0, Arc::new(rest));
        self.base = base;
    }

    /// What these rows have otherwise than a state that is `written` over the same base, or that has what is
    /// `written` as its `whole`.
    ///
    /// # Errors
    /// Of the base.
    pub fn beyond(&self, written: &Changes, whole: bool) -> Result<Changes> {
        let mut rest = Changes::new();
        let own = self.frozen.iter().flat_map(|layer| layer.keys()).chain(self.changes.keys());
        for key in own.chain(written.keys()) {
            if rest.contains_key(key) {
                continue;
            }
            let here = self.row(key)?;
            let there = match written.get(key) {
                Some(row) => *row,
                None if whole => None,
                None => self.base.row(key)?,
            };
            if here != there {
                rest.insert(key.clone(), here);
            }
        }
        Ok(rest)
    }

    /// The row in one place.
    ///
    /// # Errors
    /// Of the base.
    pub fn row(&self, key: &RowKey) -> Result<Option<Row>> {
        match self.layers().find_map(|layer| layer.get(key)) {
            Some(row) => Ok(*row),
            None => self.base.row(key),
        }
    }

    /// Visits the rows of `parent` whose hash is at least `from`, in order, until told to stop.
    ///
    /// # Errors
    /// Of the base, and those of `visit`.
    pub(super) fn scan(
        &self,
        parent: &NodeId,
        from: u64,
        visit: &mut dyn FnMut(Seen<'_>) -> Result<ControlFlow<()>>,
    ) -> Result<()> {
        self.scan_range(parent, from..u64::MAX, visit)
    }

    /// Visits the rows of `parent` whose hash is `hash`, in order, until told to stop. Costs nothing for those
    /// that were removed beyond them.
    ///
    /// # Errors
    /// Of the base, and those of `visit`.
    pub(super) fn scan_hash(
        &self,
        parent: &NodeId,
        hash: u64,
        visit: &mut dyn FnMut(Seen<'_>) -> Result<ControlFlow<()>>,
    ) -> Result<()> {
        self.scan_range(parent, hash..hash.saturating_add(1), visit)
    }

    /// Visits the rows with one of `hashes`.
    fn scan_range(
        &self,
        parent: &NodeId,
        hashes: Range<u64>,
        visit: &mut dyn FnMut(Seen<'_>) -> Result<ControlFlow<()>>,
    ) -> Result<()> {
        let (first, last) = (RowKey::first(parent, hashes.start), RowKey::first(parent, hashes.end));
        let mut above = Above::new(self.layers(), &first, &last);
        let mut stopped = false;
        self.base.scan(parent, hashes, &mut |key, row| {
            let own = above.up_to(key, visit)?;
            let flow = match own {
                Met::Stopped => ControlFlow::Break(()),
                Met::Replaced => ControlFlow::Continue(()),
                Met::Nothing => visit(Seen::new(key, row)?)?,
            };
            stopped = flow.is_break();
            Ok(flow)
        })?;
        if !stopped {
            above.rest(visit)?;
        }
        Ok(())
    }

    /// As a [`RowSource`] would.
    ///
    /// # Errors
    /// Of the base, and those of `visit`.
    pub fn scan_stored(&self, parent: &NodeId, hashes: Range<u64>, visit: &mut Visit<'_>) -> Result<()> {
        self.scan_range(parent, hashes, &mut |seen| {
            let name = seen.to_name()?;
            visit(RowKey::new(parent, seen.hash, &seen.node, &name).as_bytes(), seen.row)
        })
    }

    /// Newest first.
    fn layers(&self) -> impl Iterator<Item = &Changes> {
        std::iter::once(&self.changes).chain(self.frozen.iter().rev().map(|layer| &**layer))
    }
}

/// What stood above a row of the base.
enum Met {
    Nothing,
    /// The base's row is no more, or was visited as it is now.
    Replaced,
    Stopped,
}

/// The changes of one directory, newest layer first, walked in order.
struct Above<'a>(Vec<Peekable<btree_map::Range<'a, RowKey, Option<Row>>>>);

impl<'a> Above<'a> {
    fn new(layers: impl Iterator<Item = &'a Changes>, first: &[u8], last: &[u8]) -> Self {
        let range = (Bound::Included(first), Bound::Excluded(last));
        let ranges =
            layers.filter(|layer| !layer.is_empty()).map(|layer| layer.range::<[u8], _>(range).peekable());
        Above(ranges.filter_map(|mut range| range.peek().is_some().then_some(range)).collect())
    }

    /// The next key and what the newest layer has there.
    fn next(&mut self) -> Option<(&'a RowKey, Option<Row>)> {
        let key = self.peek()?;
        let mut found = None;
        for range in &mut self.0 {
            if let Some((_, row)) = range.next_if(|(own, _)| *own == key) {
                found = found.or(Some(*row));
            }
        }
        found.map(|row| (key, row))
    }

    fn peek(&mut self) -> Option<&'a RowKey> {
        self.0.iter_mut().filter_map(|range| range.peek().map(|(key, _)| *key)).min()
    }

    /// Visits all before `key`, and what is at `key`.
    fn up_to(
        &mut self,
        key: &[u8],
        visit: &mut dyn FnMut(Seen<'_>) -> Result<ControlFlow<()>>,
    ) -> Result<Met> {
        while let Some(own) = self.peek().filter(|own| own.as_bytes() <= key) {
            let Some((_, row)) = self.next() else { break };
            if let Some(row) = row
                && visit(Seen::new(own.as_bytes(), row)?)?.is_break()
            {
                return Ok(Met::Stopped);
            }
            if own.as_bytes() == key {
                return Ok(Met::Replaced);
            }
        }
        Ok(Met::Nothing)
    }

    fn rest(mut self, visit: &mut dyn FnMut(Seen<'_>) -> Result<ControlFlow<()>>) -> Result<()> {
        while let Some((key, row)) = self.next() {
            if let Some(row) = row
                && visit(Seen::new(key.as_bytes(), row)?)?.is_break()
            {
                break;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Rows that were stored.
    #[derive(Debug, Default)]
    struct Stored(BTreeMap<RowKey, Row>);

    impl RowSource for Stored {
        fn scan(&self, parent: &NodeId, hashes: Range<u64>, visit: &mut Visit<'_>) -> Result<()> {
            let (first, last) = (RowKey::first(parent, hashes.start), RowKey::first(parent, hashes.end));
            let within = (Bound::Included(&first[..]), Bound::Excluded(&last[..]));
            for (key, row) in self.0.range::<[u8], _>(within) {
                if visit(key.as_bytes(), *row)?.is_break() {
                    break;
                }
            }
            Ok(())
        }

        fn row(&self, key: &RowKey) -> Result<Option<Row>> {
            Ok(self.0.get(key).copied())
        }
    }

    #[derive(Clone, Debug)]
    enum Step {
        Put(u8, u64),
        Remove(u8),
        Freeze,
        Rebase { whole: bool },
    }

    fn key(n: u8) -> RowKey {
        let name = Name::new([b'a' + n % 3]).unwrap();
        RowKey::new(&NodeId([n / 32; 16]), u64::from(n / 8 % 4), &NodeId([n % 8; 16]), &name)
    }

    fn row(lamport: u64) -> Row {
        Row {
            stamp: Stamp { lamport, replica: ReplicaId([7; 8]) },
            kind: Kind::Directory,
            gone: lamport.is_multiple_of(2),
        }
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            6 => (0..96u8, 1..9u64).prop_map(|(n, lamport)| Step::Put(n, lamport)),
            3 => (0..96u8).prop_map(Step::Remove),
            1 => Just(Step::Freeze),
            1 => any::<bool>().prop_map(|whole| Step::Rebase { whole }),
        ];
        prop::collection::vec(step, 0..120)
    }

    fn all(rows: &Rows) -> Vec<(RowKey, Row)> {
        let mut all = Vec::new();
        for parent in 0..3 {
            let parent = NodeId([parent; 16]);
            rows.scan(&parent, 0, &mut |seen| {
                all.push((RowKey::new(&parent, seen.hash, &seen.node, &seen.to_name()?), seen.row));
                Ok(ControlFlow::Continue(()))
            })
            .unwrap();
        }
        all
    }

    /// Brings the rows over a base that holds what was frozen at `state`, written as a difference or whole.
    fn rebase(
        rows: &mut Rows,
        frozen: &Rows,
        base: &BTreeMap<RowKey, Row>,
        state: &BTreeMap<RowKey, Row>,
        whole: bool,
    ) {
        let mut written: Changes = state.iter().map(|(key, row)| (key.clone(), Some(*row))).collect();
        if !whole {
            written.retain(|key, row| base.get(key) != row.as_ref());
            let gone = base.keys().filter(|key| !state.contains_key(*key));
            written.extend(gone.map(|key| (key.clone(), None)));
        }
        let rest = frozen.beyond(&written, whole).unwrap();
        rows.rebase(frozen, Arc::new(Stored(state.clone())), rest);
    }

    proptest! {
        #[test]
        fn rows_are_a_map_whatever_lies_below(steps in steps()) {
            let (mut rows, mut model) = (Rows::over(Arc::new(NoRows)), BTreeMap::new());
            let (mut base, mut frozen) = (BTreeMap::new(), None);
            for step in steps {
                match step {
                    Step::Put(n, lamport) => {
                        rows.put(key(n), row(lamport));
                        model.insert(key(n), row(lamport));
                    }
                    Step::Remove(n) => {
                        rows.remove(key(n));
                        model.remove(&key(n));
                    }
                    Step::Freeze => frozen = Some((rows.freeze(), model.clone())),
                    Step::Rebase { whole } => {
                        if let Some((frozen, state)) = frozen.take() {
                            rebase(&mut rows, &frozen, &base, &state, whole);
                            base = state;
                        }
                    }
                }
                prop_assert_eq!(all(&rows), model.clone().into_iter().collect::<Vec<_>>());
            }
            for n in 0..96 {
                prop_assert_eq!(rows.row(&key(n)).unwrap(), model.get(&key(n)).copied());
                let (mut seen, parent) = (Vec::new(), NodeId([n / 32; 16]));
                let hash = u64::from(n / 8 % 4);
                rows.scan(&parent, hash, &mut |row| {
                    seen.push((row.hash, row.node));
                    Ok(if seen.len() == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
                }).unwrap();
                let mut same = Vec::new();
                rows.scan_hash(&parent, hash, &mut |row| {
                    same.push((row.hash, row.node));
                    Ok(ControlFlow::Continue(()))
                }).unwrap();
                let (first, last) = (RowKey::first(&parent, hash), RowKey::first(&parent, hash + 1));
                let within = model.keys().filter(|key| key.as_bytes() >= &first[..] && key.as_bytes() < &last[..]);
                prop_assert_eq!(same.len(), within.count());
                let expected = model.keys().filter(|key| key.as_bytes() >= &first[..] && key.as_bytes().starts_with(&parent.0));
                prop_assert_eq!(seen.len(), expected.take(3).count());
            }
        }

        #[test]
        fn rows_read_back_as_they_were(lamport: u64, gone: bool, kind in 0..6u8) {
            let kind = Kind::from_code(kind).unwrap();
            let row = Row { stamp: Stamp { lamport, replica: ReplicaId([3; 8]) }, kind, gone };
            prop_assert_eq!(Row::from_bytes(&row.to_bytes()), Some(row));
            prop_assert_eq!(Row::from_bytes(&row.to_bytes()[1..]), None);
        }
    }
}
