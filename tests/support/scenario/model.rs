//! Scenarios on the library: two trees, joined as vaults join them.

use std::collections::BTreeMap;
use std::sync::Arc;

use bosr::merge::join_states;
use bosr::vault::view::claims::own_version;
use bosr::vault::view::{NameHash, View};
use bosr::vault::{
    Attr, AttrPatch, Content, Context, Data, DeviceRecord, Draw, Entry, Kind, Name, NewNode, NoNodes, NodeId,
    Outcome, Replace, ReplicaId, Result, Tree, VaultError, Write,
};

use super::{Command, DEVICES, Scenario, Shown, compare, without_numbers};

#[derive(Debug)]
struct Sum;

impl NameHash for Sum {
    fn hash(&self, name: &[u8]) -> u64 {
        name.iter().fold(7, |hash, byte| hash.wrapping_mul(0x100_0000_01B3) ^ u64::from(*byte))
    }
}

struct Device {
    tree: Tree,
    /// Random bytes drawn so far.
    drawn: u64,
}

/// Runs a scenario; what went wrong, if anything.
pub(crate) fn run(scenario: &Scenario) -> std::result::Result<(), String> {
    let mut devices = [Device::new(0), Device::new(1)];
    devices[0].do_one(&Command::Mkdir("here".into())).unwrap();
    meet(&mut devices);
    for phase in &scenario.phases {
        devices[1].pass_time();
        for (device, deeds) in devices.iter_mut().zip(&phase.deeds) {
            for deed in deeds {
                let done = device.do_one(&deed.command);
                if done.is_err() != deed.fails {
                    return Err(format!("{}\n  line {}: {done:?}", scenario.title, deed.line));
                }
            }
        }
        meet(&mut devices);
        let Some(expected) = &phase.expected else { continue };
        for (device, name) in devices.iter().zip(DEVICES) {
            if let Some(wrong) = compare(expected, device.shows()) {
                return Err(format!("{}\n  {name} {wrong}", scenario.title));
            }
        }
    }
    Ok(())
}

fn meet(devices: &mut [Device; 2]) {
    let [one, other] = devices;
    one.take(other);
    other.take(one);
    one.take(other);
}

fn attr(mode: u32, time: i64) -> Attr {
    Attr { mode, uid: 0, gid: 0, mtime: time, birth: time, xattrs: BTreeMap::new() }
}

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

impl Device {
    fn new(index: u8) -> Device {
        let view = View::in_memory(Arc::new(Sum));
        let tree = Tree::new(Arc::new(NoNodes), view, Context::new(), ReplicaId([index + 1; 8]));
        let mut device = Device { tree, drawn: u64::from(index) << 32 };
        let record = DeviceRecord {
            name: DEVICES[usize::from(index)].to_owned(),
            public: [index; 32],
            replicas: vec![ReplicaId([index + 1; 8])],
            revoked: false,
        };
        device.act(|tree, draw| tree.add_device(&record, draw)).unwrap();
        device
    }

