//! Nothing lost, nothing returns: an oracle that knows only who made, removed and moved which content, and
//! who had heard of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::plain::Plain;
use super::world::Check;
use crate::vault::NodeId;

/// What happened to a content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// The only name of a file without conflict, this node, was removed.
    Deleted(NodeId),
    /// It was replaced, or removed in some less simple way.
    Dropped,
    /// One of several names that showed it was removed: others may remove the rest.
    Unlinked,
    /// The only name of a file without conflict, this node, was changed, or it got another.
    Moved(NodeId),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Subject {
    Content(u64, What),
    /// A node got a name or new data: what is or was in it may survive a removal that did not know.
    Node(NodeId),
}

#[derive(Clone, Debug)]
struct Event {
    subject: Subject,
    /// What its author knew.
    seen: BTreeSet<u64>,
}

/// What a replica knows.
#[derive(Clone, Debug, Default)]
pub(super) struct Knowledge {
    made: BTreeSet<u64>,
    /// The nodes that a content ever was in.
    homes: BTreeSet<(u64, NodeId)>,
    events: BTreeMap<u64, Arc<Event>>,
}

impl Knowledge {
    pub(super) fn make(&mut self, token: u64) {
        self.made.insert(token);
    }

    /// Notes what happened to a content, under a number used nowhere else.
    pub(super) fn note(&mut self, number: u64, token: u64, what: What) {
        self.insert(number, Subject::Content(token, what));
    }

    /// Notes that a node got a name or data, and what it holds.
    pub(super) fn touch(&mut self, number: u64, node: NodeId, tokens: impl Iterator<Item = u64>) {
        self.homes.extend(tokens.map(|token| (token, node)));
        self.insert(number, Subject::Node(node));
    }

    fn insert(&mut self, number: u64, subject: Subject) {
        let seen = self.events.keys().copied().collect();
        self.events.insert(number, Arc::new(Event { subject, seen }));
    }

    pub(super) fn join(&mut self, other: &Knowledge) {
        self.made.extend(&other.made);
        self.homes.extend(&other.homes);
        self.events.extend(other.events.iter().map(|(number, event)| (*number, Arc::clone(event))));
    }

    /// B1: what nobody removed is there. B2: what someone removed, and nobody touched without knowing, is
    /// not. B3: what was deleted only by people who did not know that it was moved is there.
    pub(super) fn check(&self, plain: &Plain) -> Check {
        let visible = plain.tokens();
        if let Some(token) = visible.difference(&self.made).next() {
            return Err(format!("{token} was never made"));
        }
        for token in &self.made {
            let all = || self.events.iter().map(|(number, event)| (*number, &**event));
            let of = |fits: fn(What) -> bool| -> Vec<(u64, &Event)> {
                let fits =
                    |subject| matches!(subject, Subject::Content(of, what) if of == *token && fits(what));
                all().filter(|(_, event)| fits(event.subject)).collect()
            };
            let removals = of(|what| matches!(what, What::Deleted(_) | What::Dropped));
            let home =
                |subject| matches!(subject, Subject::Node(node) if self.homes.contains(&(*token, node)));
            let touches: Vec<(u64, &Event)> = all().filter(|(_, event)| home(event.subject)).collect();
            let apart = |(a, one): (u64, &Event), (b, other): (u64, &Event)| {
                !one.seen.contains(&b) && !other.seen.contains(&a)
            };
            let there = visible.contains(token);
            let unlinked = !of(|what| what == What::Unlinked).is_empty();
            if removals.is_empty() && !unlinked && !there {
                return Err(format!("B1: {token} is lost: {plain}"));
            }
            let final_removal = removals.iter().any(|gone| !touches.iter().any(|touch| apart(*gone, *touch)));
            if final_removal && there {
                return Err(format!("B2: {token} is back: {plain}"));
            }
            // What was a losing version of the file, made a file of its own and deleted, says nothing of this one.
            let of_this = |moved: &Event, gone: &Event| match (moved.subject, gone.subject) {
                (Subject::Content(_, What::Moved(one)), Subject::Content(_, What::Deleted(other))) => {
                    one == other
                }
                _ => false,
            };
            let unknown = |(number, moved): &(u64, &Event)| {
                removals.iter().all(|(_, gone)| of_this(moved, gone) && !gone.seen.contains(number))
            };
            if !unlinked && of(|what| matches!(what, What::Moved(_))).iter().any(unknown) && !there {
                return Err(format!("B3: {token} was moved by someone and is lost: {plain}"));
            }
        }
        Ok(())
    }
}
