//! What differs between two tries, loading only what they do not have in common.

use std::sync::Arc;

use super::node::{Branch, Node};
use super::prefix::nibble;
use super::{Child, Forest, Key, LeafCodec, Trie, TrieError};
use crate::crypto::ObjectId;

/// Told what differs between two tries.
trait Visit<C: LeafCodec> {
    type Error: From<TrieError>;

    /// A key whose values differ; `None` where it is absent. Keys come in ascending order.
    fn entry(&mut self, key: &Key, a: Option<&C::Value>, b: Option<&C::Value>) -> Result<(), Self::Error>;

    /// An object of `b` that `a` does not have in this place, after all such objects below it.
    fn object(&mut self, id: &ObjectId) -> Result<(), Self::Error>;
}

/// One side of a comparison.
enum Side<'a, C: LeafCodec> {
    None,
    Subtree(Child),
    /// Part of a leaf that was loaded already.
    Entries(&'a [(Key, C::Value)]),
}

impl<C: LeafCodec> Clone for Side<'_, C> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<C: LeafCodec> Copy for Side<'_, C> {}

/// A side with its object loaded.
enum Loaded<'a, C: LeafCodec> {
    Entries(&'a [(Key, C::Value)]),
    Branch(Named<'a>),
}

/// A branch with its id.
#[derive(Clone, Copy)]
struct Named<'a> {
    id: ObjectId,
    branch: &'a Branch,
}

impl<C: LeafCodec> Forest<C> {
    /// Calls `visit` with each key whose value differs between `a` and `b`, in ascending order, with the
    /// value on either side.
    ///
    /// # Errors
    /// Objects that are missing or invalid, and whatever `visit` fails with.
    pub fn diff<E: From<TrieError>>(
        &self,
        a: &Trie,
        b: &Trie,
        visit: impl FnMut(&Key, Option<&C::Value>, Option<&C::Value>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.compare(side(a), side(b), &mut Entries(visit))
    }

    /// Calls `visit` with each trie object of `b` that is not in the same place in `a`, children before
    /// parents: what somebody who holds `a` lacks of `b`'s structure.
    ///
    /// # Errors
    /// As [`Forest::diff`].
    pub fn new_objects<E: From<TrieError>>(
        &self,
        a: &Trie,
        b: &Trie,
        visit: impl FnMut(&ObjectId) -> Result<(), E>,
    ) -> Result<(), E> {
        self.compare(side(a), side(b), &mut NewObjects(visit))
    }

    fn compare<V: Visit<C>>(&self, a: Side<'_, C>, b: Side<'_, C>, visit: &mut V) -> Result<(), V::Error> {
        if let (Side::Subtree(a), Side::Subtree(b)) = (a, b)
            && a.id == b.id
        {
            return Ok(());
        }
        let (node_a, node_b) = (self.loaded(a)?, self.loaded(b)?);
        match (contents(a, &node_a), contents(b, &node_b)) {
            (Loaded::Entries(a), Loaded::Entries(b)) => compare_entries(a, b, visit)?,
            (a, b) => self.compare_below(a, b, visit)?,
        }
        if let Side::Subtree(b) = b {
            visit.object(&b.id)?;
        }
        Ok(())
    }

    /// Compares two loaded sides of which one at least is a branch, nibble by nibble at the depth where the
    /// higher of them forks or the two part.
    fn compare_below<V: Visit<C>>(
        &self,
        a: Loaded<'_, C>,
        b: Loaded<'_, C>,
        visit: &mut V,
    ) -> Result<(), V::Error> {
        let depth = common_depth(&a, &b);
        for step in 0..16 {
            let (in_a, in_b) = (part(&a, depth, step), part(&b, depth, step));
            self.compare_parts(in_a, in_b, visit)?;
        }
        Ok(())
    }

    fn compare_parts<V: Visit<C>>(
        &self,
        a: Part<'_, C>,
        b: Part<'_, C>,
        visit: &mut V,
    ) -> Result<(), V::Error> {
        match (a, b) {
            (Part::Side(Side::None), Part::Side(Side::None)) => Ok(()),
            (Part::Side(a), Part::Side(b)) => self.compare(a, b, visit),
            (Part::Whole(a), Part::Whole(b)) => {
                self.compare_below(Loaded::Branch(a), Loaded::Branch(b), visit)
            }
            (Part::Whole(same), Part::Side(Side::Subtree(child)))
            | (Part::Side(Side::Subtree(child)), Part::Whole(same))
                if same.id == child.id =>
            {
                Ok(())
            }
            (Part::Whole(a), Part::Side(b)) => {
                let node = self.loaded(b)?;
                self.compare_below(Loaded::Branch(a), contents(b, &node), visit)?;
                self.told(b, visit)
            }
            (Part::Side(a), Part::Whole(b)) => {
                let node = self.loaded(a)?;
                self.compare_below(contents(a, &node), Loaded::Branch(b), visit)
            }
        }
    }

    fn told<V: Visit<C>>(&self, side: Side<'_, C>, visit: &mut V) -> Result<(), V::Error> {
        if let Side::Subtree(child) = side { visit.object(&child.id) } else { Ok(()) }
    }

    fn loaded(&self, side: Side<'_, C>) -> Result<Option<Arc<Node<C>>>, TrieError> {
        match side {
            Side::Subtree(child) => self.node(&child).map(Some),
            _ => Ok(None),
        }
    }
}

/// What one side has below one nibble of the depth compared at.
enum Part<'a, C: LeafCodec> {
    Side(Side<'a, C>),
    /// A branch that lies wholly below that nibble: itself again.
    Whole(Named<'a>),
}

fn side<'a, C: LeafCodec>(trie: &Trie) -> Side<'a, C> {
    trie.top().map_or(Side::None, Side::Subtree)
}

fn contents<'a, C: LeafCodec>(side: Side<'a, C>, node: &'a Option<Arc<Node<C>>>) -> Loaded<'a, C> {
    match (side, node.as_deref()) {
        (Side::Subtree(child), Some(Node::Branch(branch))) => Loaded::Branch(Named { id: child.id, branch }),
        (_, Some(Node::Leaf(entries))) => Loaded::Entries(entries),
        (Side::Entries(entries), None) => Loaded::Entries(entries),
        _ => Loaded::Entries(&[]),
    }
}

/// The depth at which the higher branch forks or, before it, the keys of the two sides part.
fn common_depth<C: LeafCodec>(a: &Loaded<'_, C>, b: &Loaded<'_, C>) -> u8 {
    match (a, b) {
        (Loaded::Branch(a), Loaded::Branch(b)) => {
            let (a, b) = (&a.branch.prefix, &b.branch.prefix);
            a.common(&b.first_key()).min(b.len())
        }
        (Loaded::Branch(Named { branch, .. }), Loaded::Entries(entries))
        | (Loaded::Entries(entries), Loaded::Branch(Named { branch, .. })) => {
            let depths = [entries.first(), entries.last()];
            let depths = depths.into_iter().flatten().map(|(key, _)| branch.prefix.common(key));
            depths.min().unwrap_or(branch.prefix.len())
        }
        (Loaded::Entries(_), Loaded::Entries(_)) => 0,
    }
}

fn part<'a, C: LeafCodec>(loaded: &Loaded<'a, C>, depth: u8, step: u8) -> Part<'a, C> {
    match loaded {
        Loaded::Entries(entries) => {
            let from = entries.partition_point(|(key, _)| nibble(key, depth) < step);
            let to = entries.partition_point(|(key, _)| nibble(key, depth) <= step);
            let run = entries.get(from..to).unwrap_or(&[]);
            Part::Side(if run.is_empty() { Side::None } else { Side::Entries(run) })
        }
        Loaded::Branch(named) if named.branch.prefix.len() > depth => {
            let own = nibble(&named.branch.prefix.first_key(), depth) == step;
            if own { Part::Whole(*named) } else { Part::Side(Side::None) }
        }
        Loaded::Branch(Named { branch, .. }) => {
            let child = branch.children.iter().find(|child| branch.step(child) == step);
            Part::Side(child.map_or(Side::None, |child| Side::Subtree(*child)))
        }
    }
}

