//! A filesystem in memory: as plain as can be, with hooks for what the tests are about. Answers may be kept
//! for an hour, so whatever the kernel shows after a change behind its back, it was told to ask again.

mod operations;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bosr_mount::{
    Attributes, Data, Entry, Error, FileKind, Inode, InvalidateError, Invalidator, Permissions, Reply,
    Timestamp,
};
use parking_lot::{Condvar, Mutex};

pub(crate) const LIFETIME: Duration = Duration::from_secs(3600);

/// How long the next read to wait may take to arrive.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a node holds.
#[derive(Clone, Debug)]
pub(crate) enum Content {
    File(Vec<u8>),
    Directory(BTreeMap<OsString, Inode>),
    Link(OsString),
    Special,
}

#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) attributes: Attributes,
    pub(crate) content: Content,
    pub(crate) xattrs: BTreeMap<OsString, Vec<u8>>,
    pub(crate) lookups: u64,
}

#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) nodes: HashMap<Inode, Node>,
    /// Listings of open directories.
    pub(crate) listings: HashMap<u64, Vec<(OsString, Inode)>>,
    pub(crate) last_inode: u64,
    pub(crate) last_handle: u64,
    /// Operations whose replies are dropped.
    pub(crate) dropped: HashSet<&'static str>,
    /// Operations that panic.
    pub(crate) broken: HashSet<&'static str>,
    /// How often an operation was asked for.
    pub(crate) asked: HashMap<&'static str, u64>,
    /// Reads of these files are parked.
    pub(crate) parking: HashSet<Inode>,
    pub(crate) parked: Vec<(Reply<Data>, Vec<u8>)>,
}

#[derive(Debug, Default)]
pub(crate) struct Memory {
    pub(crate) state: Mutex<State>,
    pub(crate) parked: Condvar,
    /// Used from inside statfs, where it must be refused.
    pub(crate) misused: OnceLock<Invalidator>,
    pub(crate) misuse: Mutex<Option<Result<(), InvalidateError>>>,
}

impl Memory {
    pub(crate) fn new() -> Arc<Memory> {
        let memory = Memory::default();
        {
            let mut state = memory.state.lock();
            state.last_inode = Inode::ROOT.0;
            state
                .nodes
                .insert(Inode::ROOT, Node::new(Inode::ROOT, Content::Directory(BTreeMap::new()), 0o755));
        }
        Arc::new(memory)
    }

    /// How often `operation` was asked for.
    pub(crate) fn asked(&self, operation: &str) -> u64 {
        self.state.lock().asked.get(operation).copied().unwrap_or(0)
    }

    /// Makes a file behind the kernel's back.
    pub(crate) fn put(&self, name: &str, bytes: &[u8]) -> Inode {
        let mut state = self.state.lock();
        let inode = state.add(Content::File(bytes.to_vec()), 0o644);
        state.directory(Inode::ROOT).unwrap().insert(name.into(), inode);
        inode
    }

    /// Removes a name in the root behind the kernel's back.
    pub(crate) fn remove(&self, name: &str) {
        self.state.lock().directory(Inode::ROOT).unwrap().remove(OsStr::new(name)).unwrap();
    }

    /// Changes a node behind the kernel's back.
    pub(crate) fn change(&self, inode: Inode, change: impl FnOnce(&mut Node)) {
        change(self.state.lock().nodes.get_mut(&inode).unwrap());
    }

    pub(crate) fn inode(&self, name: &str) -> Inode {
        self.state.lock().child(Inode::ROOT, OsStr::new(name)).unwrap()
    }

    /// Waits until reads of `count` files are parked. If they do not come, those that did are answered
    /// before the test fails: a process with reads that wait can not even be killed.
    pub(crate) fn wait_for_parked(&self, count: usize) {
        let mut state = self.state.lock();
        while state.parked.len() < count {
            if self.parked.wait_for(&mut state, PATIENCE).timed_out() {
                drop(state);
                self.answer_parked();
                panic!("the reads that were to wait did not arrive");
            }
        }
    }

    /// Answers every parked read.
    pub(crate) fn answer_parked(&self) {
        let parked = {
            let mut state = self.state.lock();
            state.parking.clear();
            std::mem::take(&mut state.parked)
        };
        for (reply, bytes) in parked {
            reply.data(&bytes);
        }
    }

