//! What POSIX and the promises of the mount make of each step, in plain maps.

use std::collections::BTreeMap;

use nix::errno::Errno;

use super::step::{Elsewhere, How, Path, SLOTS, Space, Step, bytes};

/// What a step answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    Done,
    Bytes(Vec<u8>),
    Copied(u64),
    /// Of a seek: checked by [`Model::finds`], since where holes are is the filesystem's affair.
    Found(u64),
}

/// What can be seen of one name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) what: What,
    pub(crate) mode: u32,
    pub(crate) links: u64,
    /// Where a step set it and nothing changed it since.
    pub(crate) modified: Option<i64>,
    pub(crate) xattrs: BTreeMap<String, usize>,
}

/// What a name leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum What {
    Directory,
    Symlink(String),
    File(u64),
}

type Id = usize;

#[derive(Debug, Clone)]
enum Body {
    File(Vec<u8>),
    Directory(BTreeMap<&'static str, Id>),
    Symlink(String),
}

#[derive(Debug, Clone)]
struct Node {
    body: Body,
    mode: u32,
    modified: Option<i64>,
    xattrs: BTreeMap<String, usize>,
}

/// An open file.
#[derive(Debug, Clone)]
struct Open {
    node: Id,
    /// A peer's version took its place: what is written to it now would be a conflict, which other tests try.
    replaced: bool,
}

/// All of it.
#[derive(Debug, Clone)]
pub(crate) struct Model {
    nodes: Vec<Node>,
    open: [Option<Open>; SLOTS],
}

const ROOT: Id = 0;
type Result<T> = std::result::Result<T, Errno>;

impl Model {
    pub(crate) fn new() -> Model {
        let root = Node {
            body: Body::Directory(BTreeMap::new()),
            mode: 0o755,
            modified: None,
            xattrs: BTreeMap::new(),
        };
        Model { nodes: vec![root], open: Default::default() }
    }

    /// Makes a step; `None` for one that means nothing now, and is not to be made elsewhere either.
    pub(crate) fn step(&mut self, step: &Step) -> Option<Result<Answer>> {
        let done = |result: Result<()>| Some(result.map(|()| Answer::Done));
        match step {
            Step::Create { slot, path, exclusive } => {
                self.is_free(*slot)?;
                done(self.create(*slot, path, *exclusive))
            }
            Step::Open { slot, path, truncate } => {
                self.is_free(*slot)?;
                done(self.open(*slot, path, *truncate))
            }
            Step::Close { slot } => self.open.get_mut(*slot)?.take().map(|_| Ok(Answer::Done)),
            Step::Read { slot, at, length } => {
                let data = self.data(self.open[*slot].as_ref()?.node);
                let from = (*at as usize).min(data.len());
                let to = (from + length).min(data.len());
                Some(Ok(Answer::Bytes(data[from..to].to_vec())))
            }
            Step::Seek { slot, at, .. } => {
                let size = self.data(self.open[*slot].as_ref()?.node).len() as u64;
                Some(if *at < size { Ok(Answer::Found(0)) } else { Err(Errno::ENXIO) })
            }
            Step::Sync { slot } => self.open[*slot].as_ref().map(|_| Ok(Answer::Done)),
            Step::Write { .. }
            | Step::Map { .. }
            | Step::Resize { .. }
            | Step::Allocate { .. }
            | Step::Copy { .. } => self.change(step),
            Step::Cut { path, size } => {
                if self.find(path).is_ok_and(|id| self.is_replaced(id) || self.is_symlink(id)) {
                    return None;
                }
                done(self.cut(path, *size))
            }
            Step::Directory { path } => done(self.make_directory(path)),
            Step::Symlink { path, target } => done(self.make(path, Body::Symlink(nowhere(target)), 0o777)),
            Step::Remove { path } => done(self.remove(path)),
            Step::RemoveDirectory { path } => done(self.remove_directory(path)),
            Step::Rename { from, to, how } => done(self.rename(from, to, *how)),
            Step::Link { from, to } => done(self.link(from, to)),
            // Links have no permissions, and no attributes of users'; the kernel says so by itself.
            Step::Mode { path, .. } | Step::SetXattr { path, .. } | Step::RemoveXattr { path, .. }
                if self.find(path).is_ok_and(|id| self.is_symlink(id)) =>
            {
                None
            }
            Step::Mode { .. } | Step::Time { .. } | Step::SetXattr { .. } | Step::RemoveXattr { .. } => {
                done(self.attribute(step))
            }
            Step::Commit => Some(Ok(Answer::Done)),
            Step::Remount => {
                self.open = Default::default();
                Some(Ok(Answer::Done))
            }
            Step::Peer(elsewhere) => self.peer(elsewhere).then_some(Ok(Answer::Done)),
        }
    }

