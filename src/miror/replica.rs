//! What a session needs of a replica.
//!
//! The session asks by [`Request`]; a driver answers with [`Replica`] on a blocking pool. The trait is
//! implemented over the vault in this layer's `vault_replica`, and in memory for the simulator.
//!
//! # Held, present, absent
//! A trie, list or commit object that came from a peer is *provisional* until a [`Replica::merge`] settles
//! it: it is in the store, but objects below it may be missing, so it counts as *present* and not as *held*.
//! That mark is durable with the object. Everything else in the store is held: so are all trie and list
//! objects below it. Chunks are present or absent.

use super::claims::Claims;
use super::message::{Offered, Seen, Tip};
use super::session_log::{LogId, Recalled, Record};
use crate::crypto::{DevicePublic, ObjectId, ObjectKind, SealedObject, SessionWrapKey};
use crate::vault::Absent;

/// The state of a replica as it may be told to peers: durable, and its stamps recorded as offered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announcement {
    /// The head.
    pub tip: Tip,
    /// Rises with every new head of this replica since it was opened.
    pub generation: u64,
    /// The replica this device writes as.
    pub replica: [u8; 8],
    /// The head's context, by replica. Empty if it has more than [`super::limits::CONTEXT`] entries.
    pub context: Vec<Seen>,
    /// Commits held besides the head, newest first, at most [`super::limits::RECENT`].
    pub recent: Vec<ObjectId>,
}

/// A reference from one structure object to another.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Reference {
    /// The object.
    pub id: ObjectId,
    /// Its kind.
    pub kind: ObjectKind,
    /// What the parent said about it (prefix, count, depth): opaque to the session, checked by the replica.
    pub place: Vec<u8>,
}

/// What a replica has of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Presence {
    /// Nothing.
    Absent,
    /// Nothing, and it is not asked for yet: it is content that another session asks for, or that this replica
    /// asks for in an order of its own, once it knows which files it is of.
    InTurn,
    /// The object, but perhaps not all below it: these are its trie and list children.
    Present(Vec<Reference>),
    /// The object and all structure below it; for a chunk, the object.
    Held,
}

/// Who asks for a content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// This session.
    Granted,
    /// Another session does.
    Elsewhere,
    /// Nobody: it has come meanwhile.
    Here,
}

/// What the first meeting of two states shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meeting {
    /// This replica's state now (a replica that met another life of itself has taken a new id).
    pub ours: Announcement,
    /// The first of the peer's commits that is held here.
    pub common: Option<ObjectId>,
    /// The peer's head is held and merged here already.
    pub merged: bool,
}

/// Whose fault a failed request is, and what was wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReplicaError {
    /// The peer sent an object that is not what it claims to be, or a state that breaks a rule.
    #[error("peer sent {what}: {why}")]
    Rejected {
        /// The object or state.
        what: String,
        /// The rule it breaks.
        why: String,
    },
    /// This side's disk is full.
    #[error("disk full")]
    Full,
    /// This side's store failed.
    #[error("store failed: {0}")]
    Store(String),
}

/// What a session asks of a replica. Requests may run side by side and be answered in any order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// [`Replica::meet`].
    Meet {
        /// The peer's context.
        context: Vec<Seen>,
        /// The peer's head, then its recent commits.
        commits: Vec<ObjectId>,
    },
    /// [`Replica::difference`].
    Difference {
        /// The common commit.
        base: ObjectId,
        /// Our head.
        head: ObjectId,
    },
    /// [`Replica::load`], for each.
    Load(Vec<ObjectId>),
    /// [`Replica::examine`].
    Examine(Vec<Reference>),
    /// The same, of what a peer offers: contents that are absent are claimed.
    ExamineOffered(Vec<Reference>),
    /// [`Replica::store`].
    Store(Vec<SealedObject>),
    /// [`Replica::sync`].
    Sync,
    /// [`Replica::merge`].
    Merge {
        /// The peer's head.
        head: ObjectId,
        /// Provisional objects found complete below it.
        settled: Vec<ObjectId>,
    },
    /// [`Replica::missing`].
    Missing {
        /// Where the last page ended.
        after: Option<Absent>,
    },
    /// To be the session that asks for these contents; [`super::claims`].
    Claim {
        /// The contents.
        ids: Vec<ObjectId>,
        /// Of this session, counted.
        pass: u32,
    },
    /// The peer has not got these contents.
    GiveUp(Vec<ObjectId>),
    /// [`Replica::note_shared`].
    NoteShared(Tip),
    /// [`Replica::log`].
    Log(Vec<(LogId, Record)>),
    /// [`Replica::recall`], for each.
    Recall(Vec<LogId>),
}

