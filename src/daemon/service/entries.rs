//! What is where in the vault.

use super::super::api::{Entry, EntryKind, Name};
use super::super::error::DaemonError;
use super::super::opening::{path_error, vault_error};
use super::Service;
use crate::vault::{Data, Entry as VaultEntry, Found, Kind, Result, Vault};

impl Service {
    /// What is in the directory at `path`; for anything else, the thing itself.
    pub async fn entries(&self, path: Vec<u8>) -> std::result::Result<Vec<Entry>, DaemonError> {
        self.on_vault(move |vault| {
            vault.fold_dirty().map_err(|error| vault_error("storing what was written", error))?;
            entries(vault, &path).map_err(|error| path_error(&path, error))
        })
        .await
    }
}

fn entries(vault: &Vault, path: &[u8]) -> Result<Vec<Entry>> {
    let found = vault.find(path)?;
    if found.kind != Kind::Directory {
        let name = path.rsplit(|byte| *byte == b'/').find(|name| !name.is_empty()).unwrap_or_default();
        return Ok(vec![entry(vault, name, &found)?]);
    }
    let listed = vault.list(&found.node())?;
    let mut entries = listed
        .iter()
        .map(|(listed, found)| entry(vault, listed.name.as_bytes(), found))
        .collect::<Result<Vec<Entry>>>()?;
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(entries)
}

fn entry(vault: &Vault, name: &[u8], found: &Found) -> Result<Entry> {
    let tombstone = matches!(found.entry, VaultEntry::Tombstone(_));
    Ok(Entry {
        name: Name::new(name),
        kind: kind(found),
        mode: if tombstone { 0o444 } else { found.attr.mode },
        links: if tombstone { 1 } else { links(vault, found)? },
        uid: found.attr.uid,
        gid: found.attr.gid,
        size: found.size(),
        mtime: found.attr.mtime,
        target: match &found.data {
            Some(Data::Target(target)) => Some(String::from_utf8_lossy(target).into_owned()),
            _ => None,
        },
        tombstone,
    })
}

fn kind(found: &Found) -> EntryKind {
    entry_kind(found.kind, found.data.as_ref())
}

/// What something is, as it is told.
pub(super) fn entry_kind(kind: Kind, data: Option<&Data>) -> EntryKind {
    match (kind, data) {
        (Kind::File, _) => EntryKind::File,
        (Kind::Directory, _) => EntryKind::Directory,
        (Kind::Symlink, _) => EntryKind::Symlink,
        (Kind::Fifo, _) => EntryKind::Fifo,
        (Kind::Socket, _) => EntryKind::Socket,
        (Kind::Device, Some(Data::Device { block: true, .. })) => EntryKind::BlockDevice,
        (Kind::Device, _) => EntryKind::CharDevice,
    }
}

/// How many names it has. A directory counts as one.
fn links(vault: &Vault, found: &Found) -> Result<u32> {
    let node = vault.read(|tree| tree.node(&found.node()))?;
    let names = node.map_or(1, |node| node.places.iter().filter(|(_, place)| place.is_at()).count().max(1));
    Ok(u32::try_from(names).unwrap_or(u32::MAX))
}
