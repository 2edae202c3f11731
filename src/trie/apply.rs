//! Changing a trie: a sorted batch of changes in, a new trie out, rewriting only the paths to what changed.
//!
//! The shape is made canonical on the way back up: [`Forest::assemble`] alone decides what becomes a leaf, a
//! branch or nothing, from the set below it and nothing else.

use super::node::{Branch, Node, common_prefix, encode_leaf};
use super::prefix::nibble;
use super::{Change, Child, Forest, Key, LEAF_BYTES, LEAF_ENTRIES, LeafCodec, Prefix, Trie, TrieError};

/// A subtree being made. A leaf is saved only once it is clear that it stays one.
enum Subtree<V> {
    Leaf { entries: Vec<(Key, V)>, bytes: Vec<u8> },
    Stored(Child),
}

impl<V> Subtree<V> {
    fn count(&self) -> u64 {
        match self {
            Subtree::Leaf { entries, .. } => entries.len() as u64,
            Subtree::Stored(child) => child.count,
        }
    }

    /// Some key below it, or what its keys begin with: enough to tell which way it lies.
    fn key(&self) -> Key {
        match self {
            Subtree::Leaf { entries, .. } => entries.first().map(|(key, _)| *key).unwrap_or_default(),
            Subtree::Stored(child) => child.prefix.first_key(),
        }
    }

    fn is(&self, old: &Child) -> bool {
        matches!(self, Subtree::Stored(child) if child.id == old.id)
    }
}

/// A subtree, or `None` where nothing is left.
type Made<C> = Result<Option<Subtree<<C as LeafCodec>::Value>>, TrieError>;

impl<C: LeafCodec> Forest<C> {
    /// The trie with `changes` made, which come in strictly ascending order of their keys. Removing what is
    /// not there changes nothing.
    ///
    /// # Errors
    /// [`TrieError::Unordered`]; objects that are missing or invalid; a full store. The old trie stays whole
    /// in any case.
    pub fn apply(&self, trie: &Trie, changes: &[Change<C::Value>]) -> Result<Trie, TrieError> {
        if !changes.is_sorted_by(|a, b| a.0 < b.0) {
            return Err(TrieError::Unordered);
        }
        let made = match trie.top() {
            Some(top) => self.update(&top, changes)?,
            None => self.made_of_inserts(changes)?,
        };
        match made {
            None => Ok(Trie::EMPTY),
            Some(top) => {
                let top = self.store(top, Prefix::EMPTY)?;
                Ok(Trie { root: Some(top.id), count: top.count })
            }
        }
    }

    fn update(&self, old: &Child, changes: &[Change<C::Value>]) -> Made<C> {
        if changes.is_empty() {
            return Ok(Some(Subtree::Stored(*old)));
        }
        match &*self.node(old)? {
            Node::Leaf(entries) => {
                let merged = merge_entries(entries, changes);
                if merged == *entries { Ok(Some(Subtree::Stored(*old))) } else { self.made_of(merged) }
            }
            Node::Branch(branch) => self.update_branch(old, branch, changes),
        }
    }

    fn update_branch(&self, old: &Child, branch: &Branch, changes: &[Change<C::Value>]) -> Made<C> {
        let inserted = changes.iter().filter(|(_, value)| value.is_some());
        let fork = inserted.map(|(key, _)| branch.prefix.common(key)).min().unwrap_or(branch.prefix.len());
        if fork < branch.prefix.len() {
            return self.fork(old, branch, fork, changes);
        }
        let below: Vec<_> = changes.iter().filter(|(key, _)| branch.prefix.holds(key)).cloned().collect();
        let mut made = Vec::with_capacity(16);
        let mut same = true;
        for (step, group) in by_step(&below, fork) {
            match branch.children.iter().find(|child| branch.step(child) == step) {
                Some(child) => {
                    let subtree = self.update(child, group)?;
                    same &= subtree.as_ref().is_some_and(|subtree| subtree.is(child));
                    made.push(subtree);
                }
                None => {
                    let subtree = self.made_of_inserts(group)?;
                    same &= subtree.is_none();
                    made.push(subtree);
                }
            }
        }
        if same { Ok(Some(Subtree::Stored(*old))) } else { self.assemble(branch.prefix, made) }
    }

    /// Some of what is inserted leaves the branch's prefix at depth `fork`: the branch becomes one of the
    /// children of a new one there.
    fn fork(&self, old: &Child, branch: &Branch, fork: u8, changes: &[Change<C::Value>]) -> Made<C> {
        let shared = branch.prefix.cut(fork);
        let below: Vec<_> = changes.iter().filter(|(key, _)| shared.holds(key)).cloned().collect();
        let own = nibble(&branch.prefix.first_key(), fork);
        let place = Child { prefix: branch.prefix, ..*old };
        let groups = by_step(&below, fork);
        let made =
            groups.map(
                |(step, group)| {
                    if step == own { self.update(&place, group) } else { self.made_of_inserts(group) }
                },
            );
        self.assemble(shared, made.collect::<Result<_, _>>()?)
    }