/// Answer to a [`Request`], variant for variant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// To `Meet`.
    Met(Box<Meeting>),
    /// To `Difference`; None if the base is not held or the difference is over
    /// [`super::limits::OFFER_OBJECTS`].
    Difference(Option<Vec<Offered>>),
    /// To `Load`, in order; None for what is not there.
    Loaded(Vec<Option<SealedObject>>),
    /// To `Examine` and `ExamineOffered`, in order.
    Examined(Vec<Presence>),
    /// To `Store`.
    Stored,
    /// To `Sync`: all that was stored before the request is durable.
    Synced,
    /// To `Merge`: the state now; all that was stored before the request is durable.
    Merged(Announcement),
    /// To `Missing`.
    Missing(Vec<Absent>),
    /// To `Claim`, in order.
    Claimed(Vec<Claim>),
    /// To `NoteShared`, `Log` and `GiveUp`.
    Noted,
    /// To `Recall`, in order; None for what there is no (whole) log of.
    Recalled(Vec<Option<Recalled>>),
}

/// The keys of one session, under which data keys are wrapped while they travel.
pub struct SessionKeys {
    /// For objects we send.
    pub outgoing: SessionWrapKey,
    /// For objects we receive.
    pub incoming: SessionWrapKey,
}

/// A replica, as a session uses it. Blocking; called on a pool of threads.
pub trait Replica: Send + Sync {
    /// Takes into the head what was written and closed just now. Asked before a session begins, so that
    /// whoever asks a peer for its state gets all of it.
    fn gather(&self) -> Result<(), ReplicaError> {
        Ok(())
    }

    /// The head as HELLO tells it. Nothing counts as offered by that: only [`Replica::meet`] shows whether the
    /// peer has met another life of this replica, and what was done here alone must be known as such until then.
    fn introduce(&self) -> Result<Announcement, ReplicaError> {
        self.announce()
    }

    /// The state to tell peers. The head is durable, and the highest own lamport in it is durably recorded as
    /// offered before this returns.
    fn announce(&self) -> Result<Announcement, ReplicaError>;

    /// Called once a session, before anything is offered or merged: notices another life of this replica in
    /// the peer's context, and finds what both hold.
    fn meet(
        &self,
        peer: &DevicePublic,
        context: &[Seen],
        commits: &[ObjectId],
    ) -> Result<Meeting, ReplicaError>;

    /// The objects of `head` that `base` has not, children before parents, the commit last; contents this
    /// replica lacks itself with length 0. None if `base` is not held or the list is over `limit`.
    fn difference(
        &self,
        base: &ObjectId,
        head: &ObjectId,
        limit: usize,
    ) -> Result<Option<Vec<Offered>>, ReplicaError>;

    /// An object with its data key wrapped for the session; None if it is not there or is local.
    fn load(&self, id: &ObjectId, keys: &SessionKeys) -> Result<Option<SealedObject>, ReplicaError>;

    /// What is here of each object. Of a provisional one the shape is checked against its place.
    fn examine(&self, references: &[Reference]) -> Result<Vec<Presence>, ReplicaError>;

    /// Verifies each object against its id (decompression bounded by the declared length) and stores it,
    /// structure as provisional. Nothing of the batch is stored from the first bad one on.
    fn store(&self, objects: Vec<SealedObject>, keys: &SessionKeys) -> Result<(), ReplicaError>;

    /// Makes everything stored so far durable.
    fn sync(&self) -> Result<(), ReplicaError>;

    /// Merges `head`, all of whose structure is here, durably together with everything stored so far;
    /// `settled` stop being provisional. Merging what is merged already changes nothing.
    fn merge(
        &self,
        peer: &DevicePublic,
        head: &ObjectId,
        settled: &[ObjectId],
    ) -> Result<Announcement, ReplicaError>;

    /// Contents of the current state that are not here, in the order in which to ask for them, after `after`.
    fn missing(&self, after: Option<&Absent>, limit: usize) -> Result<Vec<Absent>, ReplicaError>;

