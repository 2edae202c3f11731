//! A run of dirty data: what one open content of a file collected since it was last folded.
//!
//! A run begins with the first write after a fold and ends when it is folded into an operation, or dropped
//! with its file. Writes that come while a run is being folded make a new run that *follows* it. The handle
//! is cheap to clone; it owns no bytes.
//!
//! Invariant: a run's journal entries stand between its `Begin` and the operation that ends it.

use std::sync::Arc;

use parking_lot::Mutex;

use super::entry::{Base, DirtyId};
use crate::vault::NodeId;
use crate::vault::error::{Result, VaultError};
use crate::vault::missing::Shown;

/// A run of dirty data on one file.
#[derive(Debug, Clone)]
pub struct DirtyRun(Arc<Run>);

#[derive(Debug)]
struct Run {
    id: DirtyId,
    node: NodeId,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    under: Under,
    begun: bool,
    end: Option<End>,
}

#[derive(Debug, Clone)]
enum Under {
    Shown(Shown),
    Run(DirtyRun),
}

#[derive(Debug, Clone)]
enum End {
    Folded(Shown),
    Dropped,
}

impl DirtyRun {
    /// A run over a content that the file showed.
    pub(in crate::vault) fn over(id: DirtyId, node: NodeId, shown: Shown) -> Self {
        Self::new(id, node, Under::Shown(shown))
    }

    /// A run over whatever `previous` becomes.
    pub(in crate::vault) fn following(id: DirtyId, previous: &DirtyRun) -> Self {
        Self::new(id, previous.node(), Under::Run(previous.clone()))
    }

    fn new(id: DirtyId, node: NodeId, under: Under) -> Self {
        DirtyRun(Arc::new(Run { id, node, state: Mutex::new(State { under, begun: false, end: None }) }))
    }

    /// Its name in the journal.
    pub fn id(&self) -> DirtyId {
        self.0.id
    }

    /// The file.
    pub fn node(&self) -> NodeId {
        self.0.node
    }

    /// What it was folded into; `None` while it was not.
    pub fn folded(&self) -> Option<Shown> {
        match &self.0.state.lock().end {
            Some(End::Folded(shown)) => Some(shown.clone()),
            _ => None,
        }
    }

    /// Whether it was folded or dropped: it takes no more data.
    pub fn has_ended(&self) -> bool {
        self.0.state.lock().end.is_some()
    }

    /// What a fold of it replaces.
    ///
    /// # Errors
    /// While the run it follows was not folded: runs of a file are folded in order.
    pub fn base(&self) -> Result<Shown> {
        match self.settled_base()? {
            Under::Shown(shown) => Ok(shown),
            Under::Run(_) => Err(VaultError::Inconsistent("dirty data is folded in order")),
        }
    }

    /// What its `Begin` entry says.
    pub(super) fn journal_base(&self) -> Result<Base> {
        Ok(match self.settled_base()? {
            Under::Shown(shown) => Base::Shown(shown),
            Under::Run(previous) => Base::Run(previous.id()),
        })
    }

    /// The run it follows, while that was not folded.
    pub(super) fn previous(&self) -> Option<DirtyRun> {
        match &self.0.state.lock().under {
            Under::Run(previous) if !previous.has_ended() => Some(previous.clone()),
            _ => None,
        }
    }

    /// What it lies over. Lets go of a previous run that was folded, so that chains stay short.
    fn settled_base(&self) -> Result<Under> {
        let mut state = self.0.state.lock();
        if let Under::Run(previous) = &state.under {
            let end = previous.0.state.lock().end.clone();
            match end {
                Some(End::Folded(shown)) => state.under = Under::Shown(shown),
                Some(End::Dropped) => return Err(VaultError::Inconsistent("dirty data over dropped data")),
                None => {}
            }
        }
        Ok(state.under.clone())
    }

    pub(in crate::vault) fn has_begun(&self) -> bool {
        self.0.state.lock().begun
    }

    pub(super) fn set_begun(&self) {
        self.0.state.lock().begun = true;
    }

    pub(super) fn set_folded(&self, shown: Shown) {
        self.0.state.lock().end = Some(End::Folded(shown));
    }

    pub(super) fn set_dropped(&self) {
        self.0.state.lock().end = Some(End::Dropped);
    }
}
