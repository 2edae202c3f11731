//! `bosr diff`: what differs between two states of the vault.

use clap::Args;

use super::context::Context;
use super::exit::Exit;
use super::global::Listening;
use super::problem::Problem;
use super::{revision, text};
use crate::daemon::api::{Change, Difference};
use crate::daemon::reach::Need;

/// Show what was added, removed, changed and moved between two states
#[derive(Args, Clone, Debug)]
pub(super) struct Diff {
    /// The older state: a commit (six or more digits), a time, or how long ago (`2h`)
    #[arg(value_name = "COMMIT|TIME")]
    pub(super) from: String,
    /// The newer state
    #[arg(value_name = "COMMIT|TIME", default_value = "head")]
    pub(super) to: String,
}

impl Diff {
    pub(super) async fn run(&self, context: &Context) -> Result<Exit, Problem> {
        let (from, to) = (revision::parse(context, &self.from)?, revision::parse(context, &self.to)?);
        let reached = context.reach(Need::Anybody, &Listening::default()).await?;
        let differences = reached.client.diff(&from, &to).await;
        reached.close().await?;
        let differences = differences?;
        context.output.result(&differences, || differences.iter().map(line).collect())?;
        Ok(Exit::Done)
    }
}

fn line(difference: &Difference) -> String {
    let word = match difference.change {
        Change::Added => "added",
        Change::Removed => "removed",
        Change::Changed => "changed",
        Change::Attributes => "attributes",
        Change::Moved if difference.content_changed => "moved, changed",
        Change::Moved => "moved",
    };
    let path = text::name(&difference.path);
    let path = match &difference.from {
        Some(from) => format!("{} -> {path}", text::name(from)),
        None => path,
    };
    let size = match (difference.size_before, difference.size_after) {
        (Some(before), Some(after)) if before != after => {
            format!("  ({} -> {})", text::size(before), text::size(after))
        }
        (None, Some(only)) | (Some(only), None) => format!("  ({})", text::size(only)),
        _ => String::new(),
    };
    format!("{word:<14}  {path}{size}\n")
}
