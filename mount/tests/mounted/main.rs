//! Real mounts of a filesystem in memory: what programs see, what waits for what, what the kernel forgets
//! when told, and how a mount begins and ends. Needs root and /dev/fuse.

#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods)]

mod answers;
mod invalidation;
mod lifecycle;
mod memory;
mod programs;

use std::path::PathBuf;
use std::sync::Arc;

use bosr_mount::{Mount, MountOptions};
use tempfile::TempDir;

use memory::Memory;

/// A filesystem in memory, mounted in a directory of its own until this is dropped.
struct Mounted {
    memory: Arc<Memory>,
    // Before the directory: it is unmounted first.
    mount: Mount,
    _directory: TempDir,
}

impl Mounted {
    fn new() -> Mounted {
        Mounted::with(&MountOptions::default())
    }

    fn with(options: &MountOptions) -> Mounted {
        demand_mounts();
        let directory = tempfile::tempdir().unwrap();
        let memory = Memory::new();
        let mount = Mount::start(Arc::clone(&memory), directory.path(), options).unwrap();
        Mounted { memory, mount, _directory: directory }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.mount.path().join(name)
    }
}

fn demand_mounts() {
    assert!(nix::unistd::geteuid().is_root(), "this test mounts: run it as root");
    assert!(PathBuf::from("/dev/fuse").exists(), "this test mounts: it needs /dev/fuse");
}
