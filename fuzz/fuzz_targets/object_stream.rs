//! A QUIC stream of an object.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = bosr::miror::quic::fuzz(bytes);
});
