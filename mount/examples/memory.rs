//! `memory DIR`: mounts the filesystem in memory of the tests on DIR, until it is unmounted. `scripts/bench mount
//! --ceiling` measures what FUSE and this driver cost where nothing is behind them.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, clippy::panic)]

#[allow(dead_code, reason = "the hooks are for the tests")]
#[path = "../tests/mounted/memory/mod.rs"]
mod memory;

use std::path::Path;
use std::process::ExitCode;

use bosr_mount::{Ended, Mount, MountOptions};

fn main() -> ExitCode {
    let Some(place) = std::env::args_os().nth(1) else {
        eprintln!("usage: memory DIR");
        return ExitCode::from(2);
    };
    let mounted = Mount::start(memory::Memory::new(), Path::new(&place), &MountOptions::default());
    match mounted.map(|mount| mount.wait()) {
        Ok(Ended::Failed(error)) => {
            eprintln!("memory: {error}");
            ExitCode::FAILURE
        }
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("memory: {error}");
            ExitCode::FAILURE
        }
    }
}
