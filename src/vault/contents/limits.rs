//! The numbers that decide how contents are cut. They are part of the format: another value would give the
//! same bytes another identity.

/// Contents up to this many bytes stand in the node. An object of its own costs about 230 bytes (frame header,
/// tags, index entry, reference); on the other hand a change to any node rewrites its leaf of up to 64
/// neighbours, which this keeps below 40 KiB.
pub const INLINE_MAX: usize = 512;

/// The least length of a chunk in bytes, unless its data ends before.
pub const MIN_CHUNK: usize = 64 * 1024;

/// The length in bytes that chunks gather around.
pub const AVERAGE_CHUNK: usize = 256 * 1024;

/// The greatest length of a chunk in bytes.
pub const MAX_CHUNK: usize = 1024 * 1024;

/// A run of zeros of at least this many bytes is a hole. Not below [`MAX_CHUNK`]: a run inside one chunk with
/// any other byte is then never a hole, so that looking past the chunk's end is seldom needed.
pub const MIN_HOLE: u64 = MAX_CHUNK as u64;

/// The greatest length of a content in bytes: what a signed file offset can say (8 EiB less one).
pub const MAX_LEN: u64 = i64::MAX as u64;

/// The least number of entries of a list object, unless its content ends before. So each level has at most a
/// 64th of the entries of the one below it, however the ids fall: 8 levels hold 2^48 chunks.
pub const MIN_LIST: usize = 64;

/// The greatest number of entries of a list object: about 37 KiB.
pub const MAX_LIST: usize = 1024;

/// A list ends after an entry whose id ends in this many zero bits: after about 256 of them.
pub const LIST_BITS: u32 = 8;

/// The greatest depth of lists.
pub const MAX_DEPTH: u8 = 8;