    /// Whether a seek from `at` may have found `found`.
    pub(crate) fn finds(&self, slot: usize, at: u64, hole: bool, found: u64) -> bool {
        let Some(open) = &self.open[slot] else { return false };
        let data = self.data(open.node);
        let (at, found) = (at as usize, found as usize);
        if hole {
            return at <= found && (found == data.len() || data.get(found) == Some(&0));
        }
        at <= found && found < data.len() && data[at..found].iter().all(|byte| *byte == 0)
    }

    /// Whether there is any data from `at` on.
    pub(crate) fn has_data(&self, slot: usize, at: u64) -> bool {
        self.open[slot]
            .as_ref()
            .is_some_and(|open| self.data(open.node).iter().skip(at as usize).any(|byte| *byte != 0))
    }

    /// Every name, by path.
    pub(crate) fn seen(&self) -> BTreeMap<String, Seen> {
        let mut seen = BTreeMap::new();
        self.look(ROOT, "", &mut seen);
        seen
    }

    /// The bytes of every file that has a name, by path.
    pub(crate) fn contents(&self) -> BTreeMap<String, Vec<u8>> {
        let seen = self.seen();
        let files = seen.keys().filter_map(|path| {
            let names: Vec<&str> = path.split('/').collect();
            match &self.nodes[self.find(&names).ok()?].body {
                Body::File(data) => Some((path.clone(), data.clone())),
                _ => None,
            }
        });
        files.collect()
    }

    /// The open files, with their whole content.
    pub(crate) fn opened(&self) -> Vec<(usize, Vec<u8>)> {
        let open = self.open.iter().enumerate();
        open.filter_map(|(slot, open)| Some((slot, self.data(open.as_ref()?.node).to_vec()))).collect()
    }

    fn look(&self, dir: Id, above: &str, seen: &mut BTreeMap<String, Seen>) {
        for (name, id) in self.children(dir) {
            let path = if above.is_empty() { (*name).to_owned() } else { format!("{above}/{name}") };
            let node = &self.nodes[*id];
            let what = match &node.body {
                Body::File(data) => What::File(data.len() as u64),
                Body::Symlink(target) => What::Symlink(target.clone()),
                Body::Directory(_) => What::Directory,
            };
            let (links, modified) = (self.links(*id), node.modified);
            seen.insert(
                path.clone(),
                Seen { what, mode: node.mode, links, modified, xattrs: node.xattrs.clone() },
            );
            if matches!(node.body, Body::Directory(_)) {
                self.look(*id, &path, seen);
            }
        }
    }

    fn links(&self, id: Id) -> u64 {
        if let Body::Directory(children) = &self.nodes[id].body {
            let directories =
                children.values().filter(|child| matches!(self.nodes[**child].body, Body::Directory(_)));
            return 2 + directories.count() as u64;
        }
        self.names_of(id).len() as u64
    }

    fn children(&self, dir: Id) -> &BTreeMap<&'static str, Id> {
        static NONE: BTreeMap<&str, Id> = BTreeMap::new();
        match &self.nodes[dir].body {
            Body::Directory(children) => children,
            _ => &NONE,
        }
    }

