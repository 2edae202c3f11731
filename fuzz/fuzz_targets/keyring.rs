//! Keyrings: what an inviter hands over, and a device's own.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = bosr::crypto::Keyring::decode(bytes);
});
