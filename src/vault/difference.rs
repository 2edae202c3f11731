//! What differs between two states, by path, as a person would tell it: added, removed, changed, moved.
//!
//! Looks only at what the two tries do not have in common: a directory that moved is one line, however much
//! is in it.

use std::collections::{BTreeMap, BTreeSet};

use super::error::{Result, VaultError};
use super::past::Past;
use super::vault::Vault;
use super::{Attr, Data, Entry, Kind, Name, NodeId, Place};

/// Something that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Its path; in the older state if it was removed.
    pub path: Vec<Name>,
    /// Its path in the older state, if that was another.
    pub from: Option<Vec<Name>>,
    /// In which way.
    pub how: How,
    /// What it is.
    pub kind: Kind,
    /// Bytes before and after, of a file that was there.
    pub sizes: (Option<u64>, Option<u64>),
    /// Whether it is a tombstone file.
    pub tombstone: bool,
}

/// How two states differ in something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// It is new.
    Added,
    /// It is gone.
    Removed,
    /// It holds something else.
    Content,
    /// It holds the same under other attributes.
    Attributes,
    /// It has another name or is in another directory. It may hold something else as well.
    Moved {
        /// Whether it does.
        changed: bool,
    },
}

/// What a path shows in one state.
#[derive(Clone, PartialEq)]
struct Sight {
    entry: (NodeId, bool),
    kind: Kind,
    attr: Attr,
    data: Option<Data>,
}

type Path = Vec<Name>;

impl Vault {
    /// What differs between two states, by path. For threads that may wait.
    ///
    /// # Errors
    /// Objects that are missing or damaged; the disk.
    pub fn difference(&self, old: &Past, new: &Past) -> Result<Vec<Difference>> {
        let paths = self.paths_touched(old, new)?;
        let mut differences = Vec::new();
        let (mut gone, mut came) = (Vec::new(), Vec::new());
        for path in paths {
            match (sight(old, &path)?, sight(new, &path)?) {
                (None, None) => {}
                (Some(before), None) => gone.push((path, before)),
                (None, Some(after)) => came.push((path, after)),
                // A name that something else has now: what is compared is what it shows.
                (Some(before), Some(after)) if before.kind != after.kind => {
                    gone.push((path.clone(), before));
                    came.push((path, after));
                }
                (Some(before), Some(after)) => {
                    differences.extend(
                        how(&before, &after).map(|how| told(&path, how, Some(&before), Some(&after))),
                    );
                }
            }
        }
        pair(old, new, gone, came, &mut differences)?;
        differences.sort_by(|a, b| (&a.path, a.how == How::Added).cmp(&(&b.path, b.how == How::Added)));
        Ok(differences)
    }

    /// The paths at which anything may show that differs.
    fn paths_touched(&self, old: &Past, new: &Past) -> Result<BTreeSet<Path>> {
        let mut nodes = BTreeSet::new();
        self.forest.diff(&old.commit().trie(), &new.commit().trie(), |key, _, _| {
            nodes.insert(NodeId(*key));
            Ok::<(), VaultError>(())
        })?;
        // What rule 3 moves shows elsewhere though it did not change itself.
        nodes.extend(old.marks().displaced.symmetric_difference(&new.marks().displaced));
        let mut paths = BTreeSet::new();
        for past in [old, new] {
            for id in &nodes {
                paths.extend(paths_of(past, id)?);
            }
            paths.extend(past.scene().conflicts()?.iter().map(|conflict| conflict.tombstone_path()));
        }
        Ok(paths)
    }
}

/// The paths that a node claims.
fn paths_of(past: &Past, id: &NodeId) -> Result<Vec<Path>> {
    let scene = past.scene();
    let mut paths = Vec::new();
    for (group, name) in scene.slots(id)? {
        let above = scene.path(&group.front())?;
        paths.extend(above.map(|above| [&above[..], &[name]].concat()));
    }
    Ok(paths)
}

fn sight(past: &Past, path: &[Name]) -> Result<Option<Sight>> {
    let (node, stamp) = match past.find(path) {
        Ok(Entry::Node(node)) => (node, None),
        Ok(Entry::Tombstone(tombstone)) => (tombstone.node, Some(tombstone.stamp)),
        Err(VaultError::NotFound | VaultError::NotDirectory) => return Ok(None),
        Err(error) => return Err(error),
    };
    Ok(Some(Sight {
        entry: (node, stamp.is_some()),
        kind: past.kind(&node)?,
        attr: past.attr(&node)?,
        data: past.data(&node, stamp.as_ref())?,
    }))
}

fn how(before: &Sight, after: &Sight) -> Option<How> {
    if before.data != after.data {
        return Some(How::Content);
    }
    (before.attr != after.attr).then_some(How::Attributes)
}

/// Finds what moved among what is gone and what came.
fn pair(
    old: &Past,
    new: &Past,
    gone: Vec<(Path, Sight)>,
    came: Vec<(Path, Sight)>,
    differences: &mut Vec<Difference>,
) -> Result<()> {
    let mut left: BTreeMap<(NodeId, bool), Vec<(Path, Sight)>> = BTreeMap::new();
    for (path, before) in gone {
        left.entry(before.entry).or_default().push((path, before));
    }
    for (path, after) in came {
        let former = left.get_mut(&after.entry).and_then(Vec::pop);
        let Some((from, before)) = former else {
            differences.push(told(&path, How::Added, None, Some(&after)));
            continue;
        };
        let changed = how(&before, &after);
        let how = match stays(old, new, &after.entry.0)? {
            // A directory above it moved, and has a line of its own.
            true => changed,
            false => Some(How::Moved { changed: changed == Some(How::Content) }),
        };
        differences.extend(how.map(|how| Difference {
            from: Some(from.clone()),
            ..told(&path, how, Some(&before), Some(&after))
        }));
    }
    let removed = left.into_values().flatten();
    differences.extend(removed.map(|(path, before)| told(&path, How::Removed, Some(&before), None)));
    Ok(())
}

/// Whether a node has the same names in the same directories in both states.
fn stays(old: &Past, new: &Past, id: &NodeId) -> Result<bool> {
    let names = |past: &Past| -> Result<BTreeSet<(NodeId, Name)>> {
        let node = past.node(id)?;
        let places = node.iter().flat_map(|node| node.places.iter());
        let names = places.map(|(_, place): (_, &Place)| {
            let (parent, name) = place.slot();
            (parent, name.clone())
        });
        Ok(names.collect())
    };
    Ok(names(old)? == names(new)?)
}

fn told(path: &[Name], how: How, before: Option<&Sight>, after: Option<&Sight>) -> Difference {
    let size = |sight: Option<&Sight>| match sight.and_then(|sight| sight.data.as_ref()) {
        Some(Data::Content(content)) => Some(content.len()),
        _ => None,
    };
    let shown = after.or(before);
    Difference {
        path: path.to_vec(),
        from: None,
        how,
        kind: shown.map_or(Kind::File, |sight| sight.kind),
        sizes: (size(before), size(after)),
        tombstone: shown.is_some_and(|sight| sight.entry.1),
    }
}
