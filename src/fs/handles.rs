//! Handles: what open files and directories are named by.

use std::collections::HashMap;
use std::sync::Arc;

use bosr_mount::Handle;
use parking_lot::Mutex;

use super::file::File;

/// An open file.
#[derive(Debug, Clone)]
pub(super) struct OpenFile {
    /// The file.
    pub(super) file: Arc<File>,
    /// Whether it may be written through this handle.
    pub(super) writes: bool,
}

/// The open files of one mount. Directories have no state: they all share handle 0.
#[derive(Debug, Default)]
pub(super) struct Handles(Mutex<Open>);

#[derive(Debug, Default)]
struct Open {
    last: u64,
    files: HashMap<u64, OpenFile>,
}

impl Handles {
    /// The handle of every directory.
    pub(super) const DIRECTORY: Handle = Handle(0);

    /// A new handle on a file whose counts already have it.
    pub(super) fn open(&self, file: OpenFile) -> Handle {
        let mut open = self.0.lock();
        open.last += 1;
        let handle = open.last;
        open.files.insert(handle, file);
        Handle(handle)
    }

    /// The file of a handle.
    pub(super) fn find(&self, handle: Handle) -> Option<OpenFile> {
        self.0.lock().files.get(&handle.0).cloned()
    }

    /// Takes a handle back.
    pub(super) fn close(&self, handle: Handle) -> Option<OpenFile> {
        self.0.lock().files.remove(&handle.0)
    }
}