    fn made_of_inserts(&self, changes: &[Change<C::Value>]) -> Made<C> {
        let inserted = changes.iter().filter_map(|(key, value)| Some((*key, value.clone()?)));
        self.made_of(inserted.collect())
    }

    fn made_of(&self, entries: Vec<(Key, C::Value)>) -> Made<C> {
        if entries.is_empty() {
            return Ok(None);
        }
        let entries = match as_leaf::<C>(entries) {
            Ok(leaf) => return Ok(Some(leaf)),
            Err(entries) => entries,
        };
        let prefix = common_prefix(&entries);
        let groups = by_step(&entries, prefix.len());
        let made = groups.map(|(_, group)| self.made_of(group.to_vec()));
        self.assemble(prefix, made.collect::<Result<_, _>>()?)
    }

    /// The canonical subtree of what lies below `prefix`, given by next nibble, in order.
    fn assemble(&self, prefix: Prefix, made: Vec<Option<Subtree<C::Value>>>) -> Made<C> {
        let mut made: Vec<_> = made.into_iter().flatten().collect();
        if made.len() < 2 {
            return Ok(made.pop());
        }
        let total = made.iter().map(Subtree::count).sum::<u64>();
        if total <= LEAF_ENTRIES as u64 {
            let mut entries = Vec::with_capacity(LEAF_ENTRIES);
            for subtree in &made {
                self.gather(subtree, &mut entries)?;
            }
            if let Ok(leaf) = as_leaf::<C>(entries) {
                return Ok(Some(leaf));
            }
        }
        let stored = made.into_iter().map(|subtree| {
            let place = prefix.then(nibble(&subtree.key(), prefix.len()));
            self.store(subtree, place)
        });
        let children = stored.collect::<Result<Vec<_>, _>>()?;
        let id = self.save_branch(Branch { prefix, children })?;
        Ok(Some(Subtree::Stored(Child { id, count: total, prefix })))
    }

    fn gather(&self, subtree: &Subtree<C::Value>, into: &mut Vec<(Key, C::Value)>) -> Result<(), TrieError> {
        match subtree {
            Subtree::Leaf { entries, .. } => {
                into.extend_from_slice(entries);
                Ok(())
            }
            Subtree::Stored(child) => self.gather_stored(child, into),
        }
    }

    fn gather_stored(&self, child: &Child, into: &mut Vec<(Key, C::Value)>) -> Result<(), TrieError> {
        match &*self.node(child)? {
            Node::Leaf(entries) => into.extend_from_slice(entries),
            Node::Branch(branch) => {
                for child in &branch.children {
                    self.gather_stored(child, into)?;
                }
            }
        }
        Ok(())
    }

    /// Saves what is not yet saved; `place` is the path by which the parent knows it.
    fn store(&self, subtree: Subtree<C::Value>, place: Prefix) -> Result<Child, TrieError> {
        match subtree {
            Subtree::Stored(child) => Ok(Child { prefix: place, ..child }),
            Subtree::Leaf { entries, bytes } => {
                let count = entries.len() as u64;
                Ok(Child { id: self.save_leaf(entries, &bytes)?, count, prefix: place })
            }
        }
    }
}

type Entries<V> = Vec<(Key, V)>;

/// The entries as a leaf if they fit one, else back again.
fn as_leaf<C: LeafCodec>(entries: Entries<C::Value>) -> Result<Subtree<C::Value>, Entries<C::Value>> {
    if entries.len() > LEAF_ENTRIES {
        return Err(entries);
    }
    let bytes = encode_leaf::<C>(&entries);
    if entries.len() > 1 && bytes.len() > LEAF_BYTES {
        return Err(entries);
    }
    Ok(Subtree::Leaf { entries, bytes })
}

/// Cuts what is in ascending order and shares its first `depth` nibbles into sixteen runs by the next one.
fn by_step<V>(sorted: &[(Key, V)], depth: u8) -> impl Iterator<Item = (u8, &[(Key, V)])> {
    let mut rest = sorted;
    (0..16u8).map(move |step| {
        let len = rest.partition_point(|(key, _)| nibble(key, depth) <= step);
        let (run, after) = rest.split_at(len);
        rest = after;
        (step, run)
    })
}

fn merge_entries<V: Clone>(old: &[(Key, V)], changes: &[Change<V>]) -> Vec<(Key, V)> {
    let mut merged = Vec::with_capacity(old.len() + changes.len());
    let (mut old, mut changes) = (old.iter().peekable(), changes.iter().peekable());
    loop {
        match (old.peek(), changes.peek()) {
            (Some(entry), Some((key, _))) if entry.0 < *key => merged.extend(old.next().cloned()),
            (Some(entry), Some((key, _))) if entry.0 == *key => {
                // The change that follows says what becomes of it.
                old.next();
            }
            (Some(_), None) => merged.extend(old.next().cloned()),
            (_, Some((key, value))) => {
                merged.extend(value.clone().map(|value| (*key, value)));
                changes.next();
            }
            (None, None) => return merged,
        }
    }
}
