//! A vault on a disk in memory, and a peer of it: what a random life is lived on.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};
use std::thread::JoinHandle;

use bosr::ambient::Ambient;
use bosr::crypto::{Argon2Cost, DeviceKey, Keyring, ObjectId, ObjectKind, Unlock, VaultFile, new_key_file};
use bosr::fs::{Checks, DirtyLimit, MountedVault, Ownership};
use bosr::merge::merge_commit;
use bosr::store::disk::fault::FaultDisk;
use bosr::store::{Options, Store};
use bosr::trie::{Child, inspect};
use bosr::vault::{Attr, Data, Fold, Name, NodeCodec, NodeId, Origin, Replace, Vault, VaultError};

use super::step::{Elsewhere, Path, bytes};

struct Keys {
    file: VaultFile,
    first: Keyring,
}

static KEYS: LazyLock<Keys> = LazyLock::new(|| {
    let entropy = Ambient::host().entropy;
    let mut first = Keyring::generate(&*entropy);
    let unlock = Unlock::KeyFile(new_key_file(&*entropy));
    let file = VaultFile::create(&mut first, &unlock, Argon2Cost::default(), &*entropy).unwrap();
    Keys { file, first }
});

/// One device: its vault, with the threads a vault needs.
pub(crate) struct Device {
    pub(crate) vault: Arc<Vault>,
    threads: Vec<JoinHandle<()>>,
}

impl Device {
    /// The first device of a vault, or one that joins it.
    fn new(name: Option<&str>) -> Device {
        let ambient = Ambient::host();
        let key = DeviceKey::generate(&*ambient.entropy);
        let keyring = Arc::new(Keyring::from_inviter(&KEYS.first.for_joiner(), key).unwrap());
        let device = keyring.device().public();
        let options =
            Options { segment_len: 4 << 20, journal_len: 2 << 20, reserve: 0, ..Options::default() };
        let disk = Arc::new(FaultDisk::new());
        let store = Store::create_with(disk, &KEYS.file, keyring, ambient.clone(), options).unwrap();
        let vault = match name {
            Some(name) => Vault::create(Arc::new(store), device, name, ambient),
            None => Vault::create_joining(Arc::new(store), device, ambient),
        };
        let vault = vault.unwrap();
        let (committer, flusher) = (Arc::clone(&vault), Arc::clone(&vault));
        let threads = vec![
            std::thread::spawn(move || committer.run_committer()),
            std::thread::spawn(move || flusher.run_flusher()),
        ];
        Device { vault, threads }
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        self.vault.stop();
        self.threads.drain(..).for_each(|thread| thread.join().unwrap());
    }
}

/// A vault with a filesystem, and its peer.
pub(crate) struct Replica {
    pub(crate) own: Device,
    pub(crate) peer: Device,
}

impl Replica {
    pub(crate) fn new() -> Replica {
        Replica { own: Device::new(Some("own")), peer: Device::new(None) }
    }

    /// A filesystem of the vault.
    pub(crate) fn filesystem(&self) -> Arc<MountedVault> {
        MountedVault::new(Arc::clone(&self.own.vault), Ownership::Keep, Checks::Kernel, DirtyLimit::default())
            .unwrap()
    }

    /// What was written becomes versions, and those a commit.
    pub(crate) fn commit(&self) {
        self.own.vault.fold_and_commit(Fold::All).unwrap();
    }

    /// The peer, which has all that was done here, does something, and this vault merges it.
    pub(crate) fn elsewhere(&self, what: &Elsewhere) {
        self.commit();
        pull(&self.peer.vault, &self.own.vault);
        act(&self.peer.vault, what).unwrap();
        pull(&self.own.vault, &self.peer.vault);
        assert_eq!(self.own.vault.conflicts().unwrap().len(), 0, "nothing was done apart");
    }
}

fn act(vault: &Vault, what: &Elsewhere) -> Result<(), VaultError> {
    match what {
        Elsewhere::Put { path, length, seed } => {
            let attr = Attr { mode: 0o644, uid: 0, gid: 0, mtime: 1, birth: 1, xattrs: BTreeMap::new() };
            vault.put_file(join(path).as_bytes(), bytes(*seed, 0, *length).as_slice(), attr).map(drop)
        }
        Elsewhere::Remove { path } => {
            let (dir, name) = place(vault, path)?;
            vault.edit(Origin::VAULT, |tree, draw| tree.unlink(&dir, &name, draw)).map(drop)
        }
        Elsewhere::Rename { from, to } => {
            let (from, to) = (place(vault, from)?, place(vault, to)?);
            let (from, to) = ((&from.0, &from.1), (&to.0, &to.1));
            vault
                .edit(Origin::VAULT, |tree, draw| tree.rename(from, to, Replace::Allowed, None, draw))
                .map(drop)
        }
        Elsewhere::Directory { path } => vault.make_directory(join(path).as_bytes(), 0o755, 1).map(drop),
    }
}

fn join(path: &Path) -> String {
    format!("/{}", path.join("/"))
}

fn place(vault: &Vault, path: &Path) -> Result<(NodeId, Name), VaultError> {
    let (name, above) = path.split_last().unwrap();
    Ok((vault.find(join(&above.to_vec()).as_bytes())?.node(), Name::new(*name).unwrap()))
}

/// `to` merges all that `from` has.
fn pull(to: &Arc<Vault>, from: &Arc<Vault>) {
    from.commit().unwrap();
    let offered = from.offer().unwrap();
    let known = |id: &ObjectId| to.store().contains(id).unwrap();
    for commit in from.ancestors(offered.commit).unwrap() {
        let (id, commit) = commit.unwrap();
        if known(&id.0) {
            continue;
        }
        carry(from, to, ObjectKind::Commit, &id.0);
        let mut todo: Vec<Child> = Child::root(&commit.trie()).into_iter().collect();
        while let Some(child) = todo.pop() {
            carry(from, to, ObjectKind::Trie, &child.id);
            let object = from.store().fetch(&child.id).unwrap();
            todo.extend(inspect::<NodeCodec>(&child, &object).unwrap().children);
        }
        for entry in from.forest().iter(&commit.trie(), ..) {
            for (_, data) in entry.unwrap().1.data.iter() {
                let Data::Content(content) = data else { continue };
                loop {
                    let missing = to.contents().missing(content).unwrap();
                    if missing.is_empty() {
                        break;
                    }
                    missing.iter().for_each(|(id, kind)| carry(from, to, *kind, id));
                }
            }
        }
    }
    merge_commit(to, Some(from.device()), offered.commit).unwrap();
}

fn carry(from: &Vault, to: &Vault, kind: ObjectKind, id: &ObjectId) {
    let object = from.store().fetch(id).unwrap();
    assert_eq!(to.store().put(kind, &object).unwrap(), *id);
}
