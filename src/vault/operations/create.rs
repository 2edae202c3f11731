//! Making things: files, directories, links of both sorts, special files.

use super::super::error::{Result, VaultError};
use super::super::view::Group;
use super::super::{Attr, Data, Kind, Name, NodeId, Tree};
use super::edit::Edit;
use super::{Draw, MAX_LINKS, Outcome};

/// What is to be made.
#[derive(Clone, Debug)]
pub struct NewNode {
    /// Its attributes.
    pub attr: Attr,
    /// What it holds; `None` makes a directory.
    pub data: Option<Data>,
}

impl NewNode {
    /// What kind of node it will be.
    pub fn kind(&self) -> Kind {
        self.data.as_ref().map_or(Kind::Directory, Data::kind)
    }
}

impl Tree {
    /// Makes a file, directory, symbolic link or special file, by what it holds.
    ///
    /// # Errors
    /// `NotFound` and `NotDirectory` (of `dir`), `Exists`.
    pub fn create(
        &mut self,
        dir: &NodeId,
        name: &Name,
        new: NewNode,
        draw: Draw<'_>,
    ) -> Result<Outcome<NodeId>> {
        self.operate(draw, |edit| {
            edit.require_free(dir, name)?;
            let group = edit.work_inside(dir, new.kind() == Kind::Directory)?;
            edit.make(&group, name, new.kind(), new.attr, new.data)
        })
    }

    /// Gives a file one more name.
    ///
    /// # Errors
    /// `NotPermitted` for a directory, `NotFound` for what has no name any more, `TooManyLinks`, and as
    /// [`Tree::create`].
    pub fn link(&mut self, id: &NodeId, dir: &NodeId, name: &Name, draw: Draw<'_>) -> Result<Outcome<()>> {
        self.operate(draw, |edit| {
            let node = edit.node(id)?;
            if node.is_directory() {
                return Err(VaultError::NotPermitted("a directory has one name"));
            }
            if node.places.len() >= MAX_LINKS {
                return Err(VaultError::TooManyLinks);
            }
            edit.require_free(dir, name)?;
            let slots = edit.slots(id)?;
            let Some(first) = slots.first() else { return Err(VaultError::NotFound) };
            if !node.is_placed() {
                edit.give_place(*id, None, first)?;
            }
            edit.work_inside(dir, false)?;
            let to = edit.slot(dir, name)?;
            edit.give_place(*id, None, &to)
        })
    }
}

impl Edit<'_> {
    /// The live directory `dir`, settled so that what is done inside stays inside.
    pub(super) fn work_inside(&mut self, dir: &NodeId, on_directories: bool) -> Result<Group> {
        if on_directories {
            self.settle_all_displaced()?;
        }
        let group = self.scene().group(dir)?;
        self.settle_directory(&group)?;
        self.scene().group(dir)
    }

    /// Fails unless `dir` is a live directory.
    pub(super) fn require_directory(&self, dir: &NodeId) -> Result<()> {
        if *dir == NodeId::ROOT {
            return Ok(());
        }
        if !self.node(dir)?.is_directory() {
            return Err(VaultError::NotDirectory);
        }
        if !self.scene().is_live(dir)? {
            return Err(VaultError::NotFound);
        }
        Ok(())
    }

    fn require_free(&self, dir: &NodeId, name: &Name) -> Result<()> {
        self.require_directory(dir)?;
        match self.scene().lookup(dir, name)? {
            Some(_) => Err(VaultError::Exists),
            None => Ok(()),
        }
    }
}
