//! Which files wait for content, as merges and arrivals change it. The table itself is in [`super::missing`].

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::changes::{ChangeSet, Origin};
use super::contents::MAX_CHUNK;
use super::error::Result;
use super::missing::{Absent, Shown, Turn, Version, Wait, WaitingNumbers};
use super::publish::NodeState;
use super::vault::Vault;
use super::view::Touched;
use super::view::claims::{own_version, shown};
use super::{Content, Data, Node, NodeId, Stamp, Tree, records};
use crate::crypto::ObjectId;

/// Which content a file shows.
#[derive(Clone, Debug)]
pub struct Incarnation {
    /// The latest of the versions that have it.
    pub stamp: Option<Stamp>,
    /// Its length in bytes.
    pub len: u64,
    /// The content, where it is shown in place of the node's own, which is not all here.
    pub instead: Option<Arc<Shown>>,
}

impl Vault {
    /// What the file `node` shows to a reader who opens it now, and what a write over that replaces: its
    /// winning version, or the whole old content while that one is not here yet. `None` if it is no file or
    /// shows nothing. `tree` is the one [`Vault::read`] gave.
    ///
    /// # Errors
    /// Of the committed state.
    pub fn content_shown(&self, tree: &Tree, node: &NodeId) -> Result<Option<Shown>> {
        let Some(state) = tree.node(node)? else { return Ok(None) };
        let Some((stamp, Data::Content(content))) = own_version(&state) else { return Ok(None) };
        let waiting = self.waiting.lock();
        if let Some(Wait { shown: Some(old), .. }) = waiting.of(&(*node, stamp)) {
            return Ok(Some(old.clone()));
        }
        Ok(Some(Shown { stamps: state.base(), content: content.clone() }))
    }

    /// Of what [`Vault::content_shown`] gives for the node `id`, whose state is `state`: the latest stamp and the
    /// length. For whoever looks at many files.
    pub fn incarnation_shown(&self, id: &NodeId, state: &Node) -> Option<Incarnation> {
        let (stamp, Data::Content(content)) = own_version(state)? else { return None };
        let waiting = self.waiting.lock();
        Some(match waiting.of(&(*id, stamp)) {
            Some(Wait { shown: Some(old), .. }) => Incarnation {
                stamp: old.stamps.last().copied(),
                len: old.content.len(),
                instead: Some(Arc::new(old.clone())),
            },
            _ => Incarnation { stamp: state.base().last().copied(), len: content.len(), instead: None },
        })
    }

    /// Whether the winning version of `node` is not wholly here.
    ///
    /// # Errors
    /// Of the committed state.
    pub fn is_waiting(&self, tree: &Tree, node: &NodeId) -> Result<bool> {
        let Some(state) = tree.node(node)? else { return Ok(false) };
        let Some((stamp, _)) = own_version(&state) else { return Ok(false) };
        Ok(self.waiting.lock().of(&(*node, stamp)).is_some())
    }

    /// How much content is on its way.
    pub fn waiting(&self) -> WaitingNumbers {
        self.waiting.lock().numbers()
    }

    /// Up to `limit` absent objects that the tree's files need, in the order in which to ask for them, after
    /// `after`.
    pub fn missing(&self, after: Option<&Absent>, limit: usize) -> Vec<Absent> {
        self.waiting.lock().wanted(after, limit)
    }

    /// The absent objects of one content. Below an absent list nothing is known.
    ///
    /// # Errors
    /// Of the store.
    pub fn missing_of(&self, content: &Content) -> Result<Vec<ObjectId>> {
        Ok(self.contents.missing(content)?.into_iter().map(|(id, _)| id).collect())
    }

    /// Objects were stored from outside: answers the reads that wait for them, and lets files that are
    /// complete now show their new content.
    ///
    /// # Errors
    /// Of the store; what arrived is looked at again when the vault is opened.
    pub fn arrived(self: &Arc<Self>, ids: &[ObjectId]) -> Result<()> {
        self.arrivals.fetch_add(1, Ordering::SeqCst);
        let complete: BTreeSet<Version> = {
            let mut waiting = self.waiting.lock();
            ids.iter().flat_map(|id| waiting.arrived(id)).collect()
        };
        self.review(&complete)?;
        self.answer_reads(ids);
        Ok(())
    }

    /// The waits that begin when `changes` are the tree's, and the local records that say so.
    pub(super) fn waits_after(&self, changes: &[(NodeId, NodeState)]) -> Result<Waits> {
        let arrivals = self.arrivals.load(Ordering::SeqCst);
        let (mut begin, mut winners) = (BTreeMap::new(), Vec::new());
        for (id, node) in changes {
            let Some(node) = node else { continue };
            let winner = own_version(node).map(|(stamp, _)| stamp);
            for (stamp, data) in shown(node) {
                if let Some(wait) = self.wait_for(data)? {
                    begin.insert((*id, stamp), wait);
                    winners.extend((winner == Some(stamp)).then_some((*id, stamp)));
                }
            }
        }
        for (id, stamp) in winners {
            let old = self.read(|tree| self.whole_content(tree, &id))?;
            if let Some(wait) = begin.get_mut(&(id, stamp)) {
                wait.shown = old;
            }
        }
        let records = begin.iter().map(|(version, wait)| records::waiting(version, &wait.shown));
        Ok(Waits { records: records.collect::<Result<_>>()?, begin, arrivals })
    }

    /// What `node` shows, if that is a whole content: not if it never had one here.
    fn whole_content(&self, tree: &Tree, node: &NodeId) -> Result<Option<Shown>> {
        let Some(state) = tree.node(node)? else { return Ok(None) };
        let Some((stamp, _)) = own_version(&state) else { return Ok(None) };
        if self.waiting.lock().of(&(*node, stamp)).is_some_and(|wait| wait.shown.is_none()) {
            return Ok(None);
        }
        self.content_shown(tree, node)
    }

