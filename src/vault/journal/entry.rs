//! What a vault writes into its journal: operations that are not in a durable commit yet, and file data that
//! is not in an operation yet.
//!
//! The order of the entries is the order of the requests: of all name operations, and of the writes to each
//! file. An [`Entry::Operation`] is dead once the durable head has its stamp; dirty data is dead once such an
//! operation ended it. Bytes: `docs/specs/vault-format.md`, "Journal entries".
#![deny(clippy::indexing_slicing)]

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::packed::Packed;
use crate::ambient::WallNanos;
use crate::vault::error::{Result, VaultError};
use crate::vault::missing::Shown;
use crate::vault::{Content, Delta, NodeId};

/// The largest entry, in bytes: a journal frame.
pub const MAX_ENTRY_BYTES: usize = 4 << 20;

/// First byte of an encoded entry.
const VERSION: u8 = 1;

/// First byte of an [`Entry::Restated`], which programs that know version 1 only cannot read.
const RESTATED_VERSION: u8 = 2;

/// Names a run of dirty data on one file, from its first write to the operation that folds or drops it.
/// Drawn at random: never used twice in the life of a vault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct DirtyId(pub u64);

/// What a run of dirty data lies over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Base {
    /// A content that the file showed.
    Shown(Shown),
    /// Whatever an earlier run, still being folded when this entry was written, becomes.
    Run(DirtyId),
}

/// A run of dirty data became a version of its file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Folded {
    /// The run.
    pub run: DirtyId,
    /// What the file shows to whoever wrote it.
    pub shown: Shown,
}

/// One journal entry.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Entry<'a> {
    /// A local operation, or just the end of some dirty data.
    Operation {
        /// What it did to the nodes, if anything.
        delta: Option<Cow<'a, Delta>>,
        /// The run whose bytes the operation wrote.
        folds: Option<Folded>,
        /// Runs that end with their file: dropped.
        drops: Vec<DirtyId>,
    },
    /// A run of dirty data begins.
    Begin {
        /// The run.
        run: DirtyId,
        /// The file.
        node: NodeId,
        /// What it lies over.
        base: Base,
    },
    /// The data of a run changed.
    Dirty {
        /// The run.
        run: DirtyId,
        /// How.
        #[serde(borrow)]
        change: DirtyChange<'a>,
        /// The file's time of modification from now on.
        mtime: WallNanos,
    },
    /// All there is of a run so far: its entries before this one are dead once this is durable.
    Restated {
        /// The run.
        run: DirtyId,
        /// The file.
        node: NodeId,
        /// What it lies over.
        base: Base,
        /// Every change, in order.
        #[serde(borrow)]
        changes: Vec<DirtyChange<'a>>,
        /// The file's time of modification.
        mtime: WallNanos,
    },
}

/// What a request did to a file's bytes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum DirtyChange<'a> {
    /// Bytes were written.
    Extent {
        /// Where, in bytes from the start of the file.
        offset: u64,
        /// What.
        #[serde(borrow, with = "serde_bytes")]
        bytes: Cow<'a, [u8]>,
    },
    /// The size was set.
    Truncate {
        /// The new size in bytes.
        size: u64,
    },
    /// A range inside the file was made a hole.
    Punch {
        /// Where, in bytes.
        offset: u64,
        /// How long, in bytes.
        length: u64,
    },
    /// Everything written so far is in this content, whose objects are in the log.
    Working {
        /// The whole content of the file.
        content: Content,
    },
    /// Everything written and not journalled so far is in objects in the log.
    Packed(Packed),
}

impl DirtyChange<'_> {
    /// The same, owning its bytes.
    pub fn into_owned(self) -> DirtyChange<'static> {
        match self {
            DirtyChange::Extent { offset, bytes } => {
                DirtyChange::Extent { offset, bytes: Cow::Owned(bytes.into_owned()) }
            }
            DirtyChange::Truncate { size } => DirtyChange::Truncate { size },
            DirtyChange::Punch { offset, length } => DirtyChange::Punch { offset, length },
            DirtyChange::Working { content } => DirtyChange::Working { content },
            DirtyChange::Packed(packed) => DirtyChange::Packed(packed),
        }
    }

    /// How many bytes of file data it carries.
    pub fn bytes(&self) -> u64 {
        match self {
            DirtyChange::Extent { bytes, .. } => bytes.len() as u64,
            _ => 0,
        }
    }
}

