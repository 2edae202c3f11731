//! From the numbers of a step to an operation on what there is, run beside the plain tree.

use super::plain::{Item, Path, Plain, Refused, token};
use super::replica::{AllNodes, Handle};
use super::scratch::Shown;
use super::tokens::What;
use super::world::{Check, World, check_touched};
use super::{Act, Step};
use crate::vault::view::naming::may_be_tombstone;
use crate::vault::{
    Attr, AttrPatch, Data, Delta, Name, NewNode, NodeId, Outcome, Renamed, Replace, Tree, VaultError, Write,
};

const NAMES: [&str; 3] = ["a", "b.x", "c"];

/// What is noted of a path's file, by its node.
type Clean = fn(NodeId) -> What;

type Ran = Result<Outcome<Option<NodeId>>, VaultError>;

/// A local operation about to run: how the plain tree takes it, and how the vault does.
struct Plan {
    told: String,
    expected: Result<Plain, Refused>,
    /// Whether names of tombstones may change.
    tow: bool,
    /// The content it makes.
    makes: Option<u64>,
    /// The path whose file is deleted or moved, if it does only that.
    clean: Option<(Path, Clean)>,
}

pub(super) fn attr() -> Attr {
    Attr { mode: 0o644, uid: 0, gid: 0, mtime: 0, birth: 0, xattrs: Default::default() }
}

fn directory_of(plain: &Plain, path: &[Name]) -> NodeId {
    match plain.0.get(path).map(|item| &item.shown) {
        Some(Shown::Directory(id)) => *id,
        _ => NodeId::ROOT,
    }
}

/// The directory and the name of a path.
fn ends<'p>(plain: &Plain, path: &'p Path) -> (NodeId, &'p Name) {
    let (name, above) = path.split_last().unwrap();
    (directory_of(plain, above), name)
}

fn same<T>(outcome: Outcome<T>, node: Option<NodeId>) -> Outcome<Option<NodeId>> {
    Outcome { value: node, delta: outcome.delta, touched: outcome.touched, undo: outcome.undo }
}

impl World {
    fn fresh(&mut self, pick: usize) -> (u64, String) {
        self.next_token += 1;
        let token = 1000 + self.next_token;
        (token, if self.unique { token.to_string() } else { ["x", "y"][pick % 2].to_owned() })
    }

    /// A path that is there; every other time one in conflict, if there is one.
    fn pick_path(&self, plain: &Plain, pick: usize, fits: impl Fn(&Path, &Item) -> bool) -> Option<Path> {
        let contested = |path: &Path| {
            let beside = |other: &Path| {
                other.len() == path.len() && other[..other.len() - 1] == path[..path.len() - 1]
            };
            plain.0.iter().any(|(other, item)| matches!(item.shown, Shown::Tombstone { .. }) && beside(other))
        };
        let all: Vec<&Path> =
            plain.0.iter().filter(|(path, item)| fits(path, item)).map(|(path, _)| path).collect();
        let hot: Vec<&Path> = all.iter().filter(|path| contested(path)).copied().collect();
        let from = if pick % 2 == 1 && !hot.is_empty() { &hot } else { &all };
        (!from.is_empty()).then(|| from[pick / 2 % from.len()].clone())
    }

    /// A name of the few there are, in one of the directories near the root.
    fn pick_name(&self, plain: &Plain, pick: usize) -> Path {
        let near = |path: &&Path| path.len() < 2 && directory_of(plain, path) != NodeId::ROOT;
        let mut dirs: Vec<Path> = vec![Vec::new()];
        dirs.extend(plain.0.keys().filter(near).cloned());
        let mut path = dirs[pick / 3 % dirs.len()].clone();
        path.push(Name::new(NAMES[pick % 3]).unwrap());
        path
    }

