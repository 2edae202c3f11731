//! Commits.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = bosr::vault::Commit::decode(bytes);
});
