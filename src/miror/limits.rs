//! The numbers both sides of a mirror session hold each other to.
//!
//! Every limit a decoder, a queue or a timer of this layer applies stands here, with its unit and reason, so
//! that the specification (`docs/specs/mirror-protocol.md`) can be checked against one page.

use std::time::Duration;

/// Bytes of one encoded message at most: a Noise frame (65,535) less its tag and the length prefix, rounded.
pub const MESSAGE: usize = 65_472;
/// Bytes of an object's body in one DATA message: leaves room for its header in a frame.
pub const SLICE: usize = 60 * 1024;
/// Bytes of an object's plaintext at most (the largest chunk). Bounds decompression as well.
pub const PLAIN: u32 = 1 << 20;
/// Bytes of an object's body at most: plaintext stored raw, and a tag for each 4 KiB.
pub const BODY: u32 = PLAIN + 4096;
/// What each DATA message costs of the window beside its slice, so that empty slices are not free.
pub const SLICE_OVERHEAD: u64 = 128;

/// Objects named on one OFFER page.
pub const PAGE: usize = 1024;
/// Objects of one offer. A larger difference is walked instead (about 50 MB of memory at this size).
pub const OFFER_OBJECTS: u32 = 1 << 20;
/// OFFER pages sent ahead of their ACCEPT.
pub const PAGES_AHEAD: u32 = 4;
/// Offers open in one direction. More heads than this coalesce into the next offer.
pub const OFFERS_OPEN: usize = 64;
/// Ids in one WANT or GONE.
pub const IDS: usize = 1024;
/// WANTs unanswered in one direction.
pub const WANTS_OPEN: usize = 4096;
/// Of these kept free for reads that wait in a mount.
pub const WANTS_RESERVED: usize = 512;
/// Bytes of content asked for by WANT and not here, as far as they can be told: they fill the largest window.
pub const WANTED: u64 = WINDOW_MOST;
/// Bytes of a chunk of a large file, commonly.
pub const COMMON: u64 = 256 * 1024;
/// Ranges in one ACCEPT or ACK.
pub const RANGES: usize = 2048;
/// Recent commits named in HELLO.
pub const RECENT: usize = 64;
/// Replicas in HELLO's context. A larger context is left out: the merge reads it from the commit.
pub const CONTEXT: usize = 2048;
/// Features in HELLO, and bytes of each name, build, or error text.
pub const FEATURES: usize = 32;
/// Bytes of a device name, a build, a feature's name.
pub const NAME: usize = 64;

/// As much of a name as there is room for, in whole characters.
pub fn name(text: &str) -> String {
    let within = text.char_indices().map(|(at, c)| at + c.len_utf8()).take_while(|end| *end <= NAME).last();
    text.get(..within.unwrap_or_default()).unwrap_or_default().to_owned()
}

/// Epochs kept that peers gave. A vault makes one when somebody rotates; only somebody who lies makes so many.
pub const EPOCHS: usize = 1024;
/// Bytes of the text of an ERROR.
pub const TEXT: usize = 256;
/// Bytes of a HAVE filter.
pub const FILTER: usize = SLICE;

/// Objects half received at once: one for each class of priority, doubled.
pub const PARTIALS: usize = 8;
/// Objects a walk visits: bounds its memory (about 200 MB) against a peer that makes up trees without end.
pub const WALK: usize = 1 << 22;
/// Objects one request to the replica names.
pub const BATCH: usize = 256;
/// Missing contents asked of the replica at a time.
pub const MISSING: usize = 4096;

/// Bytes a sender may send before ACCEPT: covers a small change in the first flight.
pub const EARLY: u64 = 256 * 1024;
/// Bytes received and not yet durable, to begin with; so also what a broken connection sends again.
pub const WINDOW: u64 = 32 << 20;
/// What that grows to where the peer uses it up: a path of more bandwidth times delay than most.
pub const WINDOW_MOST: u64 = 64 << 20;
/// The same of all sessions together.
pub const WINDOW_IN_ALL: u64 = 128 << 20;
/// The smallest window that cannot stall: an object of the largest size half received in each of four lanes,
/// and room for one more after an eighth is held back.
pub const WINDOW_MIN: u64 = 6 << 20;
/// Bytes of bodies loaded from the replica and not yet sent, for each class of priority.
pub const LOAD_AHEAD: u64 = 4 << 20;
/// Bytes handed to the replica in one store request.
pub const STORE_BATCH: u64 = 512 * 1024;
/// Store requests under way.
pub const STORES: usize = 4;
/// Bytes stored after which the replica is asked to make them durable.
pub const SYNC_BYTES: u64 = 8 << 20;
/// Time after which stored bytes are made durable even if more are on their way.
pub const SYNC_AFTER: Duration = Duration::from_millis(250);

/// A session whose peer has not said HELLO by then ends.
pub const HELLO_WITHIN: Duration = Duration::from_secs(10);
/// A PING goes out when nothing else was sent for this long.
pub const PING_AFTER: Duration = Duration::from_secs(15);
/// A session from which nothing was heard for this long ends.
pub const SILENT: Duration = Duration::from_secs(45);
/// A session that owes us objects, may send, and sends none for this long ends.
pub const STALLED: Duration = Duration::from_secs(60);
/// How often the roots are compared, and content that no peer had is asked for again.
pub const COMPARE: Duration = Duration::from_secs(60);
/// How long a session that has nothing to ask for, but what other sessions ask for, waits before it looks again.
pub const REST: Duration = Duration::from_secs(1);
/// Bytes of an offer from which its transfer is logged, to go on where it broke off: less is agreed on anew in
/// less time than a log takes to write.
pub const LOGGED_FROM: u64 = 4 << 20;
/// Transfers of one peer that are kept as able to go on, and so named to it in HELLO.
pub const RESUMED: usize = 4;
/// Transfers of all peers named in HELLO: a listener does not know yet who dials. (They are 2 KiB.)
pub const NAMED: usize = 64;

/// Connections that are not admitted yet, in all.
pub const AT_THE_DOOR: usize = 64;
/// Of these from one address.
pub const AT_THE_DOOR_FROM_ONE: usize = 8;
/// Of these above which a QUIC dialler must show that its address is its own (Retry).
pub const AT_THE_DOOR_UNPROVED: usize = 32;
/// Largest object that travels among the messages where bulk has streams of its own: a stream costs as much.
pub const SMALL: usize = 16 * 1024;

/// How often progress is told.
pub const PROGRESS: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_cut_between_characters() {
        assert_eq!(name("a machine of somebody's"), "a machine of somebody's");
        assert_eq!(name(&"ж".repeat(40)), "ж".repeat(32));
        assert_eq!(name(&"a語".repeat(40)), "a語".repeat(16));
    }
}
