//! Lists of chunks and of lists.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = bosr::vault::contents::inspect_list(None, bytes);
});
