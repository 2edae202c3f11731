//! All decoders at once, also those that read what this device alone has written.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bosr::decoders::feed(bytes));
