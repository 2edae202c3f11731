//! Epochs, as a peer hands them over.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok(epoch) = bosr::crypto::Epoch::decode(bytes) {
        assert_eq!(&*epoch.encode(), bytes);
    }
});
