//! What one commit has that an older one has not: the offer of a sender that knows what its peer holds.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use super::{store_error, vault_error};
use crate::crypto::{ObjectId, ObjectKind};
use crate::miror::message::Offered;
use crate::miror::replica::ReplicaError;
use crate::trie::{Trie, TrieError};
use crate::vault::contents::inspect_list;
use crate::vault::{Commit, CommitId, Data, Node, Vault, VaultError};

/// The most states besides the head that one offer brings.
const SIDES: usize = 16;

/// Why gathering ended early.
enum Halt {
    /// There are more than an offer may name.
    Many,
    Failed(ReplicaError),
}

impl From<TrieError> for Halt {
    fn from(error: TrieError) -> Self {
        Halt::Failed(vault_error(VaultError::from(error)))
    }
}

/// The objects gathered, each once.
struct Gathered<'a> {
    vault: &'a Vault,
    limit: usize,
    known: HashSet<ObjectId>,
    contents: Vec<Offered>,
}

/// The objects of `head` that `base` has not, children before parents. None if there are more than `limit`.
pub(super) fn between(
    vault: &Vault,
    base: &ObjectId,
    head: &ObjectId,
    limit: usize,
) -> Result<Option<Vec<Offered>>, ReplicaError> {
    let load = |id: &ObjectId| vault.load_commit(&CommitId(*id)).map_err(vault_error);
    let (base, state) = (load(base)?, load(head)?);
    let mut gathered = Gathered { vault, limit, known: HashSet::new(), contents: Vec::new() };
    match gathered.state(&base.trie(), head, &state) {
        Ok(structure) => {
            let sides = gathered.sides(&base, &state).map_err(vault_error)?;
            let sides = gathered.as_many_as_fit(&base.trie(), &sides)?;
            Ok(Some([gathered.contents, sides, structure].concat()))
        }
        Err(Halt::Many) => Ok(None),
        Err(Halt::Failed(error)) => Err(error),
    }
}

impl Gathered<'_> {
    /// The structure of a commit that `old` has not; its contents are added to those gathered.
    fn state(&mut self, old: &Trie, id: &ObjectId, commit: &Commit) -> Result<Vec<Offered>, Halt> {
        let (forest, new) = (self.vault.forest(), commit.trie());
        forest.diff(old, &new, |_, old, new| self.node(old, new))?;
        let mut structure = Vec::new();
        forest.new_objects(old, &new, |id| {
            structure.extend(self.offered(id, ObjectKind::Trie)?);
            Ok::<(), Halt>(())
        })?;
        structure.extend(self.offered(id, ObjectKind::Commit)?);
        Ok(structure)
    }

    /// The states that were merged into `head` since `base`, parents first: who made what in a conflict, and
    /// when, is in their history alone.
    fn sides(&self, base: &Commit, head: &Commit) -> Result<Vec<(ObjectId, Commit)>, VaultError> {
        let (mut sides, mut seen) = (Vec::new(), HashSet::new());
        let mut merges = VecDeque::from([head.clone()]);
        while let Some(merge) = merges.pop_front() {
            let parents = merge.parents.iter().filter(|_| merge.parents.len() > 1);
            for parent in parents.filter(|parent| seen.insert(**parent)).take(SIDES - sides.len()) {
                match self.vault.load_commit(parent) {
                    Ok(side) if base.context.contains(&side.context) => {}
                    Ok(side) => {
                        merges.push_back(side.clone());
                        sides.push((parent.0, side));
                    }
                    // A history may end at a missing parent.
                    Err(VaultError::Missing(_)) => {}
                    Err(error) => return Err(error),
                }
            }
        }
        sides.reverse();
        Ok(sides)
    }

    /// The structure of these states, the last ones first if the offer has no room for all.
    fn as_many_as_fit(
        &mut self,
        old: &Trie,
        sides: &[(ObjectId, Commit)],
    ) -> Result<Vec<Offered>, ReplicaError> {
        let mut all = Vec::new();
        for (id, commit) in sides.iter().rev() {
            let contents = self.contents.len();
            match self.state(old, id, commit) {
                Ok(structure) => all.push(structure),
                Err(Halt::Many) => {
                    self.contents.truncate(contents);
                    break;
                }
                Err(Halt::Failed(error)) => return Err(error),
            }
        }
        Ok(all.into_iter().rev().flatten().collect())
    }

    /// What a node's contents name that its older contents do not.
    fn node(&mut self, old: Option<&Arc<Node>>, new: Option<&Arc<Node>>) -> Result<(), Halt> {
        self.content(objects(old), objects(new))
    }

    /// Level by level down two sets of lists, past all that both name.
    fn content(
        &mut self,
        old: Vec<(ObjectId, ObjectKind)>,
        new: Vec<(ObjectId, ObjectKind)>,
    ) -> Result<(), Halt> {
        let (olds, news): (HashSet<_>, HashSet<_>) = (old.iter().collect(), new.iter().collect());
        let added: Vec<_> = new.iter().filter(|object| !olds.contains(object)).copied().collect();
        let dropped: Vec<_> = old.iter().filter(|object| !news.contains(object)).copied().collect();
        if added.is_empty() {
            return Ok(());
        }
        let below = self.below(&added)?;
        if !below.is_empty() {
            let others = self.below(&dropped)?;
            self.content(others, below)?;
        }
        for (id, kind) in added {
            let offered = self.offered(&id, kind)?;
            self.contents.extend(offered);
        }
        Ok(())
    }

    /// What the lists among `objects` name. A list that is not here itself names nothing yet.
    fn below(&self, objects: &[(ObjectId, ObjectKind)]) -> Result<Vec<(ObjectId, ObjectKind)>, Halt> {
        let failed = |error: String| Halt::Failed(ReplicaError::Store(error));
        let mut below = Vec::new();
        for (id, _) in objects.iter().filter(|(_, kind)| *kind == ObjectKind::List) {
            let store = self.vault.store();
            if store.contains(id).map_err(|error| Halt::Failed(store_error(error)))? {
                let bytes = store.fetch(id).map_err(|error| Halt::Failed(store_error(error)))?;
                let listed = inspect_list(None, &bytes).map_err(|error| failed(error.to_string()))?;
                below.extend(listed.into_iter().map(|listed| (listed.id, listed.kind)));
            }
        }
        Ok(below)
    }

    /// An object as it is offered, the first time it comes up.
    fn offered(&mut self, id: &ObjectId, kind: ObjectKind) -> Result<Option<Offered>, Halt> {
        if !self.known.insert(*id) {
            return Ok(None);
        }
        if self.known.len() > self.limit {
            return Err(Halt::Many);
        }
        let len = self.vault.store().body_len(id).map_err(|error| Halt::Failed(store_error(error)))?;
        Ok(Some(Offered { id: *id, kind, len: len.unwrap_or_default() }))
    }
}

/// The objects that a node's contents name.
fn objects(node: Option<&Arc<Node>>) -> Vec<(ObjectId, ObjectKind)> {
    let data = node.into_iter().flat_map(|node| node.data.iter());
    data.filter_map(|(_, data)| match data {
        Data::Content(content) => content.object(),
        _ => None,
    })
    .collect()
}
