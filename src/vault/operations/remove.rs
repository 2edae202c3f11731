//! Removing names.

use super::super::error::{Result, VaultError};
use super::super::view::{Entry, Group};
use super::super::{Name, NodeId, Tree};
use super::edit::Edit;
use super::settle::{Slot, has_other_name};
use super::{Draw, Outcome};

impl Tree {
    /// Removes a name of a file, or a tombstone file. The answer is the node that lost it.
    ///
    /// # Errors
    /// `NotFound`, `NotDirectory` (of `dir`), `IsDirectory`.
    pub fn unlink(&mut self, dir: &NodeId, name: &Name, draw: Draw<'_>) -> Result<Outcome<NodeId>> {
        self.operate(draw, |edit| {
            edit.require_directory(dir)?;
            match edit.scene().lookup(dir, name)?.ok_or(VaultError::NotFound)? {
                Entry::Tombstone(tombstone) => {
                    let group = edit.work_inside(dir, false)?;
                    edit.remove_tombstone(&group, &tombstone, None)?;
                    Ok(tombstone.node)
                }
                Entry::Node(id) if edit.node(&id)?.is_directory() => Err(VaultError::IsDirectory),
                Entry::Node(id) => {
                    edit.work_inside(dir, false)?;
                    let slot = edit.slot(dir, name)?;
                    edit.unlink_holder(id, &slot)?;
                    Ok(id)
                }
            }
        })
    }

    /// Removes an empty directory. The answer is the directories that it was.
    ///
    /// # Errors
    /// `NotFound`, `NotDirectory`, `NotEmpty`.
    pub fn rmdir(&mut self, dir: &NodeId, name: &Name, draw: Draw<'_>) -> Result<Outcome<Vec<NodeId>>> {
        self.operate(draw, |edit| {
            edit.require_directory(dir)?;
            let id = match edit.scene().lookup(dir, name)?.ok_or(VaultError::NotFound)? {
                Entry::Node(id) if edit.node(&id)?.is_directory() => id,
                _ => return Err(VaultError::NotDirectory),
            };
            edit.require_empty(&edit.scene().group(&id)?)?;
            edit.work_inside(dir, true)?;
            let slot = edit.slot(dir, name)?;
            edit.rmdir_holder(&slot)
        })
    }
}

impl Edit<'_> {
    pub(super) fn require_empty(&self, group: &Group) -> Result<()> {
        // What rule 3 shows in the root is not in here, and moves there before the directory goes.
        match self.scene().list(&group.front(), 0, 1)?.is_empty() {
            true => Ok(()),
            false => Err(VaultError::NotEmpty),
        }
    }

    /// Removes the name of the file that holds it, and nothing beside it.
    pub(super) fn unlink_holder(&mut self, id: NodeId, slot: &Slot) -> Result<()> {
        self.vacate(slot)?;
        let last = !has_other_name(&*self.node(&id)?, slot);
        self.split_holder(slot, last)?;
        self.remove_name(id, slot)
    }

    /// Removes the empty directories that hold a name.
    pub(super) fn rmdir_holder(&mut self, slot: &Slot) -> Result<Vec<NodeId>> {
        self.vacate(slot)?;
        let members = self.scene().child(&slot.group, &slot.name)?;
        let members = members.map(|group| group.members().to_vec()).unwrap_or_default();
        for member in &members {
            self.remove_name(*member, slot)?;
        }
        Ok(members)
    }
}
