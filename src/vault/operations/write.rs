//! Writing contents and attributes.

use std::collections::BTreeMap;

use super::super::error::{Result, VaultError};
use super::super::view::Holder;
use super::super::view::claims::shown;
use super::super::{Attr, Data, Kind, Node, NodeChange, NodeId, Place, Stamp, Tree};
use super::edit::Edit;
use super::settle::{Slot, has_other_name};
use super::{Draw, Outcome};
use crate::ambient::WallNanos;

/// The most bytes that names and values of a node's extended attributes may have together.
pub const MAX_XATTRS: usize = 64 << 10;

/// A change of attributes; what is `None` stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AttrPatch {
    /// Permission, set-id and sticky bits.
    pub mode: Option<u32>,
    /// Owner.
    pub uid: Option<u32>,
    /// Group.
    pub gid: Option<u32>,
    /// When the data was last changed.
    pub mtime: Option<WallNanos>,
    /// Extended attributes to set, or (with `None`) to remove.
    pub xattrs: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
}

impl AttrPatch {
    /// Makes the change.
    pub fn apply(&self, attr: &mut Attr) {
        attr.mode = self.mode.map_or(attr.mode, |mode| mode & 0o7777);
        attr.uid = self.uid.unwrap_or(attr.uid);
        attr.gid = self.gid.unwrap_or(attr.gid);
        attr.mtime = self.mtime.unwrap_or(attr.mtime);
        for (name, value) in &self.xattrs {
            match value {
                Some(value) => attr.xattrs.insert(name.clone(), value.clone()),
                None => attr.xattrs.remove(name),
            };
        }
    }
}

/// New content for a file.
#[derive(Clone, Debug)]
pub struct Write {
    /// The versions its author was shown: [`Tree::base`] when the handle took its base.
    pub base: Vec<Stamp>,
    /// The content.
    pub data: Data,
    /// Attributes that change with it, the modification time for one.
    pub attr: AttrPatch,
}

/// The attributes of a node that nobody gave any: the root of a new vault.
pub(in crate::vault) fn plain_attr() -> Attr {
    Attr { mode: 0o755, uid: 0, gid: 0, mtime: 0, birth: 0, xattrs: BTreeMap::new() }
}

impl Node {
    /// The attributes it shows.
    pub fn shown_attr(&self) -> Attr {
        self.attr.winner().map_or_else(plain_attr, |(_, attr)| attr.clone())
    }

    /// The base of a write by someone who is shown it as it is: the versions that are replaced.
    pub fn base(&self) -> Vec<Stamp> {
        super::tombstone::shown_base(self)
    }
}

impl Tree {
    /// The attributes that a node shows.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn attr(&self, id: &NodeId) -> Result<Attr> {
        match self.node(id)? {
            Some(node) => Ok(node.shown_attr()),
            None if *id == NodeId::ROOT => Ok(plain_attr()),
            None => Err(VaultError::NotFound),
        }
    }

    /// The base of a write by someone who is shown the node as it is now ([`Node::base`]).
    ///
    /// # Errors
    /// `NotFound`.
    pub fn base(&self, id: &NodeId) -> Result<Vec<Stamp>> {
        Ok(self.node(id)?.ok_or(VaultError::NotFound)?.base())
    }

    /// Writes new content to a file: replaces the versions in the base and no other. If the content is that
    /// of the base, only the attributes change. Brings a file back that a peer deleted.
    ///
    /// # Errors
    /// `NotFound`, `IsDirectory`.
    pub fn write(&mut self, id: &NodeId, write: Write, draw: Draw<'_>) -> Result<Outcome<()>> {
        self.operate(draw, |edit| {
            let node = edit.node(id)?;
            if node.is_directory() {
                return Err(VaultError::IsDirectory);
            }
            if write.data.kind() != node.kind {
                return Err(VaultError::Invalid("content of another kind than the file"));
            }
            let mut attr = node.attr.winner().map_or_else(plain_attr, |(_, attr)| attr.clone());
            write.attr.apply(&mut attr);
            let slots = edit.slots(id)?;
            for slot in &slots {
                edit.settle_directory(&slot.group)?;
            }
            edit.write_data(*id, &write.base, write.data, Some(attr))?;
            if slots.is_empty() { edit.revive(*id) } else { Ok(()) }
        })
    }

    /// Changes attributes.
    ///
    /// # Errors
    /// `NotFound`, `TooLarge`.
    pub fn set_attr(&mut self, id: &NodeId, patch: &AttrPatch, draw: Draw<'_>) -> Result<Outcome<()>> {
        let mut attr = self.attr(id)?;
        patch.apply(&mut attr);
        if attr.xattrs.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>() > MAX_XATTRS {
            return Err(VaultError::TooLarge("extended attributes"));
        }
        self.operate(draw, |edit| {
            let node = edit.tree.node(id)?;
            let node = node.as_deref().cloned().unwrap_or_else(|| Node::empty(Kind::Directory));
            let mut step = NodeChange::none(node.kind);
            edit.replace_attr(&node, attr, &mut step);
            edit.change(*id, node.kind, step)
        })
    }
}

