//! Pruning: forgetting nodes that are dead and that every device of the vault knows to be dead.
//!
//! What a device knows is taken from states of its own that were merged here (or are equal to ours), never
//! from what others tell of it: it may have written since. A device that has never been here, or not for
//! years, keeps everything that died since from being pruned, until it comes or is revoked. So what it brings
//! back cannot undo a removal: either its stamps were seen and removed, or the removal still stands.
//!
//! A prune is an operation like any other. It goes on in the background after merges
//! ([`super::background`]); files that are open keep their nodes.

use std::collections::HashSet;
use std::ops::Bound;

use super::changes::Origin;
use super::error::{Result, VaultError};
use super::vault::Vault;
use super::{Context, NodeId, Tree};

/// Nodes looked at with the tree held, and nodes pruned by one operation, at most.
const BATCH: usize = 256;

impl Vault {
    /// Prunes if it is due by the clock.
    ///
    /// # Errors
    /// Of the disk. It is tried again later.
    pub fn prune_if_due(&self) -> Result<()> {
        let now = self.now();
        if !self.timing.lock().schedule.take_prune(now) {
            return Ok(());
        }
        let pruned = self.prune();
        if pruned.is_err() {
            self.reschedule(|schedule, now| schedule.peers_heard(now));
        }
        pruned.map(drop)
    }

    /// Forgets the nodes that every device knows to be dead, and says how many they were.
    ///
    /// # Errors
    /// Of the disk; [`VaultError::Busy`] while the journal is full. What was pruned till then is.
    pub fn prune(&self) -> Result<usize> {
        let Some(known) = self.known_to_others()? else { return Ok(0) };
        let source = self.folds.read().clone();
        let open: HashSet<NodeId> =
            source.map(|source| source.open()).unwrap_or_default().into_iter().collect();
        let mut pruned = 0;
        let mut from = Bound::Unbounded;
        loop {
            let (batch, last) = self.read(|tree| candidates(tree, from, &known))?;
            if !batch.is_empty() {
                pruned += self.prune_batch(&batch, &open, &known)?;
            }
            match last {
                Some(last) => from = Bound::Excluded(last),
                None => return Ok(pruned),
            }
        }
    }

    fn prune_batch(&self, batch: &[NodeId], open: &HashSet<NodeId>, known: &[Context]) -> Result<usize> {
        let prune =
            || self.edit(Origin::VAULT, |tree, draw| tree.prune(batch, &|id| open.contains(id), known, draw));
        match prune() {
            Err(VaultError::Busy) => {
                self.commit()?;
                prune()
            }
            done => done,
        }
    }

    /// What each other device had seen in the last state of its own that is part of ours; `None` if there is
    /// a device that no state is known of.
    fn known_to_others(&self) -> Result<Option<Vec<Context>>> {
        let own = self.device();
        let mut known = Vec::new();
        for device in self.devices() {
            let device = match device {
                it if it.revoked || it.public == own.0 => continue,
                it => crate::crypto::DevicePublic(it.public),
            };
            let Some(commit) = self.merged_from(&device)? else { return Ok(None) };
            known.push(self.load_commit(&commit)?.context);
        }
        Ok(Some(known))
    }
}

/// Of the next nodes without a name those that may be pruned, and where to go on.
fn candidates(tree: &Tree, from: Bound<NodeId>, known: &[Context]) -> Result<(Vec<NodeId>, Option<NodeId>)> {
    let nameless = tree.view().marks().nameless.range((from, Bound::Unbounded)).take(BATCH);
    let (mut batch, mut last) = (Vec::new(), None);
    for id in nameless {
        last = Some(*id);
        let Some(node) = tree.node(id)? else { continue };
        let seen = node.stamps().all(|stamp| known.iter().all(|context| context.has_seen(&stamp)));
        if seen && !tree.scene().is_live(id)? {
            batch.push(*id);
        }
    }
    Ok((batch, last))
}
