//! Headers of objects.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Some(header) = bytes.first_chunk() {
        let _ = bosr::crypto::ObjectHeader::decode(header);
    }
});
