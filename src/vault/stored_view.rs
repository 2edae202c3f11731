//! The view's index as the store's database keeps it: the rows and marks of one commit, so that a vault of a
//! million files opens without looking at each and does not hold them all in memory.
//!
//! Derived: what is missing, damaged or of an unknown commit is worked out anew. The rows in the database are
//! brought from commit to commit in pieces, and say of which commit they are only when they are whole.
//! Meanwhile whoever reads the older rows does so in a state of the database from before.
//!
//! # Invariant
//! A [`StoredRows`] shows the rows of its commit for as long as it lives.

use std::ops::{ControlFlow, Range};
use std::sync::{Arc, OnceLock};

use redb::{ReadOnlyTable, TableDefinition, WriteTransaction};

use super::CommitId;
use super::NodeId;
use super::committed::{CommittedNodes, KeyedNames};
use super::error::{Result, VaultError};
use super::memo::Memo;
use super::open::view_of;
use super::vault::{Head, Vault};
use super::view::rows::{Changes, Visit};
use super::view::{Marks, NodeUpdate, Row, RowKey, RowSource, Rows, View};
use crate::crypto::ObjectId;
use crate::store::{Store, Tables};
use crate::trie::Trie;

/// Key → row, as [`RowKey`] and [`Row`] lay them out.
const ROWS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("view.rows/3");
const STATE: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("view.state/3");
/// In [`STATE`]: the commit that the rows are of; absent while they are on their way to another.
const COMMIT: &str = "commit";
/// In [`STATE`]: the commit's [`Marks`].
const MARKS: &str = "marks";

/// Rows brought into the database at once, while nobody else can change it.
const PIECE: usize = 4096;

/// Rows changed in memory from which on they are brought into the database.
pub(super) const MANY: usize = 1 << 16;

/// The rows of one commit, in the database.
pub(super) struct StoredRows {
    store: Arc<Store>,
    commit: CommitId,
    nodes: Arc<CommittedNodes>,
    names: KeyedNames,
    /// The rows as they were before the database went on to another commit.
    held: OnceLock<Table>,
    /// The rows of some names, by directory and hash.
    lately: Memo<(NodeId, u64), Found>,
    /// The rows worked out anew, after the database failed.
    rebuilt: OnceLock<Rows>,
}

impl std::fmt::Debug for StoredRows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StoredRows").field("commit", &self.commit).finish_non_exhaustive()
    }
}

type Table = Arc<ReadOnlyTable<&'static [u8], &'static [u8]>>;

/// As the database answers.
type Answer<T> = std::result::Result<T, redb::Error>;

fn open_rows(tables: &Tables) -> Answer<Table> {
    tables.open(ROWS)
}

/// Rows that stand side by side, with their keys.
type Found = Arc<[(RowKey, Row)]>;

/// Names whose rows are remembered: each operation asks for those it is about again and again.
const REMEMBERED: usize = 1024;

impl StoredRows {
    /// Looks into the table; if that fails, it is given up and what was not answered is asked of rows worked
    /// out anew.
    fn look<R>(&self, look: impl FnOnce(&Table) -> Answer<R>) -> Option<R> {
        if self.rebuilt.get().is_some() {
            return None;
        }
        // The tables are taken first: nothing was brought into those that are from before the rows were held.
        let looked = self.store.read_tables(|tables| match self.held.get() {
            Some(table) => look(table),
            None => look(&open_rows(tables)?),
        });
        looked
            .inspect_err(|error| tracing::warn!(%error, "the view's index failed; it is worked out anew"))
            .ok()
    }

    fn rebuilt(&self) -> Result<&Rows> {
        if let Some(rows) = self.rebuilt.get() {
            return Ok(rows);
        }
        let (rows, _) = view_of(&self.nodes, self.names.clone())?.into_parts();
        Ok(self.rebuilt.get_or_init(|| rows))
    }

    fn scan_table(&self, parent: &NodeId, hashes: Range<u64>, visit: &mut Visit<'_>) -> Result<()> {
        let (first, end) = (RowKey::first(parent, hashes.start), RowKey::first(parent, hashes.end));
        let mut last = Vec::new();
        let scanned = self.look(|table| {
            for entry in table.range::<&[u8]>(&first[..]..&end[..])? {
                let (key, row) = entry?;
                let Some(row) = Row::from_bytes(row.value()) else { return Err(malformed()) };
                match visit(key.value(), row) {
                    Ok(ControlFlow::Continue(())) => {}
                    Ok(ControlFlow::Break(())) => break,
                    Err(error) => return Ok(Err(error)),
                }
                last.clear();
                last.extend_from_slice(key.value());
            }
            Ok(Ok(()))
        });
        match scanned {
            Some(scanned) => scanned,
            None => self.rebuilt()?.scan_stored(parent, hashes, &mut |key, row| match *key > *last {
                true => visit(key, row),
                false => Ok(ControlFlow::Continue(())),
            }),
        }
    }

