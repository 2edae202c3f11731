//! Folding before commits: what is ready of what was written becomes versions of its files.

use std::sync::Weak;
use std::time::Duration;

use super::core::Core;
use super::file::File;
use crate::vault::{Fold, FoldSource, NodeId, Result, VaultError};

/// A file that stays open is folded after so long without a write.
const QUIET: Duration = Duration::from_secs(1);

/// And after so long in any case, unless its last fold took long: then it rests.
const LONGEST: Duration = Duration::from_secs(5);

/// The fold source of a mounted vault.
#[derive(Debug)]
pub(super) struct Folds(pub(super) Weak<Core>);

impl FoldSource for Folds {
    fn open(&self) -> Vec<NodeId> {
        let files = self.0.upgrade().map(|core| core.inodes.lock().files()).unwrap_or_default();
        files.iter().map(|file| file.state().node).collect()
    }

    fn fold(&self, which: Fold) -> Result<()> {
        let Some(core) = self.0.upgrade() else { return Ok(()) };
        let files = core.inodes.lock().files();
        let now = core.vault.ambient().clock.monotonic();
        let mut first = Ok(());
        for file in files.iter().filter(|file| which != Fold::Ready || is_ready(file, now)) {
            // Not until there is room: this very commit is to make it.
            let done = match which {
                Fold::Ready => core.fold_in_time(file),
                Fold::Room => core.make_room(file),
                Fold::All => file.fold(&core, core.vault.contents()),
            };
            core.close_if_unused(file);
            if let Err(error) = done
                && first.is_ok()
            {
                first = if matches!(error, VaultError::Busy) { Ok(()) } else { Err(error) };
            }
        }
        first
    }

    fn say(&self) -> bool {
        let Some(core) = self.0.upgrade() else { return true };
        let files = core.inodes.lock().files();
        files.iter().filter(|file| !core.say(file)).count() == 0
    }

    fn unfinished(&self) -> bool {
        let Some(core) = self.0.upgrade() else { return false };
        let files = core.inodes.lock().files();
        files.iter().any(|file| {
            let (node, open) = {
                let state = file.state();
                (state.node, state.writers > 0 && state.orphan.is_none())
            };
            open && core.vault.read(|tree| tree.is_private(&node))
        })
    }
}

fn is_ready(file: &File, now: Duration) -> bool {
    let state = file.state();
    let is_due = |(first, last)| now.saturating_sub(last) >= QUIET || now.saturating_sub(first) >= LONGEST;
    let is_due = now >= state.rests_until && state.written.is_some_and(is_due);
    state.is_dirty() && (state.writers == 0 || is_due)
}
