//! Writing as ordinary places what the view shows by rule, before an operation would change what the rule
//! shows: so that a local operation stays local.

use std::collections::BTreeMap;

use super::super::error::Result;
use super::super::view::claims::{own_version, shown};
use super::super::view::{Group, Holder, Resolved, Tombstone};
use super::super::{Data, Name, Node, NodeChange, NodeId, Place, Stamp};
use super::edit::Edit;

/// A name of a directory, which may be a united one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Slot {
    pub(super) group: Group,
    pub(super) name: Name,
}

impl Slot {
    /// Whether `place` is this name, in whichever member of a united directory.
    pub(super) fn holds(&self, place: &Place) -> bool {
        let (parent, name) = place.slot();
        *name == self.name && self.group.has(&parent)
    }
}

/// Whether a file has a name other than this one.
pub(super) fn has_other_name(node: &Node, slot: &Slot) -> bool {
    node.places.iter().any(|(_, place)| place.is_at() && !slot.holds(place))
}

impl Edit<'_> {
    pub(super) fn slot(&self, dir: &NodeId, name: &Name) -> Result<Slot> {
        Ok(Slot { group: self.scene().group(dir)?, name: name.clone() })
    }

    pub(super) fn resolve(&self, slot: &Slot) -> Result<Option<Resolved>> {
        self.scene().resolve(&slot.group, &slot.name)
    }

    /// The names that a live node claims.
    pub(super) fn slots(&self, id: &NodeId) -> Result<Vec<Slot>> {
        let slots = self.scene().slots(id)?;
        Ok(slots.into_iter().map(|(group, name)| Slot { group, name }).collect())
    }

    /// The tombstones beside a name.
    pub(super) fn tombstones_beside(&self, slot: &Slot) -> Result<BTreeMap<(NodeId, Stamp), Tombstone>> {
        let all = self.scene().tombstones(&slot.group)?;
        let beside = all.iter().filter(|it| it.beside == slot.name);
        Ok(beside.map(|it| ((it.node, it.stamp), it.clone())).collect())
    }

    /// Gives a node the name `to` for the one it claims at `from`. A directory has one name, so all others
    /// go; a file without any drops what its removals covered, which would show again.
    pub(super) fn give_place(&mut self, id: NodeId, from: Option<&Slot>, to: &Slot) -> Result<()> {
        let node = self.node(&id)?;
        let stamp = self.stamp();
        let mut step = NodeChange::none(node.kind);
        for (own, place) in node.places.iter() {
            if !place.is_at() || node.is_directory() || from.is_some_and(|from| from.holds(place)) {
                step.places.remove(own);
            }
        }
        step.places.add(stamp, Place::At { parent: to.group.front(), name: to.name.clone() });
        if !node.is_placed() {
            let kept: Vec<Stamp> = shown(&node).into_iter().map(|(stamp, _)| stamp).collect();
            node.data
                .stamps()
                .filter(|stamp| !kept.contains(stamp))
                .for_each(|stamp| step.data.remove(stamp));
        }
        self.change(id, node.kind, step)
    }

    /// Takes the name at `slot` from a node. It leaves a `Gone`, also if the node has other names: someone
    /// else may be removing those, and a third writing.
    pub(super) fn remove_name(&mut self, id: NodeId, slot: &Slot) -> Result<()> {
        let node = self.node(&id)?;
        let last = node.is_directory() || !has_other_name(&node, slot);
        let private = self.tree.is_private(&id) && !node.is_directory();
        if private && last {
            return self.erase(id);
        }
        let mut step = NodeChange::none(node.kind);
        let mut parent = slot.group.front();
        for (own, place) in node.places.iter() {
            if last || !place.is_at() || slot.holds(place) {
                step.places.remove(own);
                parent = place.slot().0;
            }
        }
        if !private {
            let covers = node.data.stamps().collect();
            let stamp = self.stamp();
            step.places.add(stamp, Place::Gone { parent, name: slot.name.clone(), covers });
        }
        self.change(id, node.kind, step)
    }

    /// Before working inside a directory: if it shows without a name of its own, or in another place than
    /// its own, it gets what it shows.
    pub(super) fn settle_directory(&mut self, group: &Group) -> Result<()> {
        if group.has(&NodeId::ROOT) {
            return Ok(());
        }
        let mut placed = false;
        for member in group.members().to_vec() {
            if self.tree.view().marks().displaced.contains(&member) {
                self.settle_displaced(member)?;
            }
            placed |= self.node(&member)?.is_placed();
        }
        if !placed {
            let front = group.front();
            if let Some(slot) = self.slots(&front)?.pop() {
                self.give_place(front, None, &slot)?;
            }
        }
        Ok(())
    }

    /// Before directories are made, moved or removed: those that rule 3 shows in the root move there.
    pub(super) fn settle_all_displaced(&mut self) -> Result<()> {
        while let Some(id) = self.tree.view().marks().displaced.first().copied() {
            self.settle_displaced(id)?;
        }
        Ok(())
    }

    fn settle_displaced(&mut self, id: NodeId) -> Result<()> {
        let claim = self.scene().directory_claim(&id)?;
        if let Some(claim) = claim {
            let root = Slot { group: self.scene().root_group(), name: claim.name };
            self.give_place(id, None, &root)?;
        }
        Ok(())
    }

    /// Removes the name from files that show nothing of their own there.
    pub(super) fn clear_twins(&mut self, slot: &Slot) -> Result<()> {
        let twins = self.resolve(slot)?.map(|resolved| resolved.twins()).unwrap_or_default();
        twins.into_iter().try_for_each(|twin| self.remove_name(twin, slot))
    }

    /// Before the holder of a name goes: nobody else may be left claiming the name. Twins go, losers become
    /// what they show as. The holder's own further versions stay with it, but for those that a loser has shown in
    /// their place: that one goes on showing them.
    pub(super) fn vacate(&mut self, slot: &Slot) -> Result<()> {
        self.clear_twins(slot)?;
        let Some(resolved) = self.resolve(slot)? else { return Ok(()) };
        let names = self.tombstones_beside(slot)?;
        for node in resolved.beside() {
            let own: Vec<&Tombstone> = names.values().filter(|it| it.node == node).collect();
            self.settle_loser(node, slot, &own)?;
        }
        match resolved.holder {
            Holder::File(holder) => self.drop_shown_by_others(holder, slot, &resolved),
            Holder::Directory(_) => Ok(()),
        }
    }

    /// Takes from the holder of a name, if it has no other, what others have shown beside it.
    fn drop_shown_by_others(&mut self, holder: NodeId, slot: &Slot, before: &Resolved) -> Result<()> {
        let others = before.losers.iter().filter(|loser| loser.node != holder);
        let others: Vec<&Data> = others.map(|loser| &loser.data).collect();
        if others.is_empty() || has_other_name(&*self.node(&holder)?, slot) {
            return Ok(());
        }
        let own = before.shown.as_ref().map(|(stamp, _)| *stamp);
        self.drop_data(holder, |stamp, data| Some(stamp) != own && others.contains(&data))
    }

    /// Makes the tombstones that a losing file shows beside a name files of their own: the file itself, if
    /// it has no other name.
    pub(super) fn settle_loser(&mut self, id: NodeId, slot: &Slot, own: &[&Tombstone]) -> Result<()> {
        let node = self.node(&id)?;
        if has_other_name(&node, slot) {
            for tombstone in own {
                self.split_off(tombstone, slot)?;
            }
            return self.remove_name(id, slot);
        }
        let is_own = |stamp: Stamp| own.iter().any(|it| it.stamp == stamp);
        self.drop_data(id, |stamp, _| !is_own(stamp))?;
        let node = self.node(&id)?;
        let first = own_version(&node).and_then(|(stamp, _)| own.iter().find(|it| it.stamp == stamp));
        if let Some(first) = first {
            let to = Slot { group: slot.group.clone(), name: first.name.clone() };
            self.give_place(id, Some(slot), &to)?;
        }
        Ok(())
    }

    /// Makes a tombstone a file of its own, under its name.
    pub(super) fn split_off(&mut self, tombstone: &Tombstone, slot: &Slot) -> Result<NodeId> {
        let to = Slot { group: slot.group.clone(), name: tombstone.name.clone() };
        self.copy_version(&tombstone.node, &tombstone.stamp, &to)
    }

    /// Makes a new file that holds a version of another's, with its attributes.
    pub(super) fn copy_version(&mut self, id: &NodeId, stamp: &Stamp, to: &Slot) -> Result<NodeId> {
        let node = self.node(id)?;
        let data = node.data.at(stamp).cloned();
        let attr = node.attr.winner().map_or_else(super::write::plain_attr, |(_, attr)| attr.clone());
        self.make(&to.group, &to.name, node.kind, attr, data)
    }

    /// Makes the further versions that the holder of a name shows beside it files of their own. With `take`
    /// it loses them; else (it has other names, beside which they go on showing) it keeps them.
    pub(super) fn split_holder(&mut self, slot: &Slot, take: bool) -> Result<()> {
        let Some(resolved) = self.resolve(slot)? else { return Ok(()) };
        let Holder::File(holder) = resolved.holder else { return Ok(()) };
        let names = self.tombstones_beside(slot)?;
        let mut contents: Vec<Data> = Vec::new();
        for loser in resolved.losers.iter().filter(|loser| loser.node == holder) {
            if let Some(tombstone) = names.get(&(holder, loser.stamp)) {
                self.split_off(tombstone, slot)?;
                contents.push(loser.data.clone());
            }
        }
        if take && !contents.is_empty() {
            self.drop_data(holder, |_, data| contents.contains(data))?;
        }
        Ok(())
    }
}