    /// What its sessions ask for.
    fn claims(&self) -> &Claims;

    /// Remembers that `peer` holds `tip` as its own state.
    fn note_shared(&self, peer: &DevicePublic, tip: &Tip) -> Result<(), ReplicaError>;

    /// Adds to the logs of transfers with `peer`, in order. What fails costs a transfer that cannot go on, and
    /// nothing else.
    fn log(&self, _peer: &DevicePublic, _entries: &[(LogId, Record)]) {}

    /// The offers of `peer` whose transfer to this side broke off and has a log, the newest first; of all peers, none
    /// crowded out by another, where it is not known yet who it is.
    fn resumable(&self, _peer: Option<&DevicePublic>) -> Vec<[u8; 32]> {
        Vec::new()
    }

    /// A transfer with `peer` as its log has it.
    fn recall(&self, _peer: &DevicePublic, _id: &LogId) -> Option<Recalled> {
        None
    }
}

/// Answers a request.
pub fn answer(
    replica: &dyn Replica,
    peer: &DevicePublic,
    keys: &SessionKeys,
    request: Request,
) -> Result<Answer, ReplicaError> {
    use super::limits;
    Ok(match request {
        Request::Meet { context, commits } => Answer::Met(Box::new(replica.meet(peer, &context, &commits)?)),
        Request::Difference { base, head } => {
            Answer::Difference(replica.difference(&base, &head, limits::OFFER_OBJECTS as usize)?)
        }
        Request::Load(ids) => {
            Answer::Loaded(ids.iter().map(|id| replica.load(id, keys)).collect::<Result<_, _>>()?)
        }
        Request::Examine(references) => Answer::Examined(replica.examine(&references)?),
        Request::ExamineOffered(references) => {
            let found = replica.examine(&references)?;
            let claim = |(reference, found): (&Reference, Presence)| {
                let claimed = found == Presence::Absent
                    && reference.kind == ObjectKind::Chunk
                    && !replica.claims().accept(peer, &reference.id);
                if claimed { Presence::InTurn } else { found }
            };
            Answer::Examined(references.iter().zip(found).map(claim).collect())
        }
        Request::Store(objects) => {
            let ids: Vec<_> = objects.iter().map(|object| object.header.id).collect();
            replica.store(objects, keys)?;
            replica.claims().came(ids);
            Answer::Stored
        }
        Request::Claim { ids, pass } => Answer::Claimed(claim(replica, peer, ids, pass)?),
        Request::GiveUp(ids) => {
            replica.claims().give_up(peer, &ids);
            Answer::Noted
        }
        Request::Sync => {
            replica.sync()?;
            Answer::Synced
        }
        Request::Merge { head, settled } => Answer::Merged(replica.merge(peer, &head, &settled)?),
        Request::Log(entries) => {
            replica.log(peer, &entries);
            Answer::Noted
        }
        Request::Recall(ids) => Answer::Recalled(ids.iter().map(|id| replica.recall(peer, id)).collect()),
        Request::Missing { after } => Answer::Missing(replica.missing(after.as_ref(), limits::MISSING)?),
        Request::NoteShared(tip) => {
            replica.note_shared(peer, &tip)?;
            Answer::Noted
        }
    })
}

/// Claims first, and looks then: what came in between is seen.
fn claim(
    replica: &dyn Replica,
    peer: &DevicePublic,
    ids: Vec<ObjectId>,
    pass: u32,
) -> Result<Vec<Claim>, ReplicaError> {
    let granted = replica.claims().claim(peer, &ids, pass);
    let chunk = |id: &ObjectId| Reference { id: *id, kind: ObjectKind::Chunk, place: Vec::new() };
    let found = replica.examine(&ids.iter().map(chunk).collect::<Vec<_>>())?;
    let told = |(granted, found): (bool, Presence)| match (found, granted) {
        (Presence::Held | Presence::Present(_), _) => Claim::Here,
        (_, true) => Claim::Granted,
        (_, false) => Claim::Elsewhere,
    };
    let list: Vec<_> = granted.into_iter().zip(found).map(told).collect();
    let here = ids.into_iter().zip(&list).filter(|(_, claim)| **claim == Claim::Here);
    replica.claims().came(here.map(|(id, _)| id));
    Ok(list)
}
