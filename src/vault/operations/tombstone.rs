//! Acts on tombstone files: removing one drops the version it shows, moving it keeps it elsewhere.

use super::super::error::{Result, VaultError};
use super::super::view::claims::shown;
use super::super::view::{Group, Holder, Tombstone};
use super::super::{Data, Kind, Node, NodeId};
use super::edit::Edit;
use super::settle::{Slot, has_other_name};

impl Edit<'_> {
    /// Drops the content that a tombstone shows from everyone who claims the name it stands beside, but for
    /// `spared`.
    pub(super) fn remove_tombstone(
        &mut self,
        group: &Group,
        tombstone: &Tombstone,
        spared: Option<NodeId>,
    ) -> Result<()> {
        let slot = Slot { group: group.clone(), name: tombstone.beside.clone() };
        let Some(resolved) = self.resolve(&slot)? else { return Err(VaultError::NotFound) };
        let content = self.node(&tombstone.node)?.data.at(&tombstone.stamp).cloned();
        let content = content.ok_or(VaultError::NotFound)?;
        let names = self.tombstones_beside(&slot)?;
        for claim in &resolved.claims {
            let node = self.node(&claim.node)?;
            let (mut same, mut others) = (false, false);
            for (_, data) in shown(&node) {
                *(if *data == content { &mut same } else { &mut others }) = true;
            }
            if claim.kind == Kind::Directory || !same || spared == Some(claim.node) {
                continue;
            }
            if resolved.holder == Holder::File(claim.node) || others && !has_other_name(&node, &slot) {
                self.keep_at_other_names(claim.node, &slot, &content)?;
                self.drop_data(claim.node, |_, data| *data == content)?;
                continue;
            }
            for other in names.values().filter(|it| it.node == claim.node && it.stamp != tombstone.stamp) {
                self.split_off(other, &slot)?;
            }
            self.remove_name(claim.node, &slot)?;
        }
        Ok(())
    }

    /// Before a file of several names loses a version: beside the other names it stays, as a file of its own.
    fn keep_at_other_names(&mut self, id: NodeId, slot: &Slot, content: &Data) -> Result<()> {
        let node = self.node(&id)?;
        for other in self.slots(&id)?.iter().filter(|other| *other != slot) {
            for tombstone in self.tombstones_beside(other)?.values() {
                if tombstone.node == id && node.data.at(&tombstone.stamp) == Some(content) {
                    self.split_off(tombstone, other)?;
                }
            }
        }
        Ok(())
    }

    /// Moves a tombstone to a free name: the file that shows nothing else itself, else a file of its own.
    pub(super) fn move_tombstone(
        &mut self,
        group: &Group,
        tombstone: &Tombstone,
        to: &Slot,
    ) -> Result<NodeId> {
        let slot = Slot { group: group.clone(), name: tombstone.beside.clone() };
        let Some(resolved) = self.resolve(&slot)? else { return Err(VaultError::NotFound) };
        let node = self.node(&tombstone.node)?;
        let shows_more = resolved.losers.iter().filter(|loser| loser.node == tombstone.node).count() > 1;
        let holds = resolved.holder == Holder::File(tombstone.node);
        if holds || shows_more || has_other_name(&node, &slot) {
            self.copy_version(&tombstone.node, &tombstone.stamp, to).and_then(|id| {
                // The copy stands elsewhere: the original is found where it was.
                self.remove_tombstone(&slot.group, tombstone, Some(id))?;
                Ok(id)
            })
        } else {
            self.remove_tombstone(&slot.group, tombstone, Some(tombstone.node))?;
            self.drop_data(tombstone.node, |stamp, _| stamp != tombstone.stamp)?;
            self.give_place(tombstone.node, Some(&slot), to)?;
            Ok(tombstone.node)
        }
    }

    /// Makes the content that a tombstone shows that of the file it stands beside.
    pub(super) fn restore_tombstone(
        &mut self,
        group: &Group,
        tombstone: &Tombstone,
        holder: NodeId,
    ) -> Result<()> {
        let source = self.node(&tombstone.node)?;
        let content = source.data.at(&tombstone.stamp).cloned().ok_or(VaultError::NotFound)?;
        let attr = source.attr.winner().map(|(_, attr)| attr.clone());
        self.remove_tombstone(group, tombstone, None)?;
        let base = shown_base(&*self.node(&holder)?);
        self.write_data(holder, &base, content, attr)
    }
}

/// The versions that a file's own content stands for: those equal to it, and empty ones.
pub(super) fn shown_base(node: &Node) -> Vec<super::super::Stamp> {
    let own = super::super::view::claims::own_version(node).map(|(_, data)| data);
    let same = shown(node).into_iter().filter(|(_, data)| data.is_empty() || Some(*data) == own);
    same.map(|(stamp, _)| stamp).collect()
}