    pub(super) fn local(&mut self, step: &Step) -> Check {
        let shot = self.replicas[step.who].shot();
        let plain = &shot.plain;
        let [a, b, c] = step.picks;
        let is_file = |_: &Path, item: &Item| matches!(item.shown, Shown::File { .. });
        let is_tombstone = |_: &Path, item: &Item| matches!(item.shown, Shown::Tombstone { .. });
        let any = |_: &Path, _: &Item| true;
        let target = self.pick_name(plain, b);
        match step.act {
            Act::Create | Act::Mkdir | Act::Symlink => {
                let (token, text) = self.fresh(c);
                let data = match step.act {
                    Act::Mkdir => None,
                    Act::Symlink => Some(Data::Target(text.into_bytes())),
                    _ => Some(Data::inline(if c % 5 == 0 { String::new() } else { text })),
                };
                self.make(step.who, plain, &target, data, token)
            }
            Act::Write | Act::Truncate => {
                let Some(path) = self.pick_path(plain, a, is_plain_file) else { return Ok(()) };
                let (token, text) = self.fresh(c);
                let data = Data::inline(if step.act == Act::Truncate { String::new() } else { text });
                self.write_path(step.who, plain, &path, data, token)
            }
            Act::Unlink => {
                self.pick_path(plain, a, is_file).map_or(Ok(()), |path| self.unlink(step.who, plain, &path))
            }
            Act::TombstoneRemove => self
                .pick_path(plain, a, is_tombstone)
                .map_or(Ok(()), |path| self.unlink(step.who, plain, &path)),
            Act::Rmdir => {
                let fits = |_: &Path, item: &Item| item.data.is_none();
                self.pick_path(plain, a, fits).map_or(Ok(()), |path| self.rmdir(step.who, plain, &path))
            }
            Act::Rename => {
                let onto = if c % 4 == 0 { self.pick_path(plain, b, any) } else { Some(target) };
                let from = self.pick_path(plain, a, |path, item| !is_tombstone(path, item));
                self.rename(step.who, plain, from, onto, Replace::Allowed)
            }
            Act::TombstoneMove => {
                let from = self.pick_path(plain, a, is_tombstone);
                let onto = if c % 4 == 0 { self.pick_path(plain, b, any) } else { Some(target) };
                self.rename(step.who, plain, from, onto, Replace::Allowed)
            }
            Act::TombstoneRestore => self.put_back(step.who, plain, a),
            Act::Exchange => {
                let (from, onto) = (self.pick_path(plain, a, any), self.pick_path(plain, b, any));
                self.rename(step.who, plain, from, onto, Replace::Exchange)
            }
            Act::Link => self
                .pick_path(plain, a, is_file)
                .map_or(Ok(()), |path| self.link(step.who, plain, &path, &target)),
            Act::Chmod => {
                self.pick_path(plain, a, is_file).map_or(Ok(()), |path| self.chmod(step.who, plain, &path, b))
            }
            Act::Save => self.save(step.who, plain, a, c),
            Act::Open => {
                let Some(path) = self.pick_path(plain, a, is_plain_file) else { return Ok(()) };
                let Some(Item { shown: Shown::File { node, .. }, .. }) = plain.0.get(&path) else {
                    return Ok(());
                };
                let base = self.replicas[step.who].tree.base(node).unwrap();
                self.replicas[step.who].handles.push(Handle { node: *node, base });
                Ok(())
            }
            Act::HandleWrite => self.write_handle(step.who, a, c),
            _ => Ok(()),
        }
    }

    pub(super) fn make(
        &mut self,
        who: usize,
        plain: &Plain,
        path: &Path,
        data: Option<Data>,
        number: u64,
    ) -> Check {
        let mut expected = plain.clone();
        let made = expected.make(path, Shown::Directory(NodeId::ROOT), data.clone());
        let makes = data.as_ref().and_then(token).filter(|_| made.is_ok());
        let plan = Plan {
            told: format!("make {path:?} {number}"),
            expected: made.map(|()| expected),
            tow: false,
            makes,
            clean: None,
        };
        let (dir, name) = ends(plain, path);
        let new = NewNode { attr: attr(), data };
        self.execute(who, plain, plan, |tree, draw| {
            tree.create(&dir, name, new, draw).map(|it| same(it, None))
        })
    }

    fn write_path(&mut self, who: usize, plain: &Plain, path: &Path, data: Data, number: u64) -> Check {
        let Some(Item { shown: Shown::File { node, .. }, .. }) = plain.0.get(path).cloned() else {
            return Ok(());
        };
        let mut expected = plain.clone();
        let wrote = expected.write(path, &data);
        let plan = Plan {
            told: format!("write {path:?} {number}"),
            expected: wrote.map(|()| expected),
            // An empty content lets what stands beside other names of the file have them.
            tow: data.is_empty(),
            makes: token(&data),
            clean: None,
        };
        self.execute(who, plain, plan, |tree, draw| {
            let base = tree.base(&node)?;
            let write = Write { base, data, attr: AttrPatch::default() };
            tree.write(&node, write, draw).map(|it| same(it, None))
        })
    }

    /// A write to a path, if a file is there.
    pub(super) fn overwrite(&mut self, who: usize, plain: &Plain, path: &Path, new: (Data, u64)) -> Check {
        match plain.0.get(path) {
            Some(item) if is_plain_file(path, item) => self.write_path(who, plain, path, new.0, new.1),
            _ => Ok(()),
        }
    }

