//! `.bosr/`, beside the files: read-only past trees under `snapshots/`, and files whose content is made when
//! they are opened. Reached by name only: no listing of the root shows it, so no program that copies or
//! searches the vault comes across it.
//!
//! Nothing in here can be changed, and nothing is stored: the numbers of its inodes ([`places`]) come from a
//! range of their own and are good while the kernel knows them. Answers may take long (a past tree is read
//! whole at the first look) and are given by threads of its own.
//!
//! To add a file: [`Beyond::show`].

mod answers;
mod listing;
mod places;
mod snapshots;

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsStr;
use std::sync::Arc;

use bosr_mount::{Answer, Error, Handle, Inode, Reply};
use parking_lot::{Mutex, RwLock};

use self::places::{Place, Places};
use super::core::Core;
use super::workers::Workers;
use crate::ambient::WallNanos;
use crate::vault::Content;

/// The name in the root that leads here.
pub const TOP: &str = ".bosr";

/// The bit of all handles of this part: no other part takes one for its own.
const HANDLES: u64 = 1 << 63;

/// How many threads answer.
const THREADS: usize = 2;

/// Makes the content of a file each time it is opened. Called by a thread that may wait.
pub type Source = Arc<dyn Fn() -> Vec<u8> + Send + Sync>;

/// What there is beside the files.
pub(super) struct Beyond {
    places: Mutex<Places>,
    files: RwLock<BTreeMap<String, Source>>,
    open: Mutex<Open>,
    workers: Workers,
    /// When it came to be: the time of what has none.
    since: WallNanos,
}

/// Files that are open.
#[derive(Default)]
struct Open {
    last: u64,
    files: HashMap<u64, Opened>,
}

/// What an open file reads.
#[derive(Clone)]
enum Opened {
    /// A content of the past.
    Past(Content),
    /// Bytes that were made at the opening.
    Made(Arc<Vec<u8>>),
}

impl std::fmt::Debug for Beyond {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Beyond").finish_non_exhaustive()
    }
}

impl Beyond {
    /// Snapshots, and no file yet.
    pub(super) fn start(since: WallNanos) -> std::io::Result<Beyond> {
        Ok(Beyond {
            places: Mutex::new(Places::new()),
            files: RwLock::default(),
            open: Mutex::default(),
            workers: Workers::start("bosr-beyond", THREADS)?,
            since,
        })
    }

    /// Shows a file `name`, whose content `source` makes.
    pub(super) fn show(&self, name: &str, source: Source) {
        self.files.write().insert(name.to_owned(), source);
    }

    /// Whether an inode is one of this part.
    pub(super) fn has(&self, inode: Inode) -> bool {
        places::is_beyond(inode)
    }

    /// Whether a name is one of this part.
    pub(super) fn has_name(&self, parent: Inode, name: &OsStr) -> bool {
        places::is_beyond(parent) || parent == Inode::ROOT && name == TOP
    }

    /// The kernel lets go of `lookups` lookups.
    pub(super) fn forget(&self, inode: Inode, lookups: u64) {
        self.places.lock().forget(inode, lookups);
    }

    /// A handle is used no more.
    pub(super) fn release(&self, handle: Handle) {
        self.open.lock().files.remove(&handle.0);
    }

    fn place(&self, inode: Inode) -> Result<Place, Error> {
        self.places.lock().find(inode).ok_or(Error::Stale)
    }

    fn source(&self, name: &str) -> Option<Source> {
        self.files.read().get(name).cloned()
    }

    fn opened(&self, file: Opened) -> Handle {
        let mut open = self.open.lock();
        open.last += 1;
        let handle = HANDLES | open.last;
        open.files.insert(handle, file);
        Handle(handle)
    }

    /// Has a request answered by a thread that may wait.
    fn answer<T: Answer>(
        self: &Arc<Self>,
        core: &Arc<Core>,
        mut reply: Reply<T>,
        answer: impl FnOnce(&Beyond, &Core) -> Result<T, Error> + Send + 'static,
    ) {
        reply.park();
        let (beyond, core) = (Arc::clone(self), Arc::clone(core));
        self.workers.run(move || reply.answer(answer(&beyond, &core)));
    }
}
