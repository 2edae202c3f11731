//! `bosr resolve`: says which version of a conflict is to stay.

use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::context::Context;
use super::exit::Exit;
use super::global::Listening;
use super::problem::Problem;
use super::text;
use crate::daemon::api::{self, Decided};
use crate::daemon::reach::Need;

/// Decide conflicts: of a file, of a tombstone file, or of everything below a directory
#[derive(Args, Clone, Debug)]
pub(super) struct Resolve {
    /// Paths in the vault: of the file, of its tombstone, or of a directory
    #[arg(required_unless_present = "all")]
    pub(super) paths: Vec<PathBuf>,
    /// Which version stays; what is given up stays in the history
    #[arg(long, value_enum)]
    pub(super) keep: Keep,
    /// Decide all conflicts of the vault
    #[arg(long, conflicts_with = "paths")]
    pub(super) all: bool,
}

/// Which version stays.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keep {
    /// What has the name; the tombstone goes
    Current,
    /// The tombstone becomes the content of the name
    Tombstone,
    /// The tombstone becomes an ordinary file beside the name
    Both,
}

impl Resolve {
    pub(super) async fn run(&self, context: &Context) -> Result<Exit, Problem> {
        let keep = match self.keep {
            Keep::Current => api::Keep::Current,
            Keep::Tombstone => api::Keep::Tombstone,
            Keep::Both => api::Keep::Both,
        };
        let reached = context.reach(Need::Anybody, &Listening::default()).await?;
        let paths: Vec<_> = self.paths.iter().map(|path| path.as_os_str().as_bytes()).collect();
        let decided = reached.client.resolve(&paths, keep).await;
        reached.close().await?;
        let decided = decided?;
        context.output.result(&decided, || decided.iter().map(line).collect())?;
        if decided.is_empty() {
            context.output.remark("Nothing is in conflict.");
        }
        Ok(Exit::Done)
    }
}

fn line(decided: &Decided) -> String {
    let path = text::name(&decided.conflict.path);
    let tombstone = text::name(&decided.conflict.tombstone);
    match (decided.keep, &decided.kept_as) {
        (api::Keep::Both, Some(kept)) => format!("{path}: {tombstone} is {} now\n", text::name(kept)),
        (_, Some(_)) => format!("{path}: has the version of {} now\n", decided.conflict.device),
        (_, None) => format!("{path}: stays; {tombstone} is gone\n"),
    }
}