    fn write_handle(&mut self, who: usize, pick: usize, content: usize) -> Check {
        let count = self.replicas[who].handles.len();
        if count == 0 {
            return Ok(());
        }
        let index = pick % count;
        let handle = self.replicas[who].handles[index].clone();
        let (number, text) = self.fresh(content);
        let before = self.replicas[who].shot();
        let data = Data::inline(text);
        let write = Write { base: handle.base.clone(), data: data.clone(), attr: AttrPatch::default() };
        self.tell(format!("{who}: handle writes {number}"));
        let done = match self.replicas[who].operate(|tree, draw| tree.write(&handle.node, write, draw)) {
            Ok(done) => done,
            Err(VaultError::NotFound) => return Ok(()),
            Err(other) => return Err(other.to_string()),
        };
        let added = done.delta.as_ref().and_then(|delta| {
            let change = delta.changes.iter().find(|(id, _)| *id == handle.node)?;
            Some(change.1.data.added.last()?.0)
        });
        if let Some(stamp) = added {
            self.replicas[who].handles[index].base = vec![stamp];
        }
        self.note(who, (&before.plain, &before.nodes), token(&data), done.delta.as_ref(), None)
    }

    pub(super) fn unlink(&mut self, who: usize, plain: &Plain, path: &Path) -> Check {
        let mut expected = plain.clone();
        let gone = expected.unlink(path);
        let plan = Plan {
            told: format!("unlink {path:?}"),
            expected: gone.map(|()| expected),
            // A tombstone that had counted up may take a name that comes free.
            tow: path.last().is_some_and(|name| may_be_tombstone(name)),
            makes: None,
            clean: Some((path.clone(), What::Deleted as Clean)),
        };
        let (dir, name) = ends(plain, path);
        self.execute(who, plain, plan, |tree, draw| tree.unlink(&dir, name, draw).map(|it| same(it, None)))
    }

    pub(super) fn rmdir(&mut self, who: usize, plain: &Plain, path: &Path) -> Check {
        let mut expected = plain.clone();
        let gone = expected.rmdir(path);
        let plan = Plan {
            told: format!("rmdir {path:?}"),
            expected: gone.map(|()| expected),
            tow: false,
            makes: None,
            clean: None,
        };
        let (dir, name) = ends(plain, path);
        self.execute(who, plain, plan, |tree, draw| tree.rmdir(&dir, name, draw).map(|it| same(it, None)))
    }

    pub(super) fn rename(
        &mut self,
        who: usize,
        plain: &Plain,
        from: Option<Path>,
        to: Option<Path>,
        how: Replace,
    ) -> Check {
        let (Some(from), Some(to)) = (from, to) else { return Ok(()) };
        let mut expected = plain.clone();
        let moved = match how {
            Replace::Exchange => expected.exchange(&from, &to),
            _ => expected.rename(&from, &to),
        };
        let alone = how == Replace::Allowed && !plain.0.contains_key(&to);
        let plan = Plan {
            told: format!("rename {how:?} {from:?} {to:?}"),
            expected: moved.map(|()| expected),
            tow: true,
            makes: None,
            clean: alone.then(|| (from.clone(), What::Moved as Clean)),
        };
        let (dir, name) = ends(plain, &from);
        let (new_dir, new_name) = ends(plain, &to);
        self.execute(who, plain, plan, |tree, draw| {
            tree.rename((&dir, name), (&new_dir, new_name), how, None, draw).map(|it| same(it, None))
        })
    }

    /// Renames a tombstone over the name that it stands beside.
    fn put_back(&mut self, who: usize, plain: &Plain, pick: usize) -> Check {
        let conflicts = self.replicas[who].tree.scene().conflicts().map_err(|error| error.to_string())?;
        if conflicts.is_empty() {
            return Ok(());
        }
        let conflict = &conflicts[pick % conflicts.len()];
        let path = |name: &Name| conflict.directory.iter().chain([name]).cloned().collect::<Path>();
        let (from, to) = (path(&conflict.tombstone.name), path(&conflict.tombstone.beside));
        self.rename(who, plain, Some(from), Some(to), Replace::Allowed)
    }

    pub(super) fn link(&mut self, who: usize, plain: &Plain, from: &Path, to: &Path) -> Check {
        let Some(Item { shown: Shown::File { node, .. }, .. }) = plain.0.get(from).cloned() else {
            return Ok(());
        };
        let mut expected = plain.clone();
        let linked = expected.link(from, to);
        let plan = Plan {
            told: format!("link {from:?} {to:?}"),
            expected: linked.map(|()| expected),
            tow: true,
            makes: None,
            clean: Some((from.clone(), What::Moved as Clean)),
        };
        let (dir, name) = ends(plain, to);
        self.named.entry(node).or_default().linked = true;
        self.execute(who, plain, plan, |tree, draw| {
            tree.link(&node, &dir, name, draw).map(|it| same(it, None))
        })
    }

