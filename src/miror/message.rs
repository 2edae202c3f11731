//! The messages of a mirror session.
//!
//! A message is a value of [`Message`], encoded with postcard; `codec` bounds and checks every field before
//! the session sees it. Objects are named by a [`Slot`] while they travel: the number of an offer and the
//! place in it, or the tag of the WANT that asked for them.
//!
//! The order of the variants is the wire format: new ones go at the end, behind a feature of HELLO.

use serde::{Deserialize, Serialize};

use super::secret::SecretBytes;
use crate::crypto::{ObjectHeader, ObjectId, ObjectKind};

/// The features this build offers. Unknown ones of a peer are ignored.
pub const FEATURES: &[&str] = &["offer/1", "want/1", FINE, EPOCH, RESUME];
/// The features a peer must offer for this build to talk to it.
pub const REQUIRED: &[&str] = &["offer/1", "want/1", FINE];

/// The feature of objects that are cut finely: a build without it takes them for damaged.
pub const FINE: &str = "fine/1";

/// The feature of [`Message::Epoch`].
pub const EPOCH: &str = "epoch/1";
/// The feature of [`Message::Resume`] and of the logs named in HELLO.
pub const RESUME: &str = "resume/1";

/// One message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Message {
    /// Who speaks, and what it holds. The first message of each side.
    Hello(Box<Hello>),
    /// A page of an offer.
    Offer(Offer),
    /// Which objects of a page are wanted.
    Accept(Accept),
    /// A slice of an object.
    Data(Data),
    /// What is durable now, and how much more may be sent.
    Ack(Ack),
    /// A state has been reached.
    Complete(Complete),
    /// Asks for objects by id.
    Want(Want),
    /// A filter of the objects held. Reserved: understood and ignored by this build.
    Have(Have),
    /// The sender has no such objects.
    Gone(Gone),
    /// Why the session ends now.
    Error(Fault),
    /// Are you there?
    Ping(Beat),
    /// I am.
    Pong(Beat),
    /// An orderly end.
    Bye,
    /// An epoch made since the session began, for a device that may have it. Behind the feature [`EPOCH`].
    Epoch(SecretBytes),
    /// Which of the transfers named in HELLO go on: offers with these ids follow, their pages left out. Behind
    /// the feature [`RESUME`].
    Resume(Vec<[u8; 32]>),
}

/// What a committed state of a replica is known by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Tip {
    /// The commit.
    pub commit: ObjectId,
    /// Its trie, if it holds any node.
    pub root: Option<ObjectId>,
    /// Nodes in the trie.
    pub count: u64,
}

/// One replica's entry in a context: the highest lamport seen of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// The replica.
    pub replica: [u8; 8],
    /// The highest lamport of its operations that this state holds.
    pub lamport: u64,
}

/// The first message of each side.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// Program and version, for error messages.
    pub build: String,
    /// What this side understands.
    pub features: Vec<String>,
    /// What it insists on.
    pub required: Vec<String>,
    /// The replica this side writes as.
    pub replica: [u8; 8],
    /// The device's name.
    pub name: String,
    /// The last durable commit.
    pub tip: Tip,
    /// That commit's context; empty if it has too many entries to send.
    pub context: Vec<Seen>,
    /// Commits held whole, newest first, without the tip.
    pub recent: Vec<ObjectId>,
    /// This side sends offers.
    pub offers: bool,
    /// This side takes offers.
    pub accepts: bool,
    /// Bytes of DATA the peer may send, beginning now.
    pub window: u64,
    /// Random, for the key under which data keys travel.
    pub random: [u8; 32],
    /// Transfers to this side that broke off and could go on: the ids of their offers.
    pub resume: Vec<[u8; 32]>,
    /// The port on which this side answers; 0 if on none.
    pub port: u16,
}

/// One object of an offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offered {
    /// The object.
    pub id: ObjectId,
    /// Its kind, as in its header.
    pub kind: ObjectKind,
    /// Bytes of its body; 0 if the sender lacks it itself (content only).
    pub len: u32,
}