fn compare_entries<C: LeafCodec, V: Visit<C>>(
    a: &[(Key, C::Value)],
    b: &[(Key, C::Value)],
    visit: &mut V,
) -> Result<(), V::Error> {
    let (mut a, mut b) = (a.iter().peekable(), b.iter().peekable());
    loop {
        match (a.peek(), b.peek()) {
            (Some((key_a, in_a)), Some((key_b, in_b))) if key_a == key_b => {
                if in_a != in_b {
                    visit.entry(key_a, Some(in_a), Some(in_b))?;
                }
                a.next();
                b.next();
            }
            (Some((key_a, in_a)), next_b) if next_b.is_none_or(|(key_b, _)| key_a < key_b) => {
                visit.entry(key_a, Some(in_a), None)?;
                a.next();
            }
            (_, Some((key_b, in_b))) => {
                visit.entry(key_b, None, Some(in_b))?;
                b.next();
            }
            _ => return Ok(()),
        }
    }
}

struct Entries<F>(F);

impl<C, E, F> Visit<C> for Entries<F>
where
    C: LeafCodec,
    E: From<TrieError>,
    F: FnMut(&Key, Option<&C::Value>, Option<&C::Value>) -> Result<(), E>,
{
    type Error = E;

    fn entry(&mut self, key: &Key, a: Option<&C::Value>, b: Option<&C::Value>) -> Result<(), E> {
        self.0(key, a, b)
    }

    fn object(&mut self, _: &ObjectId) -> Result<(), E> {
        Ok(())
    }
}

struct NewObjects<F>(F);

impl<C, E, F> Visit<C> for NewObjects<F>
where
    C: LeafCodec,
    E: From<TrieError>,
    F: FnMut(&ObjectId) -> Result<(), E>,
{
    type Error = E;

    fn entry(&mut self, _: &Key, _: Option<&C::Value>, _: Option<&C::Value>) -> Result<(), E> {
        Ok(())
    }

    fn object(&mut self, id: &ObjectId) -> Result<(), E> {
        self.0(id)
    }
}