    fn chmod(&mut self, who: usize, plain: &Plain, path: &Path, mode: usize) -> Check {
        let Some(Item { shown: Shown::File { node, .. }, .. }) = plain.0.get(path).cloned() else {
            return Ok(());
        };
        let plan = Plan {
            told: format!("chmod {path:?}"),
            expected: Ok(plain.clone()),
            tow: false,
            makes: None,
            clean: None,
        };
        let patch = AttrPatch { mode: Some(mode as u32), ..AttrPatch::default() };
        self.execute(who, plain, plan, |tree, draw| {
            tree.set_attr(&node, &patch, draw).map(|it| same(it, None))
        })
    }

    fn save(&mut self, who: usize, plain: &Plain, pick: usize, content: usize) -> Check {
        let Some(path) = self.pick_path(plain, pick, is_plain_file) else { return Ok(()) };
        let (number, text) = self.fresh(content);
        self.save_as(who, plain, &path, (number, text))
    }

    /// An editor's save of a path, if a file is there.
    pub(super) fn save_path(&mut self, who: usize, plain: &Plain, path: &Path, number: u64) -> Check {
        match plain.0.get(path) {
            Some(item) if is_plain_file(path, item) => {
                self.save_as(who, plain, path, (number, number.to_string()))
            }
            _ => Ok(()),
        }
    }

    /// What an editor does: a new file beside the old, renamed over it.
    fn save_as(&mut self, who: usize, plain: &Plain, path: &Path, (number, text): (u64, String)) -> Check {
        let mut beside = path.clone();
        beside.pop();
        beside.push(Name::new("tmp").unwrap());
        self.make(who, plain, &beside, Some(Data::inline(text)), number)?;
        // A file of that name may have been there, left by a save of a tombstone's name.
        let expects_save = !plain.0.contains_key(&beside);
        let shot = self.replicas[who].shot();
        let plain = &shot.plain;
        let mut expected = plain.clone();
        let plan = Plan {
            told: format!("save {path:?} {number}"),
            expected: expected.rename(&beside, path).map(|()| expected),
            tow: false,
            makes: None,
            clean: None,
        };
        let (dir, name) = ends(plain, &beside);
        let (new_dir, new_name) = ends(plain, path);
        let links = plain.0.values().filter(|item| shows_same(item, plain.0.get(path))).count();
        let mut saved = false;
        self.execute(who, plain, plan, |tree, draw| {
            let done = tree.rename((&dir, name), (&new_dir, new_name), Replace::Allowed, None, draw)?;
            saved = matches!(done.value, Renamed::Saved { .. });
            Ok(same(done, None))
        })?;
        let wanted = links == 1 && expects_save;
        if saved == wanted {
            Ok(())
        } else {
            Err(format!("an editor's save: {wanted}, taken for one: {saved}"))
        }
    }

    /// Runs the operation on both trees and compares.
    fn execute(
        &mut self,
        who: usize,
        plain: &Plain,
        plan: Plan,
        act: impl FnOnce(&mut Tree, &mut dyn FnMut() -> [u8; 12]) -> Ran,
    ) -> Check {
        self.tell(format!("{who}: {}", plan.told));
        let before = self.replicas[who].shot();
        let ran = self.replicas[who].operate(act);
        match (ran, plan.expected) {
            (Ok(done), Ok(expected)) => {
                let after = self.replicas[who].shot();
                expected.agrees(&after.plain, plan.tow, !self.unique)?;
                check_touched(&before.paths, &self.replicas[who], &done.touched)?;
                self.note(who, (plain, &before.nodes), plan.makes, done.delta.as_ref(), plan.clean)
            }
            (Err(_), Err(Refused)) if before.nodes == self.replicas[who].nodes() => Ok(()),
            (Err(error), Err(Refused)) => Err(format!("refused with {error}, and changed something")),
            (Err(error), Ok(_)) => Err(format!("refused with {error} what POSIX does")),
            (Ok(_), Err(Refused)) => Err("did what POSIX refuses".into()),
        }
    }