impl Edit<'_> {
    /// Adds to `step` that the node's attributes become `attr`, unless they are.
    fn replace_attr(&mut self, node: &Node, attr: Attr, step: &mut NodeChange) {
        let same = node.attr.winner().is_some_and(|(_, own)| *own == attr);
        if same && node.attr.len() == 1 {
            return;
        }
        node.attr.stamps().for_each(|stamp| step.attr.remove(stamp));
        let stamp = self.stamp();
        step.attr.add(stamp, attr);
    }

    /// After a dead file was written to through an old handle: states anew where it shows, what was removed,
    /// and all above it. Others may have pruned the node meanwhile, who knew that its end was known here;
    /// whatever it is to have must be written again, or the join would find it removed.
    fn revive(&mut self, id: NodeId) -> Result<()> {
        let Some(slot) = self.slots(&id)?.pop() else { return Ok(()) };
        let node = self.node(&id)?;
        let names = self.tombstones_beside(&slot)?;
        let beside = names.into_values().find(|it| it.node == id).map(|it| it.name);
        let kept: Vec<Stamp> = shown(&node).into_iter().map(|(stamp, _)| stamp).collect();
        // Not a name: someone who renamed the file meanwhile keeps what the removal covered.
        let gone = Place::Gone {
            parent: slot.group.front(),
            name: beside.unwrap_or(slot.name),
            covers: node.data.stamps().filter(|stamp| !kept.contains(stamp)).collect(),
        };
        let mut step = NodeChange::none(node.kind);
        node.places.stamps().for_each(|stamp| step.places.remove(stamp));
        let stamp = self.stamp();
        step.places.add(stamp, gone);
        self.change(id, node.kind, step)?;
        self.restate_attr(id)?;
        let mut above = slot.group;
        while !above.has(&NodeId::ROOT) {
            let front = above.front();
            self.settle_directory(&above)?;
            self.restate_attr(front)?;
            let Some(parent) = self.scene().parent(&front)? else { break };
            above = self.scene().group(&parent)?;
        }
        Ok(())
    }

    /// Writes a node's attributes anew as they are.
    fn restate_attr(&mut self, id: NodeId) -> Result<()> {
        let node = self.node(&id)?;
        let attr = node.attr.winner().map_or_else(plain_attr, |(_, attr)| attr.clone());
        let mut step = NodeChange::none(node.kind);
        node.attr.stamps().for_each(|stamp| step.attr.remove(stamp));
        let stamp = self.stamp();
        step.attr.add(stamp, attr);
        self.change(id, node.kind, step)
    }

    /// Replaces the versions in `base` by `data`, so that nothing else in the view changes.
    pub(super) fn write_data(
        &mut self,
        id: NodeId,
        base: &[Stamp],
        data: Data,
        attr: Option<Attr>,
    ) -> Result<()> {
        let node = self.node(&id)?;
        let replaced: Vec<Data> = node
            .data
            .iter()
            .filter(|(stamp, _)| base.contains(stamp))
            .map(|(_, data)| data.clone())
            .collect();
        let unchanged = replaced.contains(&data) && replaced.iter().all(|old| *old == data || old.is_empty());
        if !unchanged {
            self.detach(id, &replaced, data.is_empty())?;
        }
        let node = self.node(&id)?;
        let mut step = NodeChange::none(node.kind);
        if let Some(attr) = attr {
            self.replace_attr(&node, attr, &mut step);
        }
        if !unchanged {
            node.data.stamps().filter(|stamp| base.contains(stamp)).for_each(|stamp| step.data.remove(stamp));
            // The attributes' stamp will do for both.
            let stamp = step.attr.added.first().map(|(stamp, _)| *stamp);
            let stamp = stamp.unwrap_or_else(|| self.stamp());
            step.data.add(stamp, data);
        }
        self.change(id, node.kind, step)
    }

    /// Before a file's shown content is replaced: whoever shows the same at a name of the file would come
    /// into view; and an empty content would give way to what stands beside it.
    fn detach(&mut self, id: NodeId, replaced: &[Data], becomes_empty: bool) -> Result<()> {
        self.detach_from_others(id)?;
        let mut held = false;
        for slot in self.slots(&id)? {
            let Some(resolved) = self.resolve(&slot)? else { continue };
            let holds = resolved.holder == Holder::File(id);
            let shows = |data: &&Data| {
                holds || resolved.losers.iter().any(|loser| loser.node == id && loser.data == **data)
            };
            let here: Vec<Data> = replaced.iter().filter(shows).cloned().collect();
            for claim in resolved.claims.iter().filter(|claim| claim.node != id) {
                if claim.kind != Kind::Directory && resolved.holder != Holder::File(claim.node) {
                    self.forget_replaced(claim.node, &slot, &here)?;
                }
            }
            if holds && becomes_empty {
                self.vacate(&slot)?;
                self.split_holder(&slot, false)?;
            }
            held |= holds;
        }
        if held && becomes_empty {
            let node = self.node(&id)?;
            let showing: Vec<Stamp> = shown(&node).into_iter().map(|(stamp, _)| stamp).collect();
            self.drop_data(id, |stamp, data| showing.contains(&stamp) && !replaced.contains(data))?;
        }
        Ok(())
    }

    /// A file that holds one name and is hidden or stands beside another gives up the latter: what shows
    /// there is not to change with it.
    fn detach_from_others(&mut self, id: NodeId) -> Result<()> {
        let mut held = Vec::new();
        let mut others = Vec::new();
        for slot in self.slots(&id)? {
            let holds = self.resolve(&slot)?.is_some_and(|resolved| resolved.holder == Holder::File(id));
            (if holds { &mut held } else { &mut others }).push(slot);
        }
        if held.is_empty() {
            return Ok(());
        }
        for slot in others {
            let names = self.tombstones_beside(&slot)?;
            let own: Vec<_> = names.values().filter(|it| it.node == id).collect();
            self.settle_loser(id, &slot, &own)?;
        }
        Ok(())
    }

    /// Takes from another file that claims a name what it shows there only through the content that is
    /// being replaced.
    fn forget_replaced(&mut self, other: NodeId, slot: &Slot, replaced: &[Data]) -> Result<()> {
        let node = self.node(&other)?;
        let shares = shown(&node).iter().any(|(_, data)| replaced.contains(data));
        if !shares {
            return Ok(());
        }
        let names = self.tombstones_beside(slot)?;
        let own: Vec<_> = names.values().filter(|it| it.node == other).collect();
        if own.is_empty() {
            self.remove_name(other, slot)
        } else if has_other_name(&node, slot) {
            self.settle_loser(other, slot, &own)
        } else {
            self.drop_data(other, |_, data| replaced.contains(data))
        }
    }
}
