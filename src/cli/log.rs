//! `bosr log`: the history of the vault.

use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use clap::Args;

use super::context::Context;
use super::exit::Exit;
use super::global::Listening;
use super::problem::Problem;
use super::text;
use crate::daemon::api::LogEntry;
use crate::daemon::reach::Need;

/// Show the history of the vault, or of one path; newest first
#[derive(Args, Clone, Debug)]
pub(super) struct Log {
    /// A path in the vault
    pub(super) path: Option<PathBuf>,
}

impl Log {
    pub(super) async fn run(&self, context: &Context) -> Result<Exit, Problem> {
        let reached = context.reach(Need::Anybody, &Listening::default()).await?;
        let path = self.path.as_ref().map(|path| path.as_os_str().as_bytes());
        let found = reached.client.log(path).await;
        reached.close().await?;
        let entries = found?;
        context
            .output
            .result(&entries, || text::columns(&entries.iter().map(row).collect::<Vec<_>>(), &[]))?;
        Ok(Exit::Done)
    }
}

fn row(entry: &LogEntry) -> Vec<String> {
    let made = match (entry.time, &entry.device) {
        (Some(time), device) => vec![text::time(time), device.clone().unwrap_or_default()],
        (None, _) => vec!["merge".to_owned(), String::new()],
    };
    let what = entry.change.clone().unwrap_or_else(|| format!("{} entries", entry.nodes));
    let commit = entry.commit.get(..16).unwrap_or(&entry.commit).to_owned();
    [vec![commit], made, vec![what]].concat()
}
