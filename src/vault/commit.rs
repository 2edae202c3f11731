//! A commit: one state of the vault, named by the id of its bytes.
//!
//! Commits form the history. A merge commit has no author and no time, so that replicas that merge the same
//! heads make the same commit. Bytes: `docs/specs/vault-format.md`, "Commit".
//!
//! Invariants of a decoded commit: parents ascend and differ, the context ascends and holds at most
//! [`MAX_REPLICAS`] replicas, and the bytes are the only ones that encode it.
#![deny(clippy::indexing_slicing)]

use std::fmt;

use serde::{Deserialize, Serialize};

use super::error::{Result, VaultError};
use super::{Context, ReplicaId};
use crate::ambient::WallNanos;
use crate::crypto::ObjectId;
use crate::trie::Trie;

/// The most replicas a context may name: bounds what a peer can make us hold.
pub const MAX_REPLICAS: usize = 4096;
/// The most parents a commit may have. Merges have two.
pub const MAX_PARENTS: usize = 16;
/// The largest encoded commit, in bytes: a full context and then some.
pub const MAX_COMMIT_BYTES: usize = 128 << 10;

/// First byte of an encoded commit.
const VERSION: u8 = 1;

/// The name of a commit: the object id of its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CommitId(pub ObjectId);

impl fmt::Display for CommitId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Who made a commit, and when by their clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Author {
    /// The replica whose operations it folds.
    pub replica: ReplicaId,
    /// Its time of day.
    pub time: WallNanos,
}

/// One state of the vault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// Root of the trie of nodes; `None` while there is no node.
    pub root: Option<ObjectId>,
    /// Number of nodes.
    pub count: u64,
    /// What the state has seen.
    pub context: Context,
    /// The states it came from, ascending.
    pub parents: Vec<CommitId>,
    /// `None` for a merge.
    pub author: Option<Author>,
}

/// The commit as postcard writes it.
#[derive(Serialize, Deserialize)]
struct Wire {
    root: Option<[u8; 32]>,
    count: u64,
    context: Vec<([u8; 8], u64)>,
    parents: Vec<[u8; 32]>,
    author: Option<([u8; 8], i64)>,
}

impl Commit {
    /// The nodes.
    pub fn trie(&self) -> Trie {
        Trie { root: self.root, count: self.count }
    }

    /// The bytes whose object id names the commit.
    pub fn encode(&self) -> Result<Vec<u8>> {
        let wire = Wire {
            root: self.root.map(|id| id.0),
            count: self.count,
            context: self.context.iter().map(|(replica, lamport)| (replica.0, lamport)).collect(),
            parents: self.parents.iter().map(|id| id.0.0).collect(),
            author: self.author.map(|author| (author.replica.0, author.time)),
        };
        wire.check()?;
        postcard::to_extend(&wire, vec![VERSION])
            .map_err(|_| VaultError::Inconsistent("a commit must encode"))
    }

    /// Reads a commit, whoever wrote it.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        let damaged = |what: &str| VaultError::Damaged(format!("commit: {what}"));
        if bytes.len() > MAX_COMMIT_BYTES {
            return Err(damaged("too long"));
        }
        let body = match bytes.split_first() {
            Some((&VERSION, body)) => body,
            Some(_) => return Err(damaged("of a version this program does not know")),
            None => return Err(damaged("empty")),
        };
        let (wire, rest) = postcard::take_from_bytes::<Wire>(body).map_err(|_| damaged("does not decode"))?;
        if !rest.is_empty() {
            return Err(damaged("has bytes after its end"));
        }
        wire.check()?;
        let commit = Commit {
            root: wire.root.map(ObjectId),
            count: wire.count,
            context: wire
                .context
                .into_iter()
                .map(|(replica, lamport)| (ReplicaId(replica), lamport))
                .collect(),
            parents: wire.parents.into_iter().map(|id| CommitId(ObjectId(id))).collect(),
            author: wire.author.map(|(replica, time)| Author { replica: ReplicaId(replica), time }),
        };
        if commit.encode()? != bytes {
            return Err(damaged("is not written the one way it may be"));
        }
        Ok(commit)
    }
}

