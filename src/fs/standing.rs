//! How a file stands, for programs and people who ask its attributes: whether its content is here, which
//! version it shows, which devices have it.

use serde_json::json;

use super::core::Core;
use super::inodes::Subject;
use crate::crypto::ObjectKind;
use crate::vault::contents::Content;
use crate::vault::view::claims::own_version;
use crate::vault::{Data, Stamp, Tree, VaultError};

impl Core {
    /// `local`, `partial` or `remote`: how much of the newest version's content is on this device.
    pub(super) fn state_attribute(&self, subject: Subject) -> Result<Vec<u8>, VaultError> {
        let version = self.vault.read(|tree| version_of(tree, subject))?;
        let state = match version {
            Some((_, Data::Content(content))) => self.state_of(&content)?,
            _ => "local",
        };
        Ok(state.into())
    }

    fn state_of(&self, content: &Content) -> Result<&'static str, VaultError> {
        let missing = self.vault.missing_of(content)?;
        if missing.is_empty() {
            return Ok("local");
        }
        if content.object().is_some_and(|(id, _)| missing.contains(&id)) {
            return Ok("remote");
        }
        let (mut here, mut all) = (0, true);
        let looked = self.vault.contents().new_objects(&Content::Empty, content, |object| {
            here += usize::from(object.kind == ObjectKind::Chunk && !missing.contains(&object.id));
            Ok::<(), VaultError>(())
        });
        match looked {
            Ok(()) => {}
            // Not even all lists are here: what the others name counts for nothing.
            Err(VaultError::Missing(_)) => all = false,
            Err(error) => return Err(error),
        }
        Ok(if here > 0 || !all { "partial" } else { "remote" })
    }

    /// The stamp of the newest version: equal on all devices that show the same.
    pub(super) fn version_attribute(&self, subject: Subject) -> Result<Option<Vec<u8>>, VaultError> {
        let stamp = self.vault.read(|tree| stamp_of(tree, subject))?;
        Ok(stamp.map(|stamp| stamp.to_string().into_bytes()))
    }

    /// The names of the devices that have that version, as far as is known here: JSON, in order.
    pub(super) fn replicas_attribute(&self, subject: Subject) -> Result<Vec<u8>, VaultError> {
        let stamp = self.vault.read(|tree| stamp_of(tree, subject))?;
        let mut names = Vec::new();
        for device in self.vault.devices() {
            let public = crate::crypto::DevicePublic(device.public);
            let own = public == self.vault.device();
            let has = match stamp {
                None => own,
                Some(stamp) if own || device.replicas.contains(&stamp.replica) => {
                    !own || self.state_attribute(subject)? == b"local"
                }
                Some(stamp) => match self.vault.merged_from(&public)? {
                    Some(commit) => self.vault.load_commit(&commit)?.context.has_seen(&stamp),
                    None => false,
                },
            };
            names.extend(has.then_some(device.name));
        }
        names.sort_unstable();
        Ok(json!(names).to_string().into_bytes())
    }
}

/// The newest version of a subject's content, if it has content.
fn version_of(tree: &Tree, subject: Subject) -> Result<Option<(Stamp, Data)>, VaultError> {
    let Some(node) = tree.node(&subject.node())? else { return Ok(None) };
    Ok(match subject {
        Subject::Node(_) => own_version(&node).map(|(stamp, data)| (stamp, data.clone())),
        Subject::Tombstone(_, stamp) => node.data.at(&stamp).map(|data| (stamp, data.clone())),
    })
}

/// Its stamp; of a directory, that of its attributes.
fn stamp_of(tree: &Tree, subject: Subject) -> Result<Option<Stamp>, VaultError> {
    if let Some((stamp, _)) = version_of(tree, subject)? {
        return Ok(Some(stamp));
    }
    let node = tree.node(&subject.node())?;
    Ok(node.and_then(|node| node.attr.winner().map(|(stamp, _)| stamp)))
}