    /// Puts waits into the table. The tree's lock is held: whoever reads next sees both.
    pub(super) fn begin_waiting(&self, begin: BTreeMap<Version, Wait>) {
        let mut waiting = self.waiting.lock();
        for (version, wait) in begin {
            waiting.wait(version, wait);
        }
    }

    /// After a merge: looks again at what may have changed while it was made.
    pub(super) fn waits_began(&self, arrivals: u64, changes: &[(NodeId, NodeState)]) -> Result<()> {
        let mut again = self.waiting_of(changes.iter().map(|(id, _)| *id));
        if again.is_empty() {
            return Ok(());
        }
        self.rank(&again);
        if self.arrivals.load(Ordering::SeqCst) == arrivals {
            again.retain(|version| !self.is_shown(version).unwrap_or(true));
        }
        self.review(&again)
    }

    /// After local operations on `nodes`: versions that are shown no more need not come.
    pub(super) fn review_nodes(&self, nodes: impl Iterator<Item = NodeId>) {
        let mut versions = self.waiting_of(nodes);
        if versions.is_empty() {
            return;
        }
        self.rank(&versions);
        versions.retain(|version| !self.is_shown(version).unwrap_or(true));
        if let Err(error) = self.review(&versions) {
            tracing::warn!(%error, "what files wait for is not up to date; reopening mends it");
        }
    }

    /// The versions of these nodes that wait.
    fn waiting_of(&self, nodes: impl Iterator<Item = NodeId>) -> BTreeSet<Version> {
        let waiting = self.waiting.lock();
        match waiting.is_empty() {
            true => BTreeSet::new(),
            false => nodes.flat_map(|node| waiting.of_node(&node)).collect(),
        }
    }

    /// Looks at versions again: those that are wholly here, or shown no more, stop waiting.
    fn review(&self, versions: &BTreeSet<Version>) -> Result<()> {
        let (mut records, mut touched) = (Vec::new(), Touched::default());
        for version in versions {
            if self.is_over(version)? {
                records.push(records::arrived(version));
                touched.nodes.insert(version.0);
            }
        }
        if !records.is_empty() {
            self.store.set_local(records)?;
        }
        self.subscribers.tell(&ChangeSet::new(Origin::VAULT, touched));
        Ok(())
    }

    /// Brings up to date what one version waits for; whether it waits no more.
    fn is_over(&self, version: &Version) -> Result<bool> {
        loop {
            let arrivals = self.arrivals.load(Ordering::SeqCst);
            let data = self.read(|tree| data_of(tree, version))?;
            let absent = data.map_or(Ok(None), |data| self.wait_for(&data))?;
            let mut waiting = self.waiting.lock();
            let Some(mut wait) = absent else { return Ok(waiting.stop(version).is_some()) };
            // What came since we looked has told a table that may not have asked for it, and never tells again.
            if self.arrivals.load(Ordering::SeqCst) != arrivals && !self.is_still_absent(&mut wait)? {
                continue;
            }
            if let Some(old) = waiting.stop(version) {
                waiting.wait(*version, Wait { shown: old.shown, turn: old.turn, ..wait });
            }
            return Ok(false);
        }
    }

    /// Takes what has come meanwhile off a wait; whether anything remains.
    fn is_still_absent(&self, wait: &mut Wait) -> Result<bool> {
        for id in std::mem::take(&mut wait.missing) {
            if !self.store.contains(&id)? {
                wait.missing.insert(id);
            }
        }
        Ok(!wait.missing.is_empty())
    }

    /// A version waited when the vault was closed: looks what is still absent of it.
    pub(super) fn resume_waiting(&self, version: Version, shown: Option<Shown>) -> Result<()> {
        let data = self.read(|tree| data_of(tree, &version))?;
        match data.map_or(Ok(None), |data| self.wait_for(&data))? {
            Some(wait) => self.waiting.lock().wait(version, Wait { shown, ..wait }),
            None => drop(self.store.set_local(vec![records::arrived(&version)])?),
        }
        Ok(())
    }

    fn is_shown(&self, version: &Version) -> Result<bool> {
        Ok(self.read(|tree| data_of(tree, version))?.is_some())
    }

    /// What is absent of `data`, if anything is.
    fn wait_for(&self, data: &Data) -> Result<Option<Wait>> {
        let Data::Content(content) = data else { return Ok(None) };
        if content.object().is_none() {
            return Ok(None);
        }
        let missing: BTreeSet<ObjectId> = self.missing_of(content)?.into_iter().collect();
        // A chunk's length stands in its list; its bound serves for a number that people look at.
        let bytes = content.len().min(missing.len() as u64 * MAX_CHUNK as u64);
        let turn = Turn { len: content.len(), ..Turn::default() };
        Ok((!missing.is_empty()).then_some(Wait { shown: None, missing, bytes, turn }))
    }
}

/// Waits to begin, with what must be durable first.
pub(super) struct Waits {
    pub(super) begin: BTreeMap<Version, Wait>,
    pub(super) records: Vec<records::Change>,
    /// The count of arrivals when they were worked out.
    pub(super) arrivals: u64,
}

/// The data of a version that its node shows.
fn data_of(tree: &Tree, (id, stamp): &Version) -> Result<Option<Data>> {
    let Some(node) = tree.node(id)? else { return Ok(None) };
    Ok(shown(&node).into_iter().find(|(own, _)| own == stamp).map(|(_, data)| data.clone()))
}
