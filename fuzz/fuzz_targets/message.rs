//! Messages of a mirror session: an error, or a message that encodes to what decodes to it.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = bosr::miror::codec::fuzz(bytes);
});