    fn children_mut(&mut self, dir: Id) -> Option<&mut BTreeMap<&'static str, Id>> {
        self.nodes[dir].modified = None;
        match &mut self.nodes[dir].body {
            Body::Directory(children) => Some(children),
            _ => None,
        }
    }

    /// The directories and names that lead to a node.
    fn names_of(&self, id: Id) -> Vec<(Id, &'static str)> {
        let mut names = Vec::new();
        let mut todo = vec![ROOT];
        while let Some(dir) = todo.pop() {
            for (name, child) in self.children(dir) {
                if *child == id {
                    names.push((dir, *name));
                }
                if matches!(self.nodes[*child].body, Body::Directory(_)) {
                    todo.push(*child);
                }
            }
        }
        names
    }

    fn data(&self, id: Id) -> &[u8] {
        match &self.nodes[id].body {
            Body::File(data) => data,
            _ => &[],
        }
    }

    fn is_symlink(&self, id: Id) -> bool {
        matches!(self.nodes[id].body, Body::Symlink(_))
    }

    fn is_replaced(&self, id: Id) -> bool {
        self.open.iter().flatten().any(|open| open.node == id && open.replaced)
    }

    fn is_free(&self, slot: usize) -> Option<()> {
        self.open[slot].is_none().then_some(())
    }

    fn find(&self, names: &[&str]) -> Result<Id> {
        let mut at = ROOT;
        for name in names {
            at = match &self.nodes[at].body {
                Body::Directory(children) => *children.get(name).ok_or(Errno::ENOENT)?,
                // Links lead nowhere.
                Body::Symlink(_) => return Err(Errno::ENOENT),
                Body::File(_) => return Err(Errno::ENOTDIR),
            };
        }
        Ok(at)
    }

    fn place(&self, path: &Path) -> Result<(Id, &'static str)> {
        let (name, above) = path.split_last().ok_or(Errno::ENOENT)?;
        let dir = self.find(above)?;
        match self.nodes[dir].body {
            Body::Directory(_) => Ok((dir, name)),
            Body::Symlink(_) => Err(Errno::ENOENT),
            Body::File(_) => Err(Errno::ENOTDIR),
        }
    }

    fn make(&mut self, path: &Path, body: Body, mode: u32) -> Result<()> {
        let (dir, name) = self.place(path)?;
        if self.children(dir).contains_key(name) {
            return Err(Errno::EEXIST);
        }
        let id = self.add(body, mode);
        self.enter(dir, name, id);
        Ok(())
    }

    /// The bit that gives a directory's group to what is in it goes on to directories.
    fn make_directory(&mut self, path: &Path) -> Result<()> {
        let (dir, _) = self.place(path)?;
        let mode = 0o755 | (self.nodes[dir].mode & 0o2000);
        self.make(path, Body::Directory(BTreeMap::new()), mode)
    }

    fn add(&mut self, body: Body, mode: u32) -> Id {
        self.nodes.push(Node { body, mode, modified: None, xattrs: BTreeMap::new() });
        self.nodes.len() - 1
    }

    fn enter(&mut self, dir: Id, name: &'static str, id: Id) {
        if let Some(children) = self.children_mut(dir) {
            children.insert(name, id);
        }
    }

    fn leave(&mut self, dir: Id, name: &'static str) {
        if let Some(children) = self.children_mut(dir) {
            children.remove(name);
        }
    }

    fn create(&mut self, slot: usize, path: &Path, exclusive: bool) -> Result<()> {
        let (dir, name) = self.place(path)?;
        match self.children(dir).get(name).copied() {
            Some(_) if exclusive => Err(Errno::EEXIST),
            Some(_) => self.open(slot, path, false),
            None => {
                let node = self.add(Body::File(Vec::new()), 0o644);
                self.enter(dir, name, node);
                self.open[slot] = Some(Open { node, replaced: false });
                Ok(())
            }
        }
    }

    fn open(&mut self, slot: usize, path: &Path, truncate: bool) -> Result<()> {
        let node = self.find(path)?;
        match &self.nodes[node].body {
            Body::Directory(_) => return Err(Errno::EISDIR),
            // Opened so that a link is not followed.
            Body::Symlink(_) => return Err(Errno::ELOOP),
            Body::File(_) => {}
        }
        if truncate {
            self.write_to(node, |data| data.clear());
        }
        self.open[slot] = Some(Open { node, replaced: false });
        Ok(())
    }

    fn write_to(&mut self, id: Id, change: impl FnOnce(&mut Vec<u8>)) {
        self.nodes[id].modified = None;
        if let Body::File(data) = &mut self.nodes[id].body {
            change(data);
        }
    }

    fn cut(&mut self, path: &Path, size: u64) -> Result<()> {
        let node = self.find(path)?;
        match &self.nodes[node].body {
            Body::Directory(_) => Err(Errno::EISDIR),
            _ => {
                self.write_to(node, |data| data.resize(size as usize, 0));
                Ok(())
            }
        }
    }

    /// Steps that change the bytes of an open file.
    fn change(&mut self, step: &Step) -> Option<Result<Answer>> {
        let target = match step {
            Step::Write { slot, .. }
            | Step::Map { slot, .. }
            | Step::Resize { slot, .. }
            | Step::Allocate { slot, .. } => *slot,
            Step::Copy { to, .. } => *to,
            _ => return None,
        };
        let open = self.open[target].clone().filter(|open| !open.replaced)?;
        let size = self.data(open.node).len();
        match step {
            Step::Write { at, length, seed, .. } => {
                let new = bytes(*seed, *at, *length);
                self.write_to(open.node, |data| put(data, *at as usize, &new));
            }
            Step::Map { at, length, seed, .. } => {
                let length = (*length).min(size.saturating_sub(*at as usize));
                if length == 0 {
                    return None;
                }
                let new = bytes(*seed, *at, length);
                self.write_to(open.node, |data| put(data, *at as usize, &new));
            }
            Step::Resize { size, .. } => self.write_to(open.node, |data| data.resize(*size as usize, 0)),
            Step::Allocate { at, length, space, .. } => {
                let (at, end) = (*at as usize, (at + length) as usize);
                self.write_to(open.node, |data| {
                    if matches!(space, Space::Punch | Space::Zero) {
                        let end = end.min(data.len());
                        data.get_mut(at.min(end)..end).into_iter().for_each(|part| part.fill(0));
                    }
                    if matches!(space, Space::Reserve | Space::Zero) && end > data.len() {
                        data.resize(end, 0);
                    }
                });
            }
            Step::Copy { from, from_at, to_at, length, .. } => {
                let source = self.open[*from].as_ref()?;
                let overlaps = source.node == open.node && from_at.abs_diff(*to_at) < *length;
                if overlaps {
                    return None;
                }
                let data = self.data(source.node);
                let from_at = (*from_at as usize).min(data.len());
                let copied = data[from_at..(from_at + *length as usize).min(data.len())].to_vec();
                if !copied.is_empty() {
                    self.write_to(open.node, |data| put(data, *to_at as usize, &copied));
                }
                return Some(Ok(Answer::Copied(copied.len() as u64)));
            }
            _ => return None,
        }
        Some(Ok(Answer::Done))
    }

    fn remove(&mut self, path: &Path) -> Result<()> {
        let (dir, name) = self.place(path)?;
        let id = self.find(path)?;
        if matches!(self.nodes[id].body, Body::Directory(_)) {
            return Err(Errno::EISDIR);
        }
        self.leave(dir, name);
        Ok(())
    }

    fn remove_directory(&mut self, path: &Path) -> Result<()> {
        let (dir, name) = self.place(path)?;
        match &self.nodes[self.find(path)?].body {
            Body::Directory(children) if children.is_empty() => {}
            Body::Directory(_) => return Err(Errno::ENOTEMPTY),
            _ => return Err(Errno::ENOTDIR),
        }
        self.leave(dir, name);
        Ok(())
    }

    fn rename(&mut self, from: &Path, to: &Path, how: How) -> Result<()> {
        let (from_place, to_place) = (self.place(from)?, self.place(to)?);
        let source = self.find(from)?;
        let target = self.find(to).ok();
        let below = |above: &Path, path: &Path| path.len() > above.len() && path.starts_with(above);
        if how == How::NoReplace && target.is_some() {
            return Err(Errno::EEXIST);
        }
        if how == How::Exchange && target.is_none() {
            return Err(Errno::ENOENT);
        }
        if below(from, to) {
            return Err(Errno::EINVAL);
        }
        if below(to, from) {
            return Err(if how == How::Exchange { Errno::EINVAL } else { Errno::ENOTEMPTY });
        }
        if target == Some(source) {
            return Ok(());
        }
        if let (How::Exchange, Some(target)) = (how, target) {
            self.enter(from_place.0, from_place.1, target);
            self.enter(to_place.0, to_place.1, source);
            return Ok(());
        }
        if let Some(target) = target {
            self.may_replace(source, target)?;
        }
        self.leave(from_place.0, from_place.1);
        self.enter(to_place.0, to_place.1, source);
        Ok(())
    }

    fn may_replace(&self, source: Id, target: Id) -> Result<()> {
        match (&self.nodes[source].body, &self.nodes[target].body) {
            (Body::Directory(_), Body::Directory(children)) if !children.is_empty() => Err(Errno::ENOTEMPTY),
            (Body::Directory(_), Body::Directory(_)) => Ok(()),
            (Body::Directory(_), _) => Err(Errno::ENOTDIR),
            (_, Body::Directory(_)) => Err(Errno::EISDIR),
            _ => Ok(()),
        }
    }

    fn link(&mut self, from: &Path, to: &Path) -> Result<()> {
        let source = self.find(from)?;
        let (dir, name) = self.place(to)?;
        if self.children(dir).contains_key(name) {
            return Err(Errno::EEXIST);
        }
        if matches!(self.nodes[source].body, Body::Directory(_)) {
            return Err(Errno::EPERM);
        }
        self.enter(dir, name, source);
        Ok(())
    }

    fn attribute(&mut self, step: &Step) -> Result<()> {
        let (Step::Mode { path, .. }
        | Step::Time { path, .. }
        | Step::SetXattr { path, .. }
        | Step::RemoveXattr { path, .. }) = step
        else {
            return Err(Errno::EINVAL);
        };
        let id = self.find(path)?;
        let node = &mut self.nodes[id];
        match step {
            Step::Mode { mode, .. } => node.mode = *mode,
            Step::Time { seconds, .. } => node.modified = Some(*seconds),
            Step::SetXattr { name, length, .. } => drop(node.xattrs.insert(format!("user.{name}"), *length)),
            Step::RemoveXattr { name, .. } => {
                node.xattrs.remove(&format!("user.{name}")).ok_or(Errno::ENODATA)?;
            }
            _ => return Err(Errno::EINVAL),
        }
        Ok(())
    }

    /// What a peer did has been merged: as if another process had done it, but for new contents, which are
    /// new files under the old names.
    fn peer(&mut self, elsewhere: &Elsewhere) -> bool {
        match elsewhere {
            Elsewhere::Put { path, length, seed } => match self.find(path) {
                Ok(old) if matches!(self.nodes[old].body, Body::File(_)) => {
                    self.replace(old, bytes(*seed, 0, *length));
                    true
                }
                Ok(_) => false,
                Err(_) => self.make(path, Body::File(bytes(*seed, 0, *length)), 0o644).is_ok(),
            },
            Elsewhere::Remove { path } => {
                let id = self.find(path);
                let done = self.remove(path).is_ok();
                if let (true, Ok(id)) = (done, id)
                    && self.names_of(id).is_empty()
                {
                    self.mark_replaced(id);
                }
                done
            }
            Elsewhere::Rename { from, to } => {
                let target = self.find(to);
                let done = self.rename(from, to, How::Replace).is_ok();
                if let (true, Ok(target)) = (done, target)
                    && self.names_of(target).is_empty()
                {
                    self.mark_replaced(target);
                }
                done
            }
            Elsewhere::Directory { path } => self.make(path, Body::Directory(BTreeMap::new()), 0o755).is_ok(),
        }
    }

    fn replace(&mut self, old: Id, content: Vec<u8>) {
        let names = self.names_of(old);
        let mut node = self.nodes[old].clone();
        node.modified = None;
        node.body = Body::File(content);
        self.nodes.push(node);
        let new = self.nodes.len() - 1;
        self.mark_replaced(old);
        for (dir, name) in names {
            let modified = self.nodes[dir].modified;
            self.enter(dir, name, new);
            self.nodes[dir].modified = modified;
        }
    }

    fn mark_replaced(&mut self, id: Id) {
        self.open.iter_mut().flatten().filter(|open| open.node == id).for_each(|open| open.replaced = true);
    }
}

/// Where a link points: to nothing.
pub(crate) fn nowhere(target: &Path) -> String {
    format!("nowhere/{}", target.join("/"))
}

fn put(data: &mut Vec<u8>, at: usize, new: &[u8]) {
    data.resize(data.len().max(at + new.len()), 0);
    data[at..at + new.len()].copy_from_slice(new);
}