impl Wire {
    fn check(&self) -> Result<()> {
        let ascending =
            self.parents.is_sorted_by(|a, b| a < b) && self.context.is_sorted_by(|a, b| a.0 < b.0);
        let whole =
            self.root.is_some() == (self.count > 0) && self.context.iter().all(|(_, lamport)| *lamport > 0);
        let bounded = self.context.len() <= MAX_REPLICAS && self.parents.len() <= MAX_PARENTS;
        if ascending && whole && bounded {
            Ok(())
        } else {
            Err(VaultError::Damaged("commit: breaks its rules".into()))
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::{btree_map, btree_set};
    use proptest::prelude::*;

    use super::*;

    fn commits() -> impl Strategy<Value = Commit> {
        let author = proptest::option::of((any::<[u8; 8]>(), any::<i64>()));
        let context = btree_map(any::<[u8; 8]>(), 1..u64::MAX, 0..5);
        let parents = btree_set(any::<[u8; 32]>(), 0..4);
        (any::<[u8; 32]>(), any::<u64>(), context, parents, author).prop_map(
            |(root, count, context, parents, author)| Commit {
                root: (count > 0).then_some(ObjectId(root)),
                count,
                context: context
                    .into_iter()
                    .map(|(replica, lamport)| (ReplicaId(replica), lamport))
                    .collect(),
                parents: parents.into_iter().map(|id| CommitId(ObjectId(id))).collect(),
                author: author.map(|(replica, time)| Author { replica: ReplicaId(replica), time }),
            },
        )
    }

    proptest! {
        #[test]
        fn round_trip(commit in commits()) {
            prop_assert_eq!(Commit::decode(&commit.encode().unwrap()).unwrap(), commit);
        }

        #[test]
        fn every_cut_and_every_extra_byte_is_refused(commit in commits()) {
            let bytes = commit.encode().unwrap();
            for length in 0..bytes.len() {
                prop_assert!(Commit::decode(&bytes[..length]).is_err());
            }
            let longer = [bytes, vec![0]].concat();
            prop_assert!(Commit::decode(&longer).is_err());
        }

        #[test]
        fn mangled_bytes_never_panic_and_never_alias(commit in commits(), at in any::<usize>(), flip in 1u8..) {
            let mut bytes = commit.encode().unwrap();
            let at = at % bytes.len();
            bytes[at] ^= flip;
            if let Ok(other) = Commit::decode(&bytes) {
                prop_assert_ne!(other, commit);
            }
        }
    }

    #[test]
    fn known_bytes() {
        let commit = Commit {
            root: Some(ObjectId([7; 32])),
            count: 300,
            context: [(ReplicaId([1; 8]), 5)].into_iter().collect(),
            parents: vec![CommitId(ObjectId([9; 32]))],
            author: Some(Author { replica: ReplicaId([1; 8]), time: -1 }),
        };
        let expected = [
            vec![1, 1],
            vec![7; 32],
            vec![0xac, 0x02, 1],
            vec![1; 8],
            vec![5, 1],
            vec![9; 32],
            vec![1],
            vec![1; 8],
            vec![1],
        ]
        .concat();
        assert_eq!(commit.encode().unwrap(), expected);
    }

    #[test]
    fn parents_out_of_order_and_zero_lamports_are_refused() {
        let mut commit = Commit {
            root: None,
            count: 0,
            context: Context::default(),
            parents: vec![CommitId(ObjectId([2; 32])), CommitId(ObjectId([1; 32]))],
            author: None,
        };
        assert!(commit.encode().is_err());
        commit.parents.reverse();
        assert!(commit.encode().is_ok());
        commit.count = 1;
        assert!(commit.encode().is_err(), "nodes without a root");
    }
}
