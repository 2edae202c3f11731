//! `bosr log`: the history of the vault.

use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use clap::Args;

use super::context::Context;
use super::exit::Exit;
use super::global::Listening;
use super::problem::Problem;
use super::text;
use crate::daemon::api::{LogEntry, LogEvent, What};
use crate::daemon::reach::Need;

/// Show the history of the vault, or of one path through renames and saves; newest first
#[derive(Args, Clone, Debug)]
pub(super) struct Log {
    /// A path in the vault, also one that is gone
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
    let what = match (&entry.change, entry.events.as_slice()) {
        (Some(change), _) => change.clone(),
        (None, []) => format!("{} entries", entry.nodes),
        (None, events) => events.iter().map(happened).collect::<Vec<_>>().join("; "),
    };
    let commit = entry.commit.get(..16).unwrap_or(&entry.commit).to_owned();
    [vec![commit], made, vec![what]].concat()
}

fn happened(event: &LogEvent) -> String {
    let path = text::name(&event.path);
    let what = match (event.what, &event.from, event.below, event.versions) {
        (What::Moved, Some(from), ..) => format!("{} moved to {path}", text::name(from)),
        (What::Below, _, Some([added, changed, removed]), _) => {
            format!("below {path}: {added} added, {changed} changed, {removed} removed")
        }
        (What::Conflicted, _, _, Some(versions)) => format!("{path} in conflict: {versions} versions"),
        (what, ..) => format!("{path} {}", word(what)),
    };
    match event.size {
        Some(size) => format!("{what} ({})", text::size(size)),
        None => what,
    }
}

fn word(what: What) -> &'static str {
    match what {
        What::Created => "made",
        What::Returned => "back",
        What::Written => "written",
        What::Moved => "moved",
        What::Linked => "got one more name",
        What::Unlinked => "lost one of its names",
        What::Removed => "removed",
        What::Attributes => "got other attributes",
        What::Conflicted => "in conflict",
        What::Decided => "decided",
        What::Merged => "merged from two sides",
        What::Below => "changed below",
    }
}
