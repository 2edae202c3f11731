//! Forgetting nodes that are dead everywhere.

use super::super::device::in_devices;
use super::super::error::Result;
use super::super::{Context, NodeId, Tree};
use super::{Draw, Outcome};

impl Tree {
    /// Drops those of `candidates` that are dead, not `pinned` (open in a handle, known to the kernel), and
    /// known as they are to every device of the vault. `known` is what each other device had seen in a state
    /// of it that was *merged here*: hearsay is not enough, since such a device may have written since.
    /// The answer is how many were dropped.
    ///
    /// # Errors
    /// Of the committed state and the index.
    pub fn prune(
        &mut self,
        candidates: &[NodeId],
        pinned: &dyn Fn(&NodeId) -> bool,
        known: &[Context],
        draw: Draw<'_>,
    ) -> Result<Outcome<usize>> {
        self.operate(draw, |edit| {
            let mut dropped = 0;
            for id in candidates {
                let Some(node) = edit.tree.node(id)? else { continue };
                let seen = node.stamps().all(|stamp| known.iter().all(|context| context.has_seen(&stamp)));
                let kept = *id == NodeId::ROOT || node.places.iter().any(|(_, place)| in_devices(place));
                let empty = edit.scene().has_no_rows(id)?;
                if kept || !seen || !empty || pinned(id) || edit.scene().is_live(id)? {
                    continue;
                }
                edit.erase(*id)?;
                dropped += 1;
            }
            Ok(dropped)
        })
    }
}
