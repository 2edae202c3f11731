//! What a file's bytes are, as its node names them.
//!
//! How a content is cut depends on its bytes alone, so two contents are equal as values exactly if they are
//! equal as bytes.
#![deny(clippy::indexing_slicing)]

use serde::{Deserialize, Serialize};

use super::limits::{INLINE_MAX, MAX_CHUNK, MAX_DEPTH, MAX_LEN, MIN_HOLE};
use crate::crypto::{ObjectId, ObjectKind};
use crate::trie::Malformed;
use crate::trie::wire::{Reader, put_varint};

const TAG_EMPTY: u8 = 0;
const TAG_INLINE: u8 = 1;
const TAG_CHUNK: u8 = 2;
const TAG_LIST: u8 = 3;
const TAG_HOLE: u8 = 4;

/// A file's bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Content {
    /// No bytes.
    #[default]
    Empty,
    /// At most [`INLINE_MAX`] bytes, here.
    Inline(#[serde(with = "serde_bytes")] Vec<u8>),
    /// One chunk.
    Chunk {
        /// The chunk object.
        id: ObjectId,
        /// Its length in bytes.
        len: u32,
    },
    /// Several chunks or holes.
    List {
        /// The topmost list object.
        id: ObjectId,
        /// The length of the whole content in bytes.
        len: u64,
        /// How many list objects lie between here and a chunk: at least 1, at most [`MAX_DEPTH`].
        depth: u8,
    },
    /// Nothing but zeros, at least [`MIN_HOLE`] of them.
    Hole {
        /// How many.
        len: u64,
    },
}

impl Content {
    /// How many bytes it stands for.
    pub fn len(&self) -> u64 {
        match self {
            Content::Empty => 0,
            Content::Inline(bytes) => bytes.len() as u64,
            Content::Chunk { len, .. } => u64::from(*len),
            Content::List { len, .. } | Content::Hole { len } => *len,
        }
    }

    /// Whether it has no bytes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The object that holds it, if it is not in the node itself.
    pub fn object(&self) -> Option<(ObjectId, ObjectKind)> {
        match self {
            Content::Chunk { id, .. } => Some((*id, ObjectKind::Chunk)),
            Content::List { id, .. } => Some((*id, ObjectKind::List)),
            Content::Empty | Content::Inline(_) | Content::Hole { .. } => None,
        }
    }

    /// Appends its encoding.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Content::Empty => out.push(TAG_EMPTY),
            Content::Inline(bytes) => {
                out.push(TAG_INLINE);
                put_varint(out, bytes.len() as u64);
                out.extend_from_slice(bytes);
            }
            Content::Chunk { id, len } => {
                out.push(TAG_CHUNK);
                out.extend_from_slice(&id.0);
                put_varint(out, u64::from(*len));
            }
            Content::List { id, len, depth } => {
                out.push(TAG_LIST);
                out.extend_from_slice(&id.0);
                put_varint(out, *len);
                out.push(*depth);
            }
            Content::Hole { len } => {
                out.push(TAG_HOLE);
                put_varint(out, *len);
            }
        }
    }

    /// Takes an encoding off the front of `bytes` and says what is left.
    ///
    /// # Errors
    /// Whatever [`Content::encode`] does not make of a content cut by the rules.
    pub fn decode(bytes: &[u8]) -> Result<(Content, &[u8]), Malformed> {
        let mut reader = Reader::new(bytes);
        let content = match reader.u8()? {
            TAG_EMPTY => Content::Empty,
            TAG_INLINE => {
                let len = reader.varint()?;
                let len = usize::try_from(len).map_err(|_| Malformed("inline content too long"))?;
                Content::Inline(reader.take(len)?.to_vec())
            }
            TAG_CHUNK => {
                let id = reader.id()?;
                let len = u32::try_from(reader.varint()?).map_err(|_| Malformed("chunk too long"))?;
                Content::Chunk { id, len }
            }
            TAG_LIST => Content::List { id: reader.id()?, len: reader.varint()?, depth: reader.u8()? },
            TAG_HOLE => Content::Hole { len: reader.varint()? },
            _ => return Err(Malformed("unknown content")),
        };
        content.check()?;
        Ok((content, reader.rest()))
    }

    /// Checks what can be told without its objects. For values that came by serde.
    ///
    /// # Errors
    /// A length that its form does not allow.
    pub fn check(&self) -> Result<(), Malformed> {
        let len = self.len();
        let allowed = match self {
            Content::Empty => true,
            Content::Inline(bytes) => (1..=INLINE_MAX).contains(&bytes.len()),
            Content::Chunk { .. } => len > INLINE_MAX as u64 && len <= MAX_CHUNK as u64,
            Content::List { depth, .. } => {
                len > INLINE_MAX as u64 && len <= MAX_LEN && (1..=MAX_DEPTH).contains(depth)
            }
            Content::Hole { .. } => (MIN_HOLE..=MAX_LEN).contains(&len),
        };
        if allowed { Ok(()) } else { Err(Malformed("content of an impossible length")) }
    }
}
