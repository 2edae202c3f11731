//! Why the tree is as it is: merges and conflicts explained.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::super::api::{Act, Decision, Explanation, KeptNode, Picked, VERSION};
use super::super::error::DaemonError;
use super::super::opening::vault_error;
use super::Service;
use super::conflicts::{path_bytes, path_text, stamp_text};
use super::history::{decoded, revision_error};
use crate::merge::explain::{self, Otherwise, State, Why};
use crate::vault::{CommitId, Fold, NodeId, OperationTimes, Past, Result, Stamp, Vault, VaultError};

/// The digits of a commit that a command is told with.
const SHORT: usize = 16;

impl Service {
    /// Why a merge came out as it did; without one, why there are the conflicts that there are.
    pub async fn explain(&self, at: Option<String>) -> std::result::Result<Explanation, DaemonError> {
        let at = at.as_deref().map(decoded).transpose()?;
        self.on_vault(move |vault| {
            let failed = |error| vault_error("explaining", error);
            vault.fold_and_commit(Fold::All).map_err(failed)?;
            let Some(at) = at else { return present(vault).map_err(failed) };
            let commit = vault.revision(&at).map_err(|error| revision_error(&at, error))?;
            let merge = merge_of(vault, &commit).map_err(failed)?;
            let merge = merge.ok_or_else(|| DaemonError::NoMerge { commit: short(&commit) })?;
            merge.explain(vault).map_err(failed)
        })
        .await
    }
}

fn short(commit: &CommitId) -> String {
    commit.to_string().chars().take(SHORT).collect()
}

fn state(past: &Past) -> State<'_> {
    State { scene: past.scene(), marks: past.marks(), context: &past.commit().context }
}

/// The conflicts there are.
fn present(vault: &Vault) -> Result<Explanation> {
    let teller = Teller { vault, times: vault.operation_times()?, open: open(vault)?, merge: None };
    let decisions = vault.read(|tree| {
        let state = State { scene: tree.scene(), marks: tree.view().marks(), context: tree.context() };
        explain::explain_conflicts(state)
    })?;
    Ok(Explanation {
        version: VERSION,
        commit: None,
        parents: Vec::new(),
        decisions: decisions.iter().map(|decision| teller.decision(decision)).collect(),
        nodes: Vec::new(),
    })
}

/// What stands in conflict now.
fn open(vault: &Vault) -> Result<BTreeSet<(NodeId, Stamp)>> {
    let conflicts = vault.conflicts()?.into_iter().map(|it| (it.tombstone.node, it.tombstone.stamp));
    Ok(conflicts.collect())
}

/// A merge with its sides.
struct Merge {
    merged: Arc<Past>,
    sides: [Arc<Past>; 2],
}

/// The merge that a commit is, if it is one.
fn merge_of(vault: &Vault, id: &CommitId) -> Result<Option<Merge>> {
    let commit = vault.load_commit(id)?;
    let (None, [first, second]) = (commit.author, commit.parents.as_slice()) else { return Ok(None) };
    let sides = [vault.past(first)?, vault.past(second)?];
    Ok(Some(Merge { merged: vault.past(id)?, sides }))
}

impl Merge {
    fn explain(&self, vault: &Vault) -> Result<Explanation> {
        let [first, second] = &self.sides;
        let mut differences = Vec::new();
        vault.forest().diff(&first.commit().trie(), &second.commit().trie(), |key, ours, theirs| {
            differences.push((NodeId(*key), ours.cloned(), theirs.cloned()));
            Ok::<(), VaultError>(())
        })?;
        let explained = explain::explain([state(first), state(second)], state(&self.merged), &differences)?;
        let merge = Some(self.merged.id());
        let teller = Teller { vault, times: vault.operation_times()?, open: open(vault)?, merge };
        Ok(Explanation {
            version: VERSION,
            commit: merge.map(|merge| merge.to_string()),
            parents: self.sides.iter().map(|side| side.id().to_string()).collect(),
            decisions: explained.decisions.iter().map(|decision| teller.decision(decision)).collect(),
            nodes: explained.nodes.iter().map(kept).collect(),
        })
    }
}

fn kept(kept: &explain::Kept) -> KeptNode {
    let picked = |picked: &explain::Picked| Picked {
        first: picked.ours.iter().map(stamp_text).collect(),
        second: picked.theirs.iter().map(stamp_text).collect(),
    };
    KeptNode {
        node: kept.node.to_string(),
        places: picked(&kept.places),
        attr: picked(&kept.attr),
        data: picked(&kept.data),
    }
}

/// Knows what an explanation leaves out: devices, times, and what can be done now.
struct Teller<'a> {
    vault: &'a Vault,
    times: OperationTimes,
    open: BTreeSet<(NodeId, Stamp)>,
    merge: Option<CommitId>,
}

impl Teller<'_> {
    fn decision(&self, decision: &explain::Decision) -> Decision {
        Decision {
            path: path_text(&decision.path),
            path_bytes: path_bytes(&decision.path),
            rule: decision.rule.map(|rule| format!("rule {rule}")),
            why: decision.why,
            text: decision.why.text().to_owned(),
            acts: decision.acts.iter().map(|act| self.act(act)).collect(),
            losing: decision.conflict.as_ref().map(|conflict| path_text(&conflict.tombstone_path())),
            command: self.command(decision),
        }
    }

    fn act(&self, act: &explain::Act) -> Act {
        Act {
            side: act.side,
            device: act.stamp.map(|stamp| self.vault.replica_name(&stamp.replica)),
            stamp: act.stamp.as_ref().map(stamp_text),
            time: act.stamp.as_ref().and_then(|stamp| self.times.of(stamp)),
            did: act.did,
            size: act.size,
            path: act.path.as_deref().map(path_text),
            prevails: act.prevails,
        }
    }

    /// What chooses otherwise, to be typed into a shell.
    fn command(&self, decision: &explain::Decision) -> Option<String> {
        let path = path_text(&decision.path);
        match &decision.otherwise {
            Otherwise::Nothing => None,
            Otherwise::Resolve => {
                let conflict = decision.conflict.as_ref()?;
                let tombstone = quoted(&path_text(&conflict.tombstone_path()));
                let open = self.open.contains(&(conflict.tombstone.node, conflict.tombstone.stamp));
                let keep = if decision.why == Why::DirectoryFirst { "both" } else { "tombstone" };
                match &self.merge {
                    Some(merge) if !open => {
                        Some(format!("bosr restore {tombstone} --at {} --to {}", short(merge), quoted(&path)))
                    }
                    _ => Some(format!("bosr resolve {tombstone} --keep {keep}")),
                }
            }
            Otherwise::Remove(path) => Some(format!("rm {}", quoted(relative(&path_text(path))))),
            Otherwise::Move(from, to) => {
                let (from, to) = (path_text(from), path_text(to));
                Some(format!("mv {} {}", quoted(relative(&from)), quoted(relative(&to))))
            }
        }
    }
}

fn relative(path: &str) -> &str {
    path.trim_start_matches('/')
}

/// A word for a shell.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+,@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) && !word.starts_with('-') {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_one_word_to_a_shell() {
        assert_eq!(quoted("/a/b-1.txt"), "/a/b-1.txt");
        assert_eq!(quoted("it's $HOME"), "'it'\\''s $HOME'");
        assert_eq!(quoted(""), "''");
        assert_eq!(quoted("-rf"), "'-rf'");
    }
}
