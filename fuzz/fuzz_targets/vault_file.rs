//! vault.toml.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = bosr::crypto::VaultFile::parse(&String::from_utf8_lossy(bytes));
});
