//! The walk over an offered state: from the commit down to what is held here, each object once.
//!
//! It ends when every trie and list object below the head is here; then the state can be merged. After an
//! offer that named all its objects the walk finds them all present, and so checks that the peer left none
//! out.

use std::collections::{HashMap, HashSet};

use super::super::limits;
use super::super::replica::{Presence, Reference};
use super::error::SessionError;
use crate::crypto::{ObjectId, ObjectKind};

#[derive(Debug)]
pub(super) struct Walk {
    seen: HashSet<Reference>,
    frontier: Vec<Reference>,
    examining: usize,
    awaited: HashMap<ObjectId, Vec<Reference>>,
    settled: Vec<ObjectId>,
}

impl Walk {
    pub(super) fn from(head: ObjectId) -> Self {
        let root = Reference { id: head, kind: ObjectKind::Commit, place: Vec::new() };
        Walk {
            seen: HashSet::from([root.clone()]),
            frontier: vec![root],
            examining: 0,
            awaited: HashMap::new(),
            settled: Vec::new(),
        }
    }

    /// The next references to examine.
    pub(super) fn next(&mut self) -> Option<Vec<Reference>> {
        if self.frontier.is_empty() {
            return None;
        }
        let from = self.frontier.len().saturating_sub(limits::BATCH);
        self.examining += 1;
        Some(self.frontier.split_off(from))
    }

    /// Takes an answer; gives back the references that must be asked of the peer.
    /// `here` says what was stored while the replica looked.
    pub(super) fn examined(
        &mut self,
        references: Vec<Reference>,
        found: Vec<Presence>,
        here: impl Fn(&ObjectId) -> bool,
    ) -> Result<Vec<Reference>, SessionError> {
        self.examining = self.examining.saturating_sub(1);
        let mut absent = Vec::new();
        for (reference, presence) in references.into_iter().zip(found) {
            match presence {
                Presence::Held => {}
                Presence::Present(children) => self.descend(reference.id, children)?,
                Presence::Absent | Presence::InTurn if here(&reference.id) => self.frontier.push(reference),
                Presence::Absent | Presence::InTurn => {
                    self.awaited.entry(reference.id).or_default().push(reference.clone());
                    absent.push(reference);
                }
            }
        }
        Ok(absent)
    }

    fn descend(&mut self, id: ObjectId, children: Vec<Reference>) -> Result<(), SessionError> {
        self.settled.push(id);
        for child in children {
            if child.kind != ObjectKind::Chunk && self.seen.insert(child.clone()) {
                self.frontier.push(child);
            }
        }
        if self.seen.len() > limits::WALK {
            return Err(SessionError::Protocol("a tree larger than any walk"));
        }
        Ok(())
    }

    /// An object was stored: go on below it.
    pub(super) fn arrived(&mut self, id: &ObjectId) {
        self.frontier.extend(self.awaited.remove(id).unwrap_or_default());
    }

    /// All structure below the head is here.
    pub(super) fn is_done(&self) -> bool {
        self.frontier.is_empty() && self.examining == 0 && self.awaited.is_empty()
    }

    /// The provisional objects the walk went through.
    pub(super) fn into_settled(self) -> Vec<ObjectId> {
        self.settled
    }
}
