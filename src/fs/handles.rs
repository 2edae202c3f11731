//! Handles: what open files and directories are named by.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use bosr_mount::{Handle, Inode, OpenedDirectory};
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

/// What is open in one mount. Directories have no state but this: for which of them there is a handle whose listing the
/// kernel may keep. All such handles are one, and all others another.
#[derive(Debug, Default)]
pub(super) struct Handles(Mutex<Open>);

#[derive(Debug, Default)]
struct Open {
    last: u64,
    files: HashMap<u64, OpenFile>,
    listings: HashSet<Inode>,
}

impl Handles {
    /// The handle of every directory that is listed by us alone.
    pub(super) const DIRECTORY: Handle = Handle(0);

    /// The handle of every directory whose listing the kernel may keep.
    const LISTING: Handle = Handle(u64::MAX);

    /// Opens a directory. The kernel may keep its listing, and answer from one that it has, for one handle at a time:
    /// where another makes the listing anew, Linux may take the place where the first goes on for the end.
    pub(super) fn open_directory(&self, inode: Inode) -> OpenedDirectory {
        let cache = self.0.lock().listings.insert(inode);
        OpenedDirectory { handle: if cache { Self::LISTING } else { Self::DIRECTORY }, cache }
    }

    /// Takes a handle on a directory back.
    pub(super) fn close_directory(&self, inode: Inode, handle: Handle) {
        if handle == Self::LISTING {
            self.0.lock().listings.remove(&inode);
        }
    }

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