/// A page of an offer: what the new head has beyond the base.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    /// Counts the sender's offers on this connection, from 0.
    pub number: u32,
    /// Names the offer beyond this connection.
    pub id: [u8; 32],
    /// The common commit the objects are the difference to. None: walk from the head.
    pub base: Option<ObjectId>,
    /// The new head.
    pub tip: Tip,
    /// Objects on all pages.
    pub objects: u32,
    /// Bytes of bodies on all pages.
    pub bytes: u64,
    /// Place of the page's first object. Of an offer that goes on, the number of its objects: all pages came
    /// in an earlier session.
    pub first: u32,
    /// The objects, children before parents.
    pub page: Vec<Offered>,
}

/// A run of places in an offer, or of tags: from, and how many.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Range {
    /// The first.
    pub first: u32,
    /// How many.
    pub count: u32,
}

/// Answer to a page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accept {
    /// The offer.
    pub number: u32,
    /// Place of the page's first object.
    pub first: u32,
    /// What of the page is wanted; all else is there already, or the sender lacks it.
    pub wanted: Vec<Range>,
}

/// The name of an object while it travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Slot {
    /// A place in an offer.
    Offer {
        /// The offer's number.
        number: u32,
        /// The place.
        index: u32,
    },
    /// A WANT's tag.
    Want(u32),
}

/// A slice of an object's body.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Data {
    /// Which object.
    pub slot: Slot,
    /// Where the slice begins. Slices of an object come in order, without gaps.
    pub offset: u32,
    /// With the first slice: the header, its data key wrapped under this session's key, and the length of
    /// the body.
    pub start: Option<(ObjectHeader, u32)>,
    /// The bytes.
    #[serde(with = "serde_bytes")]
    pub slice: Vec<u8>,
}

/// What is durable now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ack {
    /// The offer the ranges belong to.
    pub number: u32,
    /// Places now durable.
    pub durable: Vec<Range>,
    /// Bytes of DATA that may be sent beyond what was granted before.
    pub window: u64,
}

/// How far a state has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stage {
    /// Every trie and list object is here, and merged.
    Structure,
    /// And everything else the other side had.
    All,
}

/// A state has been reached, durably.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Complete {
    /// The offer it answers; None: the sender has nothing more to ask for.
    pub number: Option<u32>,
    /// The sender's own head now.
    pub tip: Tip,
    /// How far.
    pub stage: Stage,
}

/// How soon a wanted object is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Urgency {
    /// A read in a mount waits for it.
    Read,
    /// A merge waits for it.
    Structure,
    /// Content of a merged state.
    Content,
}

/// Asks for objects.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Want {
    /// Tag of the first; the others count up.
    pub first: u32,
    /// How soon.
    pub urgency: Urgency,
    /// The objects.
    pub ids: Vec<ObjectId>,
}

/// A filter of objects held.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Have {
    /// Bloom filter; its layout comes with the feature that uses it.
    #[serde(with = "serde_bytes")]
    pub filter: Vec<u8>,
}

/// Objects the sender of this message cannot send.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gone {
    /// Which.
    pub slots: Vec<Slot>,
}

/// Why a side ends the session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// The kind of fault.
    pub code: FaultCode,
    /// For a person to read.
    pub text: String,
}

/// Kinds of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FaultCode {
    /// The builds do not understand each other.
    Incompatible,
    /// A message broke a rule.
    Protocol,
    /// An object was not what it claimed to be.
    BadObject,
    /// The sender's own store failed.
    Store,
    /// The sender was silent or stalled for too long.
    Timeout,
    /// The device is not, or no longer, admitted.
    Refused,
}

/// A sign of life, with the state it is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Beat {
    /// Returned in the answer.
    pub nonce: u32,
    /// The sender's head.
    pub tip: Tip,
}
