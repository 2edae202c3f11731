//! Trie objects of a vault, leaves with nodes and branches.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = bosr::trie::inspect_anywhere::<bosr::vault::NodeCodec>(bytes);
});
