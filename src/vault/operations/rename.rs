//! Renaming: plain, over something, exchanging, and the atomic save of an editor.

use super::super::error::{Result, VaultError};
use super::super::view::{Entry, Group, Holder, Tombstone};
use super::super::{Kind, Name, NodeId, Stamp, Tree};
use super::edit::Edit;
use super::settle::{Slot, has_other_name};
use super::tombstone::shown_base;
use super::{Draw, Outcome};

/// What may happen to something that has the new name already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replace {
    /// It is replaced, as rename(2) does.
    Allowed,
    /// The rename fails with `Exists` (`RENAME_NOREPLACE`).
    Refused,
    /// The two change places (`RENAME_EXCHANGE`).
    Exchange,
}

/// What a rename came to: who has the new name now, and what became of its former holder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Renamed {
    /// Old and new name were the same thing: nothing happened.
    Nothing,
    /// The node has the new name.
    Moved {
        /// It. For a tombstone it may be a new node.
        node: NodeId,
        /// The file that lost the name, or the directory removed.
        replaced: Option<NodeId>,
    },
    /// An atomic save: the content went into the target's node, and the other node is no more. Handles on
    /// `saved` go on with `target`; handles on what `target` was have an orphan.
    Saved {
        /// The node that was renamed.
        saved: NodeId,
        /// The node that has its content and attributes now.
        target: NodeId,
    },
    /// The two changed places.
    Exchanged,
}

struct Ends<'a> {
    from: (&'a NodeId, &'a Name),
    to: (&'a NodeId, &'a Name),
    /// What the author of a save had read of the target, if that is known.
    read: Option<&'a [Stamp]>,
}

impl Tree {
    /// Gives what has a name another name. `read`: the base of what the renaming process last read from the
    /// target, if known; a save over what its author never saw is then a conflict.
    ///
    /// # Errors
    /// `NotFound`, `NotDirectory`, `IsDirectory`, `NotEmpty`, `Exists`, `Invalid` (a directory into itself),
    /// `NotPermitted` (exchanging a tombstone).
    pub fn rename(
        &mut self,
        from: (&NodeId, &Name),
        to: (&NodeId, &Name),
        replace: Replace,
        read: Option<&[Stamp]>,
        draw: Draw<'_>,
    ) -> Result<Outcome<Renamed>> {
        let ends = Ends { from, to, read };
        self.operate(draw, |edit| {
            edit.require_directory(from.0)?;
            edit.require_directory(to.0)?;
            let source = edit.scene().lookup(from.0, from.1)?.ok_or(VaultError::NotFound)?;
            let target = edit.scene().lookup(to.0, to.1)?;
            match (replace, target) {
                (Replace::Refused, Some(_)) => Err(VaultError::Exists),
                (Replace::Exchange, None) => Err(VaultError::NotFound),
                (_, Some(target)) if is_same(&target, &source) => Ok(Renamed::Nothing),
                (Replace::Exchange, Some(target)) => edit.exchange(&ends, &source, &target),
                (_, target) => match source {
                    Entry::Tombstone(source) => edit.rename_tombstone(&ends, &source, target),
                    Entry::Node(id) if edit.node(&id)?.is_directory() => {
                        edit.rename_directory(&ends, id, target)
                    }
                    Entry::Node(id) => edit.rename_file(&ends, id, target),
                },
            }
        })
    }
}

/// Whether two names lead to one file, or show one version that it lost beside two of its names: to POSIX they are
/// hard links, and renaming one over the other does nothing.
fn is_same(one: &Entry, other: &Entry) -> bool {
    match (one, other) {
        (Entry::Tombstone(one), Entry::Tombstone(other)) => {
            one.node == other.node && one.stamp == other.stamp
        }
        _ => one == other,
    }
}

