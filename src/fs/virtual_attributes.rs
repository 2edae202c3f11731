//! Extended attributes that are worked out when they are asked for: read-only, never stored, never copied by
//! a rename. Their names begin with [`OWN`].
//!
//! To add one: a line in [`Core::virtual_attribute`]. Listed by `listxattr` are only those that say something
//! out of the ordinary ([`Core::virtual_names`]), because programs that copy files try to set what is listed.

use serde_json::{Value, json};

use super::core::Core;
use super::inodes::Subject;
use crate::vault::view::{Conflict, Scene};
use crate::vault::{Entry, Name, VaultError};

/// What the names begin with.
pub(super) const OWN: &[u8] = b"user.bosr.";

/// On both sides of a conflict: what stands where, as JSON.
const CONFLICT: &[u8] = b"user.bosr.conflict";

/// How much of the content is on this device (`standing`).
const STATE: &[u8] = b"user.bosr.state";
/// Which version it is.
const VERSION: &[u8] = b"user.bosr.version";
/// Which devices have it.
const REPLICAS: &[u8] = b"user.bosr.replicas";

impl Core {
    /// The value of the attribute `name` of a subject, if it has that one.
    ///
    /// # Errors
    /// Of the vault.
    pub(super) fn virtual_attribute(
        &self,
        subject: Subject,
        name: &[u8],
    ) -> Result<Option<Vec<u8>>, VaultError> {
        match name {
            CONFLICT => self.conflict_attribute(subject),
            STATE => self.state_attribute(subject).map(Some),
            VERSION => self.version_attribute(subject),
            REPLICAS => self.replicas_attribute(subject).map(Some),
            _ => Ok(None),
        }
    }

    /// The names of attributes of a subject that a listing shows.
    ///
    /// # Errors
    /// Of the vault.
    pub(super) fn virtual_names(&self, subject: Subject) -> Result<Vec<&'static [u8]>, VaultError> {
        let contested = self.vault.read(|tree| conflicts_of(&tree.scene(), subject))?;
        Ok(if contested.is_empty() { Vec::new() } else { vec![CONFLICT] })
    }

    fn conflict_attribute(&self, subject: Subject) -> Result<Option<Vec<u8>>, VaultError> {
        let conflicts = self.vault.read(|tree| conflicts_of(&tree.scene(), subject))?;
        if conflicts.is_empty() {
            return Ok(None);
        }
        let role = if matches!(subject, Subject::Tombstone(..)) { "tombstone" } else { "current" };
        let told: Vec<Value> = conflicts.iter().map(told).collect();
        Ok(Some(json!({ "version": 1, "role": role, "conflicts": told }).to_string().into_bytes()))
    }
}

/// The conflicts that a subject is a side of.
fn conflicts_of(scene: &Scene<'_>, subject: Subject) -> Result<Vec<Conflict>, VaultError> {
    let node = subject.node();
    let mut conflicts = Vec::new();
    for (group, name) in scene.slots(&node)? {
        let tombstones = scene.tombstones(&group)?;
        if tombstones.is_empty() {
            continue;
        }
        let holds = scene.lookup_in(&group, &name)? == Some(Entry::Node(node));
        for tombstone in tombstones.iter().filter(|it| it.beside == name) {
            let meant = match subject {
                Subject::Node(_) => holds,
                Subject::Tombstone(node, stamp) => (tombstone.node, tombstone.stamp) == (node, stamp),
            };
            if meant {
                conflicts.extend(scene.conflict(&group, tombstone)?);
            }
        }
    }
    Ok(conflicts)
}

/// As `bosr conflicts --json` prints it.
fn told(conflict: &Conflict) -> Value {
    let stamp = &conflict.tombstone.stamp;
    json!({
        "version": 1,
        "path": path(&conflict.path()),
        "tombstone": path(&conflict.tombstone_path()),
        "device": conflict.device,
        "stamp": format!("{}@{}", stamp.lamport, stamp.replica),
        "rule": format!("rule {}", conflict.rule),
    })
}

fn path(names: &[Name]) -> String {
    names.iter().map(|name| format!("/{}", String::from_utf8_lossy(name.as_bytes()))).collect()
}
