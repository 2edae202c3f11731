//! The index that serves lookups: one row for each live claim (rules 1 and 2).
//!
//! Rows are keyed by the directory that the claim names itself, before rules 3 and 4 move or unite
//! directories, so that such a change moves no rows. The memory form is here; a vault keeps them in its
//! database under an overlay.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::ops::ControlFlow;

use super::super::error::Result;
use super::super::{Kind, Name, NodeId, Stamp};

/// Where a row stands. Rows are visited in this order.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RowKey {
    /// The directory the claim names.
    pub parent: NodeId,
    /// [`NameHash`] of the name.
    pub hash: u64,
    /// Who claims.
    pub node: NodeId,
    /// The name claimed.
    pub name: Name,
}

/// What a row says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Stamp of the place that the claim is made by.
    pub stamp: Stamp,
    /// What claims.
    pub kind: Kind,
    /// Whether the place is a past one: the node has no name, and lives by rule 1.
    pub gone: bool,
}

/// Hash of a name: keyed, 63 bits, the same for one name in every directory (united directories are listed
/// in one order). It is the order of listing and, nearly, the readdir cookie.
pub trait NameHash: Send + Sync + Debug {
    /// The hash; the top bit is ignored.
    fn hash(&self, name: &[u8]) -> u64;
}

/// The rows.
pub trait ClaimRows: Send + Sync + Debug {
    /// Adds a row or replaces the one in its place.
    ///
    /// # Errors
    /// Of the storage.
    fn put(&mut self, key: RowKey, row: Row) -> Result<()>;

    /// Takes a row out, if it is there.
    ///
    /// # Errors
    /// Of the storage.
    fn remove(&mut self, key: &RowKey) -> Result<()>;

    /// Visits the rows of `parent` whose hash is at least `from`, in order, until told to stop.
    ///
    /// # Errors
    /// Of the storage.
    fn scan(
        &self,
        parent: &NodeId,
        from: u64,
        visit: &mut dyn FnMut(&RowKey, &Row) -> ControlFlow<()>,
    ) -> Result<()>;

    /// A copy that changes independently, to stage a merge on. Should cost what differs from storage only.
    fn fork(&self) -> Box<dyn ClaimRows>;
}

/// Rows in memory.
#[derive(Clone, Debug, Default)]
pub struct MemoryRows(BTreeMap<(NodeId, u64), Vec<(RowKey, Row)>>);

impl ClaimRows for MemoryRows {
    fn put(&mut self, key: RowKey, row: Row) -> Result<()> {
        let bucket = self.0.entry((key.parent, key.hash)).or_default();
        match bucket.binary_search_by(|(own, _)| own.cmp(&key)) {
            Ok(index) => bucket[index].1 = row,
            Err(index) => bucket.insert(index, (key, row)),
        }
        Ok(())
    }

    fn remove(&mut self, key: &RowKey) -> Result<()> {
        if let Some(bucket) = self.0.get_mut(&(key.parent, key.hash)) {
            bucket.retain(|(own, _)| own != key);
            if bucket.is_empty() {
                self.0.remove(&(key.parent, key.hash));
            }
        }
        Ok(())
    }

    fn scan(
        &self,
        parent: &NodeId,
        from: u64,
        visit: &mut dyn FnMut(&RowKey, &Row) -> ControlFlow<()>,
    ) -> Result<()> {
        for (_, bucket) in self.0.range((*parent, from)..=(*parent, u64::MAX)) {
            for (key, row) in bucket {
                if visit(key, row).is_break() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    fn fork(&self) -> Box<dyn ClaimRows> {
        Box::new(self.clone())
    }
}