    fn found(&self, parent: &NodeId, hashes: Range<u64>) -> Result<Found> {
        let mut found = Vec::new();
        self.scan_table(parent, hashes, &mut |key, row| {
            found.push((RowKey::stored(key), row));
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(found.into())
    }

    /// Sees to it that the rows can be read when the database goes on to another commit.
    fn hold(&self) -> Result<()> {
        if self.held.get().is_some() || self.rebuilt.get().is_some() {
            return Ok(());
        }
        match self.store.read_tables(open_rows) {
            Ok(table) => drop(self.held.set(table)),
            Err(_) => drop(self.rebuilt()?),
        }
        Ok(())
    }
}

impl RowSource for StoredRows {
    fn scan(&self, parent: &NodeId, hashes: Range<u64>, visit: &mut Visit<'_>) -> Result<()> {
        if hashes.end.saturating_sub(hashes.start) > 1 {
            return self.scan_table(parent, hashes, visit);
        }
        let (hash, question) = (hashes.start, (*parent, hashes.start));
        for (key, row) in &*self.lately.answer(hash, question, || self.found(parent, hashes))? {
            if visit(key.as_bytes(), *row)?.is_break() {
                break;
            }
        }
        Ok(())
    }

    fn row(&self, key: &RowKey) -> Result<Option<Row>> {
        let looked = self.look(|table| match table.get(key.as_bytes())? {
            Some(row) => Row::from_bytes(row.value()).map(Some).ok_or_else(malformed),
            None => Ok(None),
        });
        looked.map_or_else(|| self.rebuilt()?.row(key), Ok)
    }
}

fn malformed() -> redb::Error {
    redb::Error::Corrupted("a row of the view's index".to_owned())
}

/// The view of `head`, from what the database has of an older commit if it has; and the rows below it.
pub(super) fn open_view(
    store: &Arc<Store>,
    head: &Arc<CommittedNodes>,
    names: &KeyedNames,
    trie_of: impl Fn(&CommitId) -> Result<Trie>,
) -> Result<(View, Option<Arc<StoredRows>>)> {
    let caught_up = || -> Result<Option<(View, Option<Arc<StoredRows>>)>> {
        let Some((commit, marks)) = stored(store)? else { return Ok(None) };
        let nodes = CommittedNodes::new(head.forest(), trie_of(&commit)?);
        let base = StoredRows::new(store, commit, nodes, names);
        let view = base.view_at(marks, head)?;
        Ok(Some((view, Some(base))))
    };
    match caught_up() {
        Ok(Some(found)) => Ok(found),
        Ok(None) => Ok((view_of(head, names.clone())?, None)),
        Err(error) => {
            tracing::warn!(%error, "the view's index cannot be used; it is worked out anew");
            Ok((view_of(head, names.clone())?, None))
        }
    }
}

impl StoredRows {
    fn new(
        store: &Arc<Store>,
        commit: CommitId,
        nodes: Arc<CommittedNodes>,
        names: &KeyedNames,
    ) -> Arc<Self> {
        Arc::new(StoredRows {
            store: Arc::clone(store),
            commit,
            nodes,
            names: names.clone(),
            held: OnceLock::new(),
            lately: Memo::new(REMEMBERED),
            rebuilt: OnceLock::new(),
        })
    }

    /// The view of `head` over these rows, which `marks` belong to.
    fn view_at(self: &Arc<Self>, marks: Marks, head: &CommittedNodes) -> Result<View> {
        let mut updates = Vec::new();
        head.forest().diff(self.nodes.trie(), head.trie(), |key, old, new| {
            updates.push(NodeUpdate { id: NodeId(*key), old: old.cloned(), new: new.cloned() });
            Ok::<(), VaultError>(())
        })?;
        let base: Arc<dyn RowSource> = Arc::clone(self) as Arc<dyn RowSource>;
        let mut view = View::new(Rows::over(base), marks, Arc::new(self.names.clone()));
        view.update(head, &updates)?;
        Ok(view)
    }
}

/// Of which commit the rows in the database are, with its marks.
fn stored(store: &Store) -> Result<Option<(CommitId, Marks)>> {
    let read = store.read_tables(|tables| {
        let table = match tables.open(STATE) {
            Err(redb::Error::TableDoesNotExist(_)) => return Ok(None),
            table => table?,
        };
        let (Some(commit), Some(marks)) = (table.get(COMMIT)?, table.get(MARKS)?) else { return Ok(None) };
        Ok(Some((commit.value().to_vec(), marks.value().to_vec())))
    })?;
    let Some((commit, marks)) = read else { return Ok(None) };
    let damaged = || VaultError::Damaged("the state of the view's index".into());
    let commit = CommitId(ObjectId(commit.try_into().map_err(|_| damaged())?));
    Ok(Some((commit, postcard::from_bytes(&marks).map_err(|_| damaged())?)))
}

/// What is to be brought into the database.
struct Written {
    rows: Changes,
    marks: Marks,
    /// Whether these are all rows, not those that differ from what is there.
    whole: bool,
}

impl Written {
    fn store(&self, store: &Store, commit: &CommitId) -> Result<()> {
        store.write_tables(|txn| {
            txn.open_table(STATE)?.remove(COMMIT)?;
            if self.whole {
                txn.delete_table(ROWS)?;
            }
            txn.open_table(ROWS)?;
            Ok(())
        })?;
        let rows: Vec<_> = self.rows.iter().collect();
        for piece in rows.chunks(PIECE) {
            store.write_tables(|txn| put_rows(txn, piece))?;
        }
        let marks = postcard::to_stdvec(&self.marks).map_err(|error| VaultError::Disk(Box::new(error)))?;
        store.write_tables(|txn| {
            let mut table = txn.open_table(STATE)?;
            table.insert(MARKS, marks.as_slice())?;
            table.insert(COMMIT, commit.0.0.as_slice())?;
            Ok(())
        })?;
        Ok(())
    }
}

fn put_rows(txn: &WriteTransaction, rows: &[(&RowKey, &Option<Row>)]) -> Answer<()> {
    let mut table = txn.open_table(ROWS)?;
    for (key, row) in rows {
        match row {
            Some(row) => drop(table.insert(key.as_bytes(), row.to_bytes().as_slice())?),
            None => drop(table.remove(key.as_bytes())?),
        }
    }
    Ok(())
}

impl Vault {
    /// Brings the rows in the database to the head, if at least `many` changed since they were there last; with
    /// 0 always. Operations, commits and merges go on meanwhile.
    ///
    /// # Errors
    /// Of the disk. The vault goes on as before, with its rows in memory.
    pub(super) fn store_view(&self, many: usize) -> Result<()> {
        let mut base = self.stored_view.lock();
        let Some((head, rows)) = self.freeze_view(many, base.as_deref()) else { return Ok(()) };
        let nodes = self.nodes_of(head.trie());
        let names = KeyedNames(self.store.keyring().content_keys().clone());
        let written = self.work_out(base.as_ref(), &nodes, &names)?;
        let rest = rows.beyond(&written.rows, written.whole)?;
        if let Some(base) = &*base {
            base.hold()?;
        }
        if let Err(error) = written.store(&self.store, &head.commit) {
            // What is there now is of no commit, and may be damaged: next time all goes into a new file.
            self.store.renew_index()?;
            return Err(error);
        }
        let next = StoredRows::new(&self.store, head.commit, nodes, &names);
        let _turn = self.publishing();
        let mut state = self.state.write();
        state.tree.view.rows_mut().rebase(&rows, Arc::clone(&next) as Arc<dyn RowSource>, rest);
        *base = Some(next);
        Ok(())
    }

    /// The head, and the tree's rows of this moment set apart.
    fn freeze_view(&self, many: usize, base: Option<&StoredRows>) -> Option<(Head, Rows)> {
        let _turn = self.publishing();
        let mut state = self.state.write();
        let head = state.head.clone();
        let rows = state.tree.view.rows_mut();
        let new = base.is_none_or(|base| base.commit != head.commit);
        (new && rows.changed() >= many).then(|| (head, rows.freeze()))
    }

    /// What the database lacks of the state `head`, of which it may have that of `base`.
    fn work_out(
        &self,
        base: Option<&Arc<StoredRows>>,
        head: &Arc<CommittedNodes>,
        names: &KeyedNames,
    ) -> Result<Written> {
        let usable = base.filter(|base| base.rebuilt.get().is_none());
        if let (Some(base), Some((commit, marks))) = (usable, stored(&self.store)?)
            && base.commit == commit
        {
            let (rows, marks) = base.view_at(marks, head)?.into_parts();
            return Ok(Written { rows: rows.into_changes(), marks, whole: false });
        }
        let (rows, marks) = view_of(head, names.clone())?.into_parts();
        Ok(Written { rows: rows.into_changes(), marks, whole: true })
    }
}
