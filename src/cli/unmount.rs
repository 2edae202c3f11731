//! `bosr unmount`: the end of a mount.

use std::path::PathBuf;

use clap::Args;

use super::context::Context;
use super::exit::Exit;
use super::mount::resolve;
use super::problem::Problem;
use crate::daemon::dead_mount;
use crate::daemon::error::DaemonError;
use crate::daemon::reach::{ask_owner, every_owner};

/// Unmount a folder
#[derive(Args, Clone, Debug)]
pub(super) struct Unmount {
    /// The folder
    pub(super) dir: PathBuf,
}

impl Unmount {
    pub(super) async fn run(&self, context: &Context) -> Result<Exit, Problem> {
        let dir = resolve(&self.dir);
        let shown = dir.display().to_string();
        // The mount may be of another vault than the one that the options name.
        let first = ask_owner(&context.target).await.ok().flatten();
        let others = every_owner(&context.target.paths).await;
        let mut unanswered = None;
        for client in first.into_iter().chain(others) {
            match client.unmount(shown.as_bytes()).await {
                Err(DaemonError::NotMounted { .. }) => {}
                // It may have had the mount, and nobody knows how that ended.
                Err(error @ DaemonError::OwnerGone { .. }) => unanswered = Some(error),
                outcome => return Ok(outcome.map(|()| Exit::Done)?),
            }
        }
        match (dead_mount::clear(&dir), unanswered) {
            (Err(DaemonError::NotMounted { .. }), Some(error)) => Err(error.into()),
            (cleared, _) => Ok(cleared.map(|()| Exit::Done)?),
        }
    }
}