impl Edit<'_> {
    fn ends(&self, ends: &Ends<'_>) -> Result<(Slot, Slot)> {
        Ok((self.slot(ends.from.0, ends.from.1)?, self.slot(ends.to.0, ends.to.1)?))
    }

    fn work_inside_both(&mut self, ends: &Ends<'_>, on_directories: bool) -> Result<(Slot, Slot)> {
        self.work_inside(ends.from.0, on_directories)?;
        self.work_inside(ends.to.0, on_directories)?;
        self.ends(ends)
    }

    fn rename_file(&mut self, ends: &Ends<'_>, id: NodeId, target: Option<Entry>) -> Result<Renamed> {
        if let Some(Entry::Node(other)) = &target
            && self.node(other)?.is_directory()
        {
            return Err(VaultError::IsDirectory);
        }
        let (from, to) = self.work_inside_both(ends, false)?;
        if let Some(Entry::Node(target)) = &target
            && self.is_save(id, &from, *target)?
        {
            self.save(id, &from, *target, ends.read)?;
            return Ok(Renamed::Saved { saved: id, target: *target });
        }
        let replaced = self.clear_target(&to, target)?;
        self.vacate(&from)?;
        self.give_place(id, Some(&from), &to)?;
        Ok(Renamed::Moved { node: id, replaced })
    }

    /// Frees a name held by a file or shown by a tombstone.
    fn clear_target(&mut self, to: &Slot, target: Option<Entry>) -> Result<Option<NodeId>> {
        match target {
            None => Ok(None),
            Some(Entry::Tombstone(tombstone)) => {
                self.remove_tombstone(&to.group, &tombstone, None)?;
                Ok(None)
            }
            Some(Entry::Node(id)) => {
                self.unlink_holder(id, to)?;
                Ok(Some(id))
            }
        }
    }

    /// Whether renaming `id` over `target` is an editor's save: both plain files of one name, and `id` known
    /// to nobody else.
    fn is_save(&self, id: NodeId, from: &Slot, target: NodeId) -> Result<bool> {
        let (node, other) = (self.node(&id)?, self.node(&target)?);
        let files = node.kind == Kind::File && other.kind == Kind::File && node.data.len() == 1;
        if !files || has_other_name(&node, from) || !self.tree.is_private(&id) {
            return Ok(false);
        }
        // Names under which the target is hidden or loses do not count: a write gives them up.
        let mut held = 0;
        for slot in self.slots(&target)? {
            held += usize::from(self.resolve(&slot)?.is_some_and(|it| it.holder == Holder::File(target)));
        }
        Ok(held == 1)
    }

    fn save(&mut self, id: NodeId, from: &Slot, target: NodeId, read: Option<&[Stamp]>) -> Result<()> {
        self.vacate(from)?;
        let node = self.node(&id)?;
        let data = node.data.winner().map(|(_, data)| data.clone());
        let attr = node.attr.winner().map(|(_, attr)| attr.clone());
        let base = match read {
            Some(read) => read.to_vec(),
            None => shown_base(&*self.node(&target)?),
        };
        self.erase(id)?;
        match data {
            Some(data) => self.write_data(target, &base, data, attr),
            None => Err(VaultError::Inconsistent("a file without data")),
        }
    }

    fn rename_directory(&mut self, ends: &Ends<'_>, id: NodeId, target: Option<Entry>) -> Result<Renamed> {
        match &target {
            None => {}
            Some(Entry::Node(other)) if self.node(other)?.is_directory() => {}
            Some(_) => return Err(VaultError::NotDirectory),
        }
        self.require_outside(&self.scene().group(&id)?, ends.to.0)?;
        if let Some(Entry::Node(other)) = &target {
            self.require_empty(&self.scene().group(other)?)?;
        }
        let (from, to) = self.work_inside_both(ends, true)?;
        let replaced = self.rmdir_holder(&to)?.first().copied();
        self.vacate(&from)?;
        let moving = self.scene().child(&from.group, &from.name)?;
        for member in moving.as_ref().map(Group::members).unwrap_or_default() {
            self.give_place(*member, Some(&from), &to)?;
        }
        Ok(Renamed::Moved { node: id, replaced })
    }

    /// Fails if `dir` is the directory `moving` or somewhere below it.
    fn require_outside(&self, moving: &Group, dir: &NodeId) -> Result<()> {
        let mut at = *dir;
        loop {
            if moving.has(&at) {
                return Err(VaultError::Invalid("a directory into itself"));
            }
            match self.scene().parent(&at)? {
                Some(above) if above != at => at = above,
                _ => return Ok(()),
            }
        }
    }

    fn exchange(&mut self, ends: &Ends<'_>, source: &Entry, target: &Entry) -> Result<Renamed> {
        let (Entry::Node(one), Entry::Node(other)) = (source, target) else {
            return Err(VaultError::NotPermitted("a tombstone has no name to exchange"));
        };
        let mut on_directories = false;
        for (id, dir) in [(one, ends.to.0), (other, ends.from.0)] {
            if self.node(id)?.is_directory() {
                on_directories = true;
                self.require_outside(&self.scene().group(id)?, dir)?;
            }
        }
        let (from, to) = self.work_inside_both(ends, on_directories)?;
        self.vacate(&from)?;
        self.vacate(&to)?;
        let ones = self.holders(*one)?;
        let others = self.holders(*other)?;
        for id in ones {
            self.give_place(id, Some(&from), &to)?;
        }
        for id in others {
            self.give_place(id, Some(&to), &from)?;
        }
        Ok(Renamed::Exchanged)
    }

    /// The nodes that hold a name together.
    fn holders(&self, id: NodeId) -> Result<Vec<NodeId>> {
        if self.node(&id)?.is_directory() {
            return Ok(self.scene().group(&id)?.members().to_vec());
        }
        Ok(vec![id])
    }

    fn rename_tombstone(
        &mut self,
        ends: &Ends<'_>,
        source: &Tombstone,
        target: Option<Entry>,
    ) -> Result<Renamed> {
        if let Some(Entry::Node(other)) = &target
            && self.node(other)?.is_directory()
        {
            return Err(VaultError::IsDirectory);
        }
        let (from, to) = self.work_inside_both(ends, false)?;
        let beside = from.group == to.group && to.name == source.beside;
        if let (true, Some(Entry::Node(holder))) = (beside, &target) {
            let node = self.node(holder)?;
            if has_other_name(&node, &to) || node.kind != self.node(&source.node)?.kind {
                return self.replace_by_tombstone(&from, *holder, &to);
            }
            self.restore_tombstone(&from.group, source, *holder)?;
            return Ok(Renamed::Moved { node: *holder, replaced: None });
        }
        let replaced = self.clear_target(&to, target)?;
        let node = self.move_tombstone(&from.group, source, &to)?;
        Ok(Renamed::Moved { node, replaced })
    }

    /// Puts a tombstone in the place of a file that keeps its other names.
    fn replace_by_tombstone(&mut self, from: &Slot, holder: NodeId, to: &Slot) -> Result<Renamed> {
        // Vacating the name makes the tombstone a file of its own, or one that stands beside such.
        self.unlink_holder(holder, to)?;
        match self.scene().lookup_in(&from.group, &from.name)? {
            Some(Entry::Node(node)) => {
                self.give_place(node, Some(from), to)?;
                Ok(Renamed::Moved { node, replaced: Some(holder) })
            }
            Some(Entry::Tombstone(tombstone)) => {
                let node = self.move_tombstone(&from.group, &tombstone, to)?;
                Ok(Renamed::Moved { node, replaced: Some(holder) })
            }
            None => Err(VaultError::Inconsistent("a tombstone that was settled is not where it showed")),
        }
    }
}
