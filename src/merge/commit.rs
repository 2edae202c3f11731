//! Merging a peer's commit into a vault: fast-forward, or the join of both states as a merge commit.

use super::join::{Side, join_node, join_states};
use crate::crypto::DevicePublic;
use crate::vault::commit::MAX_REPLICAS;
use crate::vault::error::{Result, VaultError};
use crate::vault::operations::{Difference, may_reclaim};
use crate::vault::{
    Commit, CommitId, Context, Head, Merged, NodeId, NodeState, Origin, Publishing, Staged, Vault,
};

/// Makes `remote`, whose commit and structure are in the store, part of the vault's state. `peer` is the
/// device whose own state it is, if it is one's. Local operations go on meanwhile and lose nothing.
///
/// # Errors
/// [`VaultError::Refused`] for a state that breaks the rules, [`VaultError::Missing`] for structure that is
/// not here, the disk. Nothing changed then.
pub fn merge_commit(vault: &Vault, peer: Option<DevicePublic>, remote: CommitId) -> Result<Merged> {
    let theirs = vault.load_commit(&remote)?;
    let publishing = vault.publishing();
    publishing.meet_other_life(&theirs.context)?;
    let mut local = publishing.commit()?;
    let merged = peer.map(|device| (device, remote));
    if local.context.contains(&theirs.context) {
        if local.context == theirs.context && local.root != theirs.root {
            return Err(VaultError::Inconsistent("equal contexts with different roots"));
        }
        publishing.note_merged(merged)?;
        return Ok(Merged { head: local, changed: false });
    }
    let mut differences = differences(vault, &local, &theirs)?;
    if may_reclaim(&differences, &local.context, &theirs.context) {
        vault.edit(Origin::VAULT, |tree, draw| tree.reclaim(&differences, &theirs.context, draw))?;
        local = publishing.commit()?;
        differences = self::differences(vault, &local, &theirs)?;
    }
    let staged = stage(vault, &publishing, &local, theirs, remote, differences)?;
    publishing.take_over(&local, Staged { merged, ..staged }, &join_touched)
}

/// The state that `local` and `theirs` come to, with its objects in the store.
pub(crate) fn stage(
    vault: &Vault,
    publishing: &Publishing<'_>,
    local: &Head,
    theirs: Commit,
    remote: CommitId,
    differences: Vec<Difference>,
) -> Result<Staged> {
    if local.context.join(&theirs.context).len() > MAX_REPLICAS {
        return Err(VaultError::Refused("too many replicas"));
    }
    let joined = join_states(&local.context, &theirs.context, differences.into_iter().map(Ok))?;
    // A state that contains ours is the result itself: replicas that fast-forward agree on the commit too.
    if joined.context == theirs.context {
        return Ok(Staged { commit: theirs, id: remote, changes: joined.changes, merged: None });
    }
    let trie = publishing.trie_after(&local.trie(), &joined.changes)?;
    let mut parents = vec![local.commit, remote];
    parents.sort_unstable();
    let commit =
        Commit { root: trie.root, count: trie.count, context: joined.context, parents, author: None };
    let id = vault.put_commit(&commit)?;
    Ok(Staged { commit, id, changes: joined.changes, merged: None })
}

/// The nodes in which two states differ. Collected, because they are joined only once all structure is known
/// to be here.
pub(crate) fn differences(vault: &Vault, local: &Head, theirs: &Commit) -> Result<Vec<Difference>> {
    let mut differences = Vec::new();
    vault.forest().diff(&local.trie(), &theirs.trie(), |key, ours, theirs| {
        differences.push((NodeId(*key), ours.cloned(), theirs.cloned()));
        Ok::<(), VaultError>(())
    })?;
    Ok(differences)
}

/// [`join_node`] as a vault asks for it.
pub(crate) fn join_touched(own: (NodeState, &Context), theirs: (NodeState, &Context)) -> Result<NodeState> {
    let own = Side { node: own.0.as_deref(), context: own.1 };
    let theirs = Side { node: theirs.0.as_deref(), context: theirs.1 };
    Ok(join_node(own, theirs)?.map(std::sync::Arc::new))
}