    /// Tells the oracle of contents what happened, and drops handles on what was removed here.
    fn note(
        &mut self,
        who: usize,
        (before, nodes_before): (&Plain, &AllNodes),
        makes: Option<u64>,
        delta: Option<&Delta>,
        clean: Option<(Path, Clean)>,
    ) -> Check {
        self.note_names(nodes_before, delta)?;
        let replica = &mut self.replicas[who];
        let shot = replica.shot();
        let now = &shot.plain;
        let after = now.tokens();
        let simple = clean.and_then(|(path, what)| {
            let (token, node) = simple_token(before, &path)?;
            Some((token, what(node)))
        });
        let mut number = (self.next_token * 8 + who as u64) * 1000;
        let mut next = || {
            number += 1;
            number
        };
        let nodes: Vec<NodeId> = delta
            .iter()
            .flat_map(|delta| &delta.changes)
            .filter_map(|(id, change)| {
                let placed = change.places.added.iter().any(|(_, place)| place.is_at());
                (placed || !change.data.added.is_empty()).then_some(*id)
            })
            .collect();
        for id in nodes {
            let node = replica.tree.node(&id).unwrap();
            let tokens: Vec<u64> =
                node.iter().flat_map(|node| node.data.iter()).filter_map(|(_, data)| token(data)).collect();
            replica.knowledge.touch(next(), id, tokens.into_iter());
        }
        for (id, change) in delta.iter().flat_map(|delta| &delta.changes) {
            // What was hidden may be dropped too: removed before, and now by someone who knew.
            let old = nodes_before.get(id).into_iter().flat_map(|node| node.data.iter());
            let dropped = old.filter(|(stamp, _)| change.data.removed.contains(stamp));
            for token in dropped.filter_map(|(_, data)| token(data)) {
                if !after.contains(&token) && !before.tokens().contains(&token) {
                    replica.knowledge.note(next(), token, What::Dropped);
                }
            }
        }
        for token in before.tokens().difference(&after) {
            let deleted = simple.filter(|(of, what)| of == token && matches!(what, What::Deleted(_)));
            replica.knowledge.note(next(), *token, deleted.map_or(What::Dropped, |(_, what)| what));
        }
        for token in before.tokens().intersection(&after) {
            if now.shows(*token) < before.shows(*token) {
                replica.knowledge.note(next(), *token, What::Unlinked);
            }
        }
        if let Some((token, what @ What::Moved(_))) = simple {
            replica.knowledge.note(next(), token, what);
        }
        if let Some(token) = makes {
            replica.knowledge.make(token);
        }
        self.next_token += 1;
        let scene = replica.tree.scene();
        let live = |handle: &Handle| scene.is_live(&handle.node).unwrap();
        let handles = replica.handles.iter().filter(|handle| live(handle)).cloned().collect();
        replica.handles = handles;
        Ok(())
    }

    /// Notes which nodes an operation made, and which it named.
    fn note_names(&mut self, before: &AllNodes, delta: Option<&Delta>) -> Check {
        let Some(delta) = delta else { return Ok(()) };
        for (id, change) in &delta.changes {
            if !before.contains_key(id) && !self.made.insert(*id) {
                return Err(format!("{id:?} is made a second time"));
            }
            if before.contains_key(id) && change.places.added.iter().any(|(_, place)| place.is_at()) {
                let life = self.lost.get(&delta.replica).copied().unwrap_or_default();
                self.named.entry(*id).or_default().authors.insert((delta.replica, life));
            }
        }
        Ok(())
    }
}

fn is_plain_file(path: &Path, item: &Item) -> bool {
    matches!((&item.shown, &item.data), (Shown::File { .. }, Some(Data::Content(_))))
        && !may_be_tombstone(path.last().unwrap())
}

fn shows_same(item: &Item, other: Option<&Item>) -> bool {
    match (&item.shown, other.map(|other| &other.shown)) {
        (Shown::File { node, .. }, Some(Shown::File { node: other, .. })) => node == other,
        _ => false,
    }
}

/// The content of a file without conflict or second name, and its node.
fn simple_token(plain: &Plain, path: &Path) -> Option<(u64, NodeId)> {
    let item = plain.0.get(path)?;
    let Shown::File { node, .. } = item.shown else { return None };
    let of_node = plain.0.values().filter(|other| match other.shown {
        Shown::File { node: other, .. } | Shown::Tombstone { node: other, .. } => other == node,
        Shown::Directory(_) => false,
    });
    let contested = plain.0.iter().any(|(other, item)| {
        matches!(item.shown, Shown::Tombstone { .. })
            && other.len() == path.len()
            && other[..other.len() - 1] == path[..path.len() - 1]
    });
    // A tombstone that was settled is a copy: to move or remove it says nothing of the file it stood beside.
    if of_node.count() > 1 || contested || may_be_tombstone(path.last()?) {
        return None;
    }
    Some((token(item.data.as_ref()?)?, node))
}
