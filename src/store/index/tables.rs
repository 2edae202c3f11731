//! One state of the index file, to be looked into: beginning to read and opening a table cost more than a look,
//! so both are kept until the file goes on to another state.

use std::any::Any;
use std::sync::Arc;

use parking_lot::Mutex;
use redb::{Database, Key, ReadOnlyTable, ReadTransaction, ReadableDatabase, TableDefinition, Value};

use super::Result;

/// All tables as they were at one moment.
pub struct Tables {
    transaction: ReadTransaction,
    opened: Mutex<Vec<(String, Arc<dyn Any + Send + Sync>)>>,
}

impl std::fmt::Debug for Tables {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tables").finish_non_exhaustive()
    }
}

impl Tables {
    /// As they are now.
    pub(super) fn of(db: &Database) -> Result<Self> {
        Ok(Tables { transaction: db.begin_read()?, opened: Mutex::default() })
    }

    /// A table. It stays as it was at that moment for as long as it is held, and keeps the file from using the
    /// room of what changed since again.
    ///
    /// # Errors
    /// `TableDoesNotExist`; the file's.
    pub fn open<K: Key + Send + Sync + 'static, V: Value + Send + Sync + 'static>(
        &self,
        table: TableDefinition<'_, K, V>,
    ) -> Result<Arc<ReadOnlyTable<K, V>>> {
        use redb::TableHandle;
        let mut opened = self.opened.lock();
        let known = opened.iter().find(|(name, _)| *name == table.name());
        if let Some(Ok(known)) = known.map(|(_, known)| Arc::clone(known).downcast()) {
            return Ok(known);
        }
        let new = Arc::new(self.transaction.open_table(table)?);
        opened.push((table.name().to_owned(), Arc::clone(&new) as Arc<dyn Any + Send + Sync>));
        Ok(new)
    }
}
