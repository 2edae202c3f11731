//! Nodes: the only thing a vault consists of. The directory tree is a function of them ([`super::view`]).
//!
//! A node is its kind and three [`Versions`]. Nodes do not vanish by merge: to be deleted is a value
//! ([`Place::Gone`]). A node whose three `Versions` are empty is the same as no node, so pruning needs no
//! coordination.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::contents::Content;
use super::{Name, Stamp, Versions};
use crate::ambient::WallNanos;

/// Names a node for ever. Never reused, never computed from names.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct NodeId(pub [u8; 16]);

impl NodeId {
    /// The root directory. It is always there, even while no operation has touched it.
    pub const ROOT: NodeId = NodeId([0; 16]);
    /// The parent of the device records. No directory of the tree: nothing below it is ever shown.
    pub const DEVICES: NodeId = NodeId(*b"bosr devices\0\0\0\0");

    /// The id of a new node in the directory `parent`: four bytes that the children of one directory share,
    /// so that they lie side by side in the trie, then twelve random ones.
    pub fn new(parent: &NodeId, random: [u8; 12]) -> NodeId {
        let mut id = [0; 16];
        let [.., a, b, c, d] = parent.0;
        id[..4].copy_from_slice(&[a, b, c, d]);
        id[4..].copy_from_slice(&random);
        NodeId(id)
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What a node is; never changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Kind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A named pipe.
    Fifo,
    /// A Unix socket's place in the tree.
    Socket,
    /// A block or character device.
    Device,
}

impl Kind {
    const ALL: [Kind; 6] =
        [Kind::File, Kind::Directory, Kind::Symlink, Kind::Fifo, Kind::Socket, Kind::Device];

    /// The number that formats have for it, below 8.
    pub fn code(self) -> u8 {
        self as u8
    }

    /// Of [`Kind::code`].
    pub fn from_code(code: u8) -> Option<Kind> {
        Self::ALL.get(usize::from(code)).copied()
    }
}

/// A name a node has, or had last.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Place {
    /// It has this name. Several are hard links.
    At {
        /// The directory.
        parent: NodeId,
        /// The name in it.
        name: Name,
    },
    /// Its last name was removed here. Kept so that an edit by someone who had not seen it has a place.
    Gone {
        /// The directory it was removed from.
        parent: NodeId,
        /// The name removed.
        name: Name,
        /// The versions of its data that the removal meant, ascending.
        covers: Vec<Stamp>,
    },
}

impl Place {
    /// The directory and the name, present or past.
    pub fn slot(&self) -> (NodeId, &Name) {
        match self {
            Place::At { parent, name } | Place::Gone { parent, name, .. } => (*parent, name),
        }
    }

    /// Whether it is a name the node has now.
    pub fn is_at(&self) -> bool {
        matches!(self, Place::At { .. })
    }
}

/// What `stat` shows beside size and kind. Versions of it are not conflicts: the winner counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attr {
    /// Permission bits with set-id and sticky bits: the low twelve of `st_mode`.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// When the data was last changed.
    pub mtime: WallNanos,
    /// When the node was made.
    pub birth: WallNanos,
    /// Extended attributes.
    pub xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
}

/// What a node that is no directory holds. Equality is identity of content, however it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Data {
    /// Bytes of a file.
    Content(Content),
    /// Where a symbolic link points.
    Target(#[serde(with = "serde_bytes")] Vec<u8>),
    /// The number of a device.
    Device {
        /// Whether it is a block device (else a character device).
        block: bool,
        /// As in `st_rdev`.
        rdev: u64,
    },
    /// Of a pipe or a socket there is nothing to keep.
    Pipe,
    /// As [`Data::Pipe`], of a socket.
    Socket,
}

impl Data {
    /// The kind of node that holds such data.
    pub fn kind(&self) -> Kind {
        match self {
            Data::Content(_) => Kind::File,
            Data::Target(_) => Kind::Symlink,
            Data::Device { .. } => Kind::Device,
            Data::Pipe => Kind::Fifo,
            Data::Socket => Kind::Socket,
        }
    }

    /// Whether it is the content of an empty file, which never is worth a tombstone.
    pub fn is_empty(&self) -> bool {
        matches!(self, Data::Content(Content::Empty))
    }
}

/// A node as one state of the vault holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// What it is.
    pub kind: Kind,
    /// Its names.
    pub places: Versions<Place>,
    /// Its attributes.
    pub attr: Versions<Attr>,
    /// Its data; empty for a directory.
    pub data: Versions<Data>,
}

impl Node {
    /// A node of which nothing is known yet.
    pub fn empty(kind: Kind) -> Self {
        Node { kind, places: Versions::default(), attr: Versions::default(), data: Versions::default() }
    }

    /// Whether it is the same as no node.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty() && self.attr.is_empty() && self.data.is_empty()
    }

    /// Whether it is a directory.
    pub fn is_directory(&self) -> bool {
        self.kind == Kind::Directory
    }

    /// Whether it has a name now.
    pub fn is_placed(&self) -> bool {
        self.places.iter().any(|(_, place)| place.is_at())
    }

    /// Every stamp it holds, those in `covers` left out.
    pub fn stamps(&self) -> impl Iterator<Item = Stamp> + '_ {
        self.places.stamps().chain(self.attr.stamps()).chain(self.data.stamps())
    }
}
