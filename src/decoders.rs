//! Everything that decodes bytes from outside, in one place, for the search for bytes that upset it: the fuzz target
//! `decoders` and a short random search among the tests. Where what is decoded must encode again, the target of that
//! decoder looks (`fuzz/`).

use crate::{crypto, daemon, fs, miror, store, trie, vault};

/// Hands `bytes` to all decoders: what a peer sends, what lies in the store's folder, what the user wrote.
pub fn feed(bytes: &[u8]) {
    crypto::feed(bytes);
    store::feed(bytes);
    let _ = trie::inspect_anywhere::<vault::NodeCodec>(bytes);
    vault::feed(bytes);
    miror::feed(bytes);
    fs::feed(bytes);
    daemon::feed(bytes);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn no_bytes_upset_a_decoder(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            super::feed(&bytes);
        }

        // Small numbers are what lengths and kinds look like.
        #[test]
        fn nor_do_small_numbers(bytes in prop::collection::vec(0u8..6, 0..120)) {
            super::feed(&bytes);
        }
    }
}