impl<'a> Entry<'a> {
    /// The payload of a journal frame.
    pub fn encode(&self) -> Result<Vec<u8>> {
        let bytes = postcard::to_extend(self, vec![self.version()])
            .map_err(|_| VaultError::Inconsistent("a journal entry must encode"))?;
        if bytes.len() > MAX_ENTRY_BYTES {
            return Err(VaultError::TooLarge("an operation that does not fit the journal"));
        }
        Ok(bytes)
    }

    /// Reads the payload of a journal frame.
    pub fn decode(bytes: &'a [u8]) -> Result<Self> {
        let damaged = |what: &str| VaultError::Damaged(format!("journal entry: {what}"));
        let (version, body) = match bytes.split_first() {
            Some((version @ &(VERSION | RESTATED_VERSION), body)) => (*version, body),
            _ => return Err(damaged("of a version this program does not know")),
        };
        if bytes.len() > MAX_ENTRY_BYTES {
            return Err(damaged("too long"));
        }
        match postcard::take_from_bytes::<Entry<'_>>(body) {
            Ok((entry, [])) if entry.version() == version => Ok(entry),
            _ => Err(damaged("does not decode")),
        }
    }

    fn version(&self) -> u8 {
        if matches!(self, Entry::Restated { .. }) { RESTATED_VERSION } else { VERSION }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::crypto::ObjectId;
    use crate::vault::contents::{Extents, Stored};
    use crate::vault::{Kind, NodeChange, ReplicaId, Stamp};

    fn stamp(lamport: u64) -> Stamp {
        Stamp { lamport, replica: ReplicaId([7; 8]) }
    }

    fn shown() -> impl Strategy<Value = Shown> {
        (proptest::collection::vec(any::<u64>(), 0..3), any::<bool>()).prop_map(|(lamports, inline)| Shown {
            stamps: lamports.into_iter().map(stamp).collect(),
            content: if inline { Content::Inline(b"bytes".to_vec()) } else { Content::Empty },
        })
    }

    fn changes() -> impl Strategy<Value = DirtyChange<'static>> {
        prop_oneof![
            (any::<u64>(), proptest::collection::vec(any::<u8>(), 0..50))
                .prop_map(|(offset, bytes)| DirtyChange::Extent { offset, bytes: Cow::Owned(bytes) }),
            any::<u64>().prop_map(|size| DirtyChange::Truncate { size }),
            any::<(u64, u64)>().prop_map(|(offset, length)| DirtyChange::Punch { offset, length }),
            Just(DirtyChange::Working { content: Content::Hole { len: 1 << 30 } }),
            (any::<(u64, u32, u32)>(), any::<u32>()).prop_map(|((size, at, len), hole)| {
                let mut edits = Extents::new();
                edits.insert_hole(7, hole.into());
                let stored = Stored { chunk: ObjectId([3; 32]), chunk_len: 5, at: at / 2, len: len / 2 };
                edits.insert_stored(1 << 40, stored);
                DirtyChange::Packed(Packed::of(&edits, size).unwrap())
            }),
        ]
    }

    fn entries() -> impl Strategy<Value = Entry<'static>> {
        let run = any::<u64>().prop_map(DirtyId);
        let folds = proptest::option::of((run, shown()).prop_map(|(run, shown)| Folded { run, shown }));
        let delta = proptest::option::of((any::<[u8; 16]>(), any::<u64>()).prop_map(|(node, lamport)| {
            let changes = vec![(NodeId(node), NodeChange::none(Kind::File))];
            Cow::Owned(Delta { replica: ReplicaId([7; 8]), lamports: (lamport, lamport), changes })
        }));
        let drops = proptest::collection::vec(any::<u64>().prop_map(DirtyId), 0..3);
        let base =
            prop_oneof![shown().prop_map(Base::Shown), any::<u64>().prop_map(|run| Base::Run(DirtyId(run)))];
        prop_oneof![
            (delta, folds, drops).prop_map(|(delta, folds, drops)| Entry::Operation { delta, folds, drops }),
            (any::<u64>(), any::<[u8; 16]>(), base).prop_map(|(run, node, base)| Entry::Begin {
                run: DirtyId(run),
                node: NodeId(node),
                base
            }),
            (any::<u64>(), changes(), any::<i64>()).prop_map(|(run, change, mtime)| Entry::Dirty {
                run: DirtyId(run),
                change,
                mtime
            }),
            (any::<[u8; 16]>(), any::<u64>(), proptest::collection::vec(changes(), 0..3), any::<i64>())
                .prop_map(|(node, run, changes, mtime)| Entry::Restated {
                    run: DirtyId(run),
                    node: NodeId(node),
                    base: Base::Run(DirtyId(run / 2)),
                    changes,
                    mtime,
                }),
        ]
    }

    proptest! {
        #[test]
        fn round_trip(entry in entries()) {
            let bytes = entry.encode().unwrap();
            prop_assert_eq!(Entry::decode(&bytes).unwrap(), entry);
        }

        #[test]
        fn every_cut_and_every_extra_byte_is_refused(entry in entries()) {
            let bytes = entry.encode().unwrap();
            for length in 0..bytes.len() {
                prop_assert!(Entry::decode(&bytes[..length]).is_err());
            }
            let longer = [bytes, vec![0]].concat();
            prop_assert!(Entry::decode(&longer).is_err());
        }

        #[test]
        fn mangled_bytes_never_panic(entry in entries(), at in any::<usize>(), flip in 1u8..) {
            let mut bytes = entry.encode().unwrap();
            let at = at % bytes.len();
            bytes[at] ^= flip;
            let _ = Entry::decode(&bytes);
        }
    }

    #[test]
    fn known_bytes() {
        let shown = Shown { stamps: vec![stamp(5)], content: Content::Inline(b"x".to_vec()) };
        let begin = Entry::Begin { run: DirtyId(300), node: NodeId([9; 16]), base: Base::Shown(shown) };
        let start = vec![1, 1, 0xac, 0x02];
        let base = [vec![0, 1, 5], vec![7; 8], vec![1, 1, b'x']].concat();
        assert_eq!(begin.encode().unwrap(), [start, vec![9; 16], base].concat());
        let change = DirtyChange::Extent { offset: 1, bytes: Cow::Borrowed(b"ab") };
        let dirty = Entry::Dirty { run: DirtyId(3), change, mtime: -1 };
        assert_eq!(dirty.encode().unwrap(), [1, 2, 3, 0, 1, 2, b'a', b'b', 1]);
        let mut edits = Extents::new();
        edits.insert_hole(1, 2);
        edits.insert_stored(3, Stored { chunk: ObjectId([8; 32]), chunk_len: 9, at: 4, len: 5 });
        let change = DirtyChange::Packed(Packed::of(&edits, 300).unwrap());
        let dirty = Entry::Dirty { run: DirtyId(3), change, mtime: -1 };
        let packed = [vec![1, 2, 3, 4, 0xac, 0x02, 1, 1, 2, 1], vec![8; 32], vec![9, 1, 3, 4, 5, 1]].concat();
        assert_eq!(dirty.encode().unwrap(), packed);
        let (run, base, node) = (DirtyId(3), Base::Run(DirtyId(2)), NodeId([9; 16]));
        let changes = vec![DirtyChange::Truncate { size: 7 }];
        let restated = Entry::Restated { run, node, base, changes, mtime: -1 };
        assert_eq!(restated.encode().unwrap(), [vec![2, 3, 3], vec![9; 16], vec![1, 2, 1, 1, 7, 1]].concat());
        let end = Entry::Operation { delta: None, folds: None, drops: vec![DirtyId(3)] };
        assert_eq!(end.encode().unwrap(), [1, 0, 0, 0, 1, 3]);
    }
}