    fn act<T>(&mut self, act: impl FnOnce(&mut Tree, Draw<'_>) -> Result<Outcome<T>>) -> Result<T> {
        let drawn = &mut self.drawn;
        let mut draw = || {
            *drawn += 1;
            let mut bytes = [0; 12];
            bytes[..8].copy_from_slice(&drawn.to_le_bytes());
            bytes
        };
        act(&mut self.tree, &mut draw).map(|outcome| outcome.value)
    }

    /// A time that was not before.
    fn now(&self) -> i64 {
        self.tree.context().highest() as i64
    }

    /// Takes many stamps, so that what comes is later than what others do meanwhile.
    fn pass_time(&mut self) {
        for mode in (0..200).map(|index| 0o755 - index % 2) {
            let patch = AttrPatch { mode: Some(mode), ..AttrPatch::default() };
            self.act(|tree, draw| tree.set_attr(&NodeId::ROOT, &patch, draw)).unwrap();
        }
    }

    fn take(&mut self, other: &mut Device) {
        let context = other.tree.context().clone();
        other.tree.mark_offered(&context);
        let own: BTreeMap<_, _> = self.tree.changed().collect();
        let theirs: BTreeMap<_, _> = other.tree.changed().collect();
        let mut all: Vec<NodeId> = own.keys().chain(theirs.keys()).copied().collect();
        all.sort_unstable();
        all.dedup();
        let side = |nodes: &BTreeMap<NodeId, _>, id| nodes.get(id).cloned().flatten();
        let differences = all.iter().map(|id| Ok((*id, side(&own, id), side(&theirs, id))));
        let joined = join_states(self.tree.context(), &context, differences).unwrap();
        self.tree.absorb(joined.changes, &joined.context).unwrap();
    }

    /// The directory of a path, and its last name as it is here.
    fn ends(&self, path: &str) -> Result<(NodeId, Name)> {
        let path = format!("here/{path}");
        let (above, last) = path.rsplit_once('/').unwrap();
        let mut dir = NodeId::ROOT;
        for part in above.split('/') {
            dir = match self.tree.scene().lookup(&dir, &self.real_name(&dir, part)?)? {
                Some(Entry::Node(id)) if self.kind(&id)? == Kind::Directory => id,
                Some(_) => return Err(VaultError::NotDirectory),
                None => return Err(VaultError::NotFound),
            };
        }
        Ok((dir, self.real_name(&dir, last)?))
    }

    /// A name with the numbers that a tombstone's has.
    fn real_name(&self, dir: &NodeId, part: &str) -> Result<Name> {
        if !part.contains(".tombstone-") || part.ends_with('~') {
            return Ok(name(part));
        }
        let listed = self.tree.scene().list(dir, 0, usize::MAX)?;
        let found =
            listed.into_iter().map(|it| it.name).find(|name| without_numbers(&name.to_string()) == part);
        found.ok_or(VaultError::NotFound)
    }

    fn kind(&self, id: &NodeId) -> Result<Kind> {
        Ok(self.tree.node(id)?.map_or(Kind::Directory, |node| node.kind))
    }

    fn look(&self, path: &str) -> Result<Option<Entry>> {
        let (dir, name) = self.ends(path)?;
        self.tree.scene().lookup(&dir, &name)
    }

    fn node(&self, path: &str) -> Result<NodeId> {
        match self.look(path)?.ok_or(VaultError::NotFound)? {
            Entry::Node(id) => Ok(id),
            Entry::Tombstone(_) => Err(VaultError::NotPermitted("a tombstone")),
        }
    }

    fn read(&self, entry: &Entry) -> Result<Option<Data>> {
        Ok(match entry {
            Entry::Node(id) => {
                let node = self.tree.node(id)?.ok_or(VaultError::NotFound)?;
                own_version(&node).filter(|_| !node.is_directory()).map(|(_, data)| data.clone())
            }
            Entry::Tombstone(it) => {
                self.tree.node(&it.node)?.and_then(|node| node.data.at(&it.stamp).cloned())
            }
        })
    }

    fn make(&mut self, path: &str, data: Option<Data>) -> Result<()> {
        let (dir, name) = self.ends(path)?;
        let mode = if data.is_none() { 0o755 } else { 0o644 };
        let new = NewNode { attr: attr(mode, self.now()), data };
        self.act(|tree, draw| tree.create(&dir, &name, new, draw)).map(drop)
    }

    fn write(&mut self, path: &str, data: Data) -> Result<()> {
        if self.look(path)?.is_none() {
            return self.make(path, Some(data));
        }
        let node = self.node(path)?;
        let base = self.tree.base(&node)?;
        let attr = AttrPatch { mtime: Some(self.now()), ..AttrPatch::default() };
        self.act(|tree, draw| tree.write(&node, Write { base, data, attr }, draw))
    }

    fn rename(&mut self, from: &str, to: &str) -> Result<()> {
        let (dir, name) = self.ends(from)?;
        let (mut new_dir, mut new_name) = self.ends(to)?;
        if let Some(Entry::Node(id)) = self.tree.scene().lookup(&new_dir, &new_name)?
            && self.kind(&id)? == Kind::Directory
        {
            (new_dir, new_name) = (id, name.clone());
        }
        let (old, new) = ((&dir, &name), (&new_dir, &new_name));
        self.act(|tree, draw| tree.rename(old, new, Replace::Allowed, None, draw)).map(drop)
    }

    fn remove(&mut self, path: &str) -> Result<()> {
        let (dir, name) = self.ends(path)?;
        self.act(|tree, draw| tree.unlink(&dir, &name, draw)).map(drop)
    }

    fn remove_dir(&mut self, path: &str) -> Result<()> {
        let (dir, name) = self.ends(path)?;
        self.act(|tree, draw| tree.rmdir(&dir, &name, draw)).map(drop)
    }

    /// Removes a directory with all that is in it, one by one, as listed at first.
    fn remove_all(&mut self, dir: &NodeId, name: &Name) -> Result<()> {
        let inside = match self.tree.scene().lookup(dir, name)?.ok_or(VaultError::NotFound)? {
            Entry::Node(id) if self.kind(&id)? == Kind::Directory => id,
            _ => return self.act(|tree, draw| tree.unlink(dir, name, draw)).map(drop),
        };
        for entry in self.tree.scene().list(&inside, 0, usize::MAX)? {
            self.remove_all(&inside, &entry.name)?;
        }
        self.act(|tree, draw| tree.rmdir(dir, name, draw)).map(drop)
    }

    fn do_one(&mut self, command: &Command) -> Result<()> {
        match command {
            Command::Mkdir(path) if path == "here" => {
                let new = NewNode { attr: attr(0o755, 0), data: None };
                self.act(|tree, draw| tree.create(&NodeId::ROOT, &name("here"), new, draw)).map(drop)
            }
            Command::Mkdir(path) => self.make(path, None),
            Command::Write(path, text) => self.write(path, Data::inline(text.as_str())),
            Command::Save(path, text) => {
                self.make(&format!("{path}.new"), Some(Data::inline(text.as_str())))?;
                self.rename(&format!("{path}.new"), path)
            }
            // It sets the old file aside, writes a new one, and removes the old.
            Command::Vim(path, text) => {
                let (dir, old) = self.ends(path)?;
                let aside = name(&format!("{old}~"));
                let ends = ((&dir, &old), (&dir, &aside));
                self.act(|tree, draw| tree.rename(ends.0, ends.1, Replace::Allowed, None, draw))?;
                let new = NewNode { attr: attr(0o644, self.now()), data: Some(Data::inline(text.as_str())) };
                self.act(|tree, draw| tree.create(&dir, &old, new, draw))?;
                self.act(|tree, draw| tree.unlink(&dir, &aside, draw)).map(drop)
            }
            Command::Rm(path) => self.remove(path),
            Command::RmAll(path) => {
                let (dir, name) = self.ends(path)?;
                self.remove_all(&dir, &name)
            }
            Command::Rmdir(path) => self.remove_dir(path),
            Command::Mv(from, to) => self.rename(from, to),
            Command::Cp(from, to) => {
                let entry = self.look(from)?.ok_or(VaultError::NotFound)?;
                let data = self.read(&entry)?.ok_or(VaultError::IsDirectory)?;
                self.write(to, data)
            }
            Command::Link(from, to) => {
                let (node, (dir, name)) = (self.node(from)?, self.ends(to)?);
                self.act(|tree, draw| tree.link(&node, &dir, &name, draw))
            }
            Command::Symlink(target, path) => {
                self.make(path, Some(Data::Target(target.clone().into_bytes())))
            }
            Command::Chmod(mode, path) => {
                let node = self.node(path)?;
                let patch = AttrPatch { mode: Some(*mode), ..AttrPatch::default() };
                self.act(|tree, draw| tree.set_attr(&node, &patch, draw)).map(drop)
            }
        }
    }

    fn shows(&self) -> Vec<Shown> {
        let Ok(Some(Entry::Node(here))) = self.tree.scene().lookup(&NodeId::ROOT, &name("here")) else {
            return Vec::new();
        };
        let mut all = Vec::new();
        self.list(&here, "", &mut all);
        all
    }

    fn list(&self, dir: &NodeId, above: &str, all: &mut Vec<Shown>) {
        for listed in self.tree.scene().list(dir, 0, usize::MAX).unwrap() {
            let path = format!("{above}{}", listed.name);
            let mode = match &listed.entry {
                Entry::Node(id) => self.tree.attr(id).unwrap().mode,
                Entry::Tombstone(_) => 0o444,
            };
            let what = match self.read(&listed.entry).unwrap() {
                None => "/".to_owned(),
                Some(Data::Target(target)) => format!("->{}", String::from_utf8_lossy(&target)),
                Some(Data::Content(Content::Inline(text))) => format!("={}", String::from_utf8_lossy(&text)),
                Some(_) => "=".to_owned(),
            };
            all.push(Shown { path: without_numbers(&path), what, mode });
            if let (Entry::Node(id), Kind::Directory) = (listed.entry, listed.kind) {
                self.list(&id, &format!("{path}/"), all);
            }
        }
    }
}