    /// Takes note of an operation; true if its reply is to be dropped.
    pub(crate) fn drops(&self, operation: &'static str) -> bool {
        let mut state = self.state.lock();
        *state.asked.entry(operation).or_default() += 1;
        assert!(!state.broken.contains(operation), "broken on purpose");
        state.dropped.contains(operation)
    }
}

impl Node {
    fn new(inode: Inode, content: Content, mode: u32) -> Node {
        let (kind, size) = match &content {
            Content::File(bytes) => (FileKind::File, bytes.len() as u64),
            Content::Directory(_) => (FileKind::Directory, 0),
            Content::Link(target) => (FileKind::Symlink, target.len() as u64),
            Content::Special => (FileKind::Fifo, 0),
        };
        let now = Timestamp { seconds: 1_700_000_000, nanoseconds: 0 };
        let attributes = Attributes {
            inode,
            kind,
            permissions: Permissions::from_mode(mode),
            links: 1,
            uid: nix::unistd::geteuid().as_raw(),
            gid: nix::unistd::getegid().as_raw(),
            device: 0,
            size,
            blocks: size.div_ceil(512),
            accessed: now,
            modified: now,
            changed: now,
        };
        Node { attributes, content, xattrs: BTreeMap::new(), lookups: 0 }
    }

    pub(crate) fn entry(&self) -> Entry {
        Entry { attributes: self.attributes, lifetime: LIFETIME }
    }

    pub(crate) fn bytes(&mut self) -> Result<&mut Vec<u8>, Error> {
        match &mut self.content {
            Content::File(bytes) => Ok(bytes),
            Content::Directory(_) | Content::Link(_) | Content::Special => Err(Error::Invalid),
        }
    }

    /// Puts other bytes in a file.
    pub(crate) fn fill(&mut self, bytes: &[u8]) {
        *self.bytes().unwrap() = bytes.to_vec();
        self.measure();
    }

    pub(crate) fn clear_set_id(&mut self, clear: bool) {
        let attributes = &mut self.attributes;
        if clear && attributes.kind != FileKind::Directory {
            attributes.permissions = attributes.permissions.without_set_id();
        }
    }

    pub(crate) fn measure(&mut self) {
        if let Content::File(bytes) = &self.content {
            self.attributes.size = bytes.len() as u64;
            self.attributes.blocks = self.attributes.size.div_ceil(512);
        }
    }
}

impl State {
    pub(crate) fn node(&mut self, inode: Inode) -> Result<&mut Node, Error> {
        self.nodes.get_mut(&inode).ok_or(Error::Stale)
    }

    pub(crate) fn directory(&mut self, inode: Inode) -> Result<&mut BTreeMap<OsString, Inode>, Error> {
        match &mut self.node(inode)?.content {
            Content::Directory(entries) => Ok(entries),
            Content::File(_) | Content::Link(_) | Content::Special => Err(Error::NotADirectory),
        }
    }

    pub(crate) fn child(&mut self, parent: Inode, name: &OsStr) -> Result<Inode, Error> {
        self.directory(parent)?.get(name).copied().ok_or(Error::NotFound)
    }

    /// The entry of a node that the kernel looks up.
    pub(crate) fn look_up(&mut self, inode: Inode) -> Result<Entry, Error> {
        let node = self.node(inode)?;
        node.lookups += 1;
        Ok(node.entry())
    }

    fn add(&mut self, content: Content, mode: u32) -> Inode {
        self.last_inode += 1;
        let inode = Inode(self.last_inode);
        self.nodes.insert(inode, Node::new(inode, content, mode));
        inode
    }

    /// Makes a node under a free name and looks it up.
    pub(crate) fn make(
        &mut self,
        parent: Inode,
        name: &OsStr,
        content: Content,
        permissions: Permissions,
    ) -> Result<Entry, Error> {
        if self.child(parent, name).is_ok() {
            return Err(Error::Exists);
        }
        let inode = self.add(content, permissions.bits().into());
        self.directory(parent)?.insert(name.to_owned(), inode);
        self.look_up(inode)
    }

    pub(crate) fn handle(&mut self) -> bosr_mount::Handle {
        self.last_handle += 1;
        bosr_mount::Handle(self.last_handle)
    }
}
