//! The fuzz targets (`fuzz/`, a workspace of their own) build, and survive some random bytes: `cargo fuzz` goes on
//! where this ends.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, missing_docs)]

// To the targets this crate is the fuzzer.
extern crate self as libfuzzer_sys;

/// In place of the fuzzer's: the body of a target as a function.
#[macro_export]
macro_rules! fuzz_target {
    (|$bytes:ident: &[u8]| $body:expr) => {
        pub(crate) fn run($bytes: &[u8]) {
            $body
        }
    };
}

macro_rules! targets {
    ($($name:ident)*) => {
        #[path = "../fuzz/fuzz_targets"]
        mod target {
            $(
                #[allow(unused_attributes, reason = "`no_main` is for the fuzzer")]
                pub(crate) mod $name;
            )*
        }
        const TARGETS: &[(&str, fn(&[u8]))] = &[$((stringify!($name), target::$name::run)),*];
    };
}

targets!(chunk_list commit decoders epoch keyring message object_header object_stream ticket trie vault_file);

#[test]
fn every_target_survives_random_bytes() {
    let mut chance = bosr_netlab::Chance::new(1);
    for (name, run) in TARGETS {
        for round in 0..10_000 {
            let len = chance.below(if round % 2 == 0 { 40 } else { 400 });
            // Small numbers are what lengths and kinds look like.
            let most = if round % 3 == 0 { 6 } else { 256 };
            let bytes: Vec<u8> = (0..len).map(|_| chance.below(most) as u8).collect();
            let survived = std::panic::catch_unwind(|| run(&bytes));
            assert!(survived.is_ok(), "{name} on {bytes:?}");
        }
    }
}

#[test]
fn every_target_is_listed() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/fuzz_targets");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    files.sort();
    let listed: Vec<_> = TARGETS.iter().map(|(name, _)| format!("{name}.rs")).collect();
    assert_eq!(files, listed);
    let manifest = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/Cargo.toml")).unwrap();
    for file in files {
        assert!(manifest.contains(&format!("path = \"fuzz_targets/{file}\"")), "{file}");
    }
}
