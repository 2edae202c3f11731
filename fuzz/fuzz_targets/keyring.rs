//! Keyrings: a device'"s
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
own,
});
