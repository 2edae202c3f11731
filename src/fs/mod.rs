//! POSIX operations on a vault: inodes, handles, dirty data.
//!
//! [`MountedVault`] implements the filesystem trait of `bosr_mount` on a [`Vault`]. Names and attributes are
//! answered from the vault's tree in memory. Written bytes stay in memory until they are folded into versions
//! (`file`), and reach the journal when someone asks for durability. No request makes the thread that serves
//! the kernel sleep: what may wait goes to workers with the reply that is owed (`core`). What changes
//! elsewhere is told to the kernel by a thread of its own (`invalidations`).
//!
//! Not promised here: locks (the kernel keeps them, for this machine only), access times that nobody set,
//! change times over a crash (`times`). See `docs/SEMANTICS.md`.

mod attributes;
pub mod beyond;
mod budget;
mod copies;
mod core;
mod data;
mod errors;
mod facts;
mod file;
mod filesystem;
mod fold;
mod handles;
mod inodes;
mod invalidations;
mod layers;
mod listing;
mod names;
mod permissions;
mod readers;
mod recent;
mod renames;
mod standing;
mod syncer;
mod times;
mod unlogged;
mod virtual_attributes;
mod workers;

use std::sync::Arc;

use bosr_mount::Invalidator;
use parking_lot::Mutex;

use self::beyond::Beyond;
pub use self::budget::DirtyLimit;
use self::core::Core;
pub use self::core::Ownership;
use self::fold::Folds;
pub use self::permissions::Checks;
use crate::vault::{Fold, FoldSource, Result, Vault};

/// A vault as a filesystem. One for each vault: it holds what was written and is in no version yet.
#[derive(Debug)]
pub struct MountedVault {
    core: Arc<Core>,
    beyond: Arc<Beyond>,
    invalidating: Mutex<Option<std::thread::JoinHandle<()>>>,
}

impl MountedVault {
    /// The filesystem of `vault`, of which `dirty` bytes may be in memory only. It is asked to fold what was written before
    /// commits, from now on.
    ///
    /// # Errors
    /// When the system gives no more threads.
    pub fn new(
        vault: Arc<Vault>,
        ownership: Ownership,
        checks: Checks,
        dirty: DirtyLimit,
    ) -> std::io::Result<Arc<MountedVault>> {
        let core = Arc::new(Core::new(Arc::clone(&vault), ownership, checks, dirty)?);
        core.set_origin(vault.subscribe(core.invalidations.clone()));
        vault.set_fold_source(Some(Arc::new(Folds(Arc::downgrade(&core)))));
        let beyond = Arc::new(Beyond::start(core.now())?);
        Ok(Arc::new(MountedVault { core, beyond, invalidating: Mutex::new(None) }))
    }

    /// Shows a file `name` in `.bosr/`, whose content `source` makes each time it is opened.
    pub fn show(&self, name: &str, source: beyond::Source) {
        self.beyond.show(name, source);
    }

    /// Tells the kernel of one mount, from now on, what changes without it.
    ///
    /// # Errors
    /// When the system gives no more threads.
    pub fn tell(&self, kernel: Invalidator) -> std::io::Result<()> {
        let core = Arc::downgrade(&self.core);
        let invalidations = Arc::clone(&self.core.invalidations);
        let serve = move || invalidations.serve(&core, &kernel);
        let thread = std::thread::Builder::new().name("bosr-tell".to_owned()).spawn(serve)?;
        *self.invalidating.lock() = Some(thread);
        Ok(())
    }

    /// Folds everything that was written into versions of its files.
    ///
    /// # Errors
    /// Of the vault; what could be folded is.
    pub fn fold_all(&self) -> Result<()> {
        self.core.workers.drain();
        self.core.folding.drain();
        self.core.folding_long.drain();
        Folds(Arc::downgrade(&self.core)).fold(Fold::All)
    }

    /// Ends it, after the mount has ended: everything written is folded, and the vault hears no more of it.
    ///
    /// # Errors
    /// Of the vault; what could be folded is, and what could not is lost unless it was made durable.
    pub fn close(&self) -> Result<()> {
        let folded = self.fold_all().and(self.core.keep_times());
        self.core.invalidations.close();
        self.core.vault.unsubscribe(self.core.origin());
        self.core.vault.set_fold_source(None);
        if let Some(thread) = self.invalidating.lock().take() {
            let _ = thread.join();
        }
        folded
    }
}

/// Hands `bytes` to all that decodes here.
#[cfg(any(test, feature = "testing"))]
pub(crate) fn feed(bytes: &[u8]) {
    let _ = times::Times::decode(bytes);
}
