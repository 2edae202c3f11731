//! Content that a reader waits for, from whichever peer has it.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;

use super::following::Followings;
use crate::crypto::ObjectId;
use crate::miror::replicator::Replicator;
use crate::vault::reads::Fetch;
use crate::vault::{Result, VaultError};

/// How long a session may take to come about when a reader waits and there is none.
const SESSION_WAIT: Duration = Duration::from_secs(5);

/// Fetches over the sessions of a vault; without one, dials the peers first.
pub struct SessionFetch {
    runtime: Handle,
    replicator: Replicator,
    followings: Arc<Followings>,
}

impl SessionFetch {
    /// To be called on the runtime that the sessions run on.
    pub fn new(replicator: Replicator, followings: Arc<Followings>) -> Self {
        SessionFetch { runtime: Handle::current(), replicator, followings }
    }
}

impl Fetch for SessionFetch {
    fn want(&self, ids: &[ObjectId], done: Box<dyn FnOnce(Result<()>) + Send>) {
        let (ids, replicator, followings) = (ids.to_vec(), self.replicator.clone(), self.followings.clone());
        self.runtime.spawn(async move {
            let found =
                replicator.fetch(&ids).await || fetch_after_dialling(&replicator, &followings, &ids).await;
            done(if found { Ok(()) } else { Err(VaultError::Unreachable) });
        });
    }
}

async fn fetch_after_dialling(
    replicator: &Replicator,
    followings: &Arc<Followings>,
    ids: &[ObjectId],
) -> bool {
    if !replicator.sessions().is_empty() {
        return false;
    }
    let _wanted = followings.want();
    let mut held = followings.hold_all();
    let mut news = followings.news();
    let met = replicator.until(|sessions| sessions.iter().any(|session| session.tip.is_some()));
    let dialling = async {
        // The followings keep the other end: it goes after this does.
        while news.changed().await.is_ok() {
            held = followings.hold_all();
        }
    };
    let waiting = async {
        tokio::select! {
            () = met => {}
            () = dialling => {}
        }
    };
    tokio::time::timeout(SESSION_WAIT, waiting).await.is_ok() && replicator.fetch(ids).await
}
