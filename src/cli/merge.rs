//! `bosr merge --explain`: why the tree is as it is.

use clap::Args;

use super::context::Context;
use super::exit::Exit;
use super::global::Listening;
use super::problem::Problem;
use super::{revision, text};
use crate::daemon::api::{Act, Decision, Explanation};
use crate::daemon::reach::Need;
use crate::merge::explain::Did;

/// Explain what was decided where people worked apart: in a merge, or in the conflicts there are
#[derive(Args, Clone, Debug)]
pub(super) struct Merge {
    /// Explain (merging itself is done by syncing)
    #[arg(long, required = true)]
    pub(super) explain: bool,
    /// A merge, by six or more of its digits; the conflicts there are now if left out
    #[arg(value_name = "COMMIT")]
    pub(super) commit: Option<String>,
}

impl Merge {
    pub(super) async fn run(&self, context: &Context) -> Result<Exit, Problem> {
        let commit = self.commit.as_deref().map(|text| revision::parse(context, text)).transpose()?;
        let reached = context.reach(Need::Anybody, &Listening::default()).await?;
        let explained = reached.client.explain(commit.as_ref()).await;
        reached.close().await?;
        let explained = explained?;
        context.output.result(&explained, || told(&explained))?;
        if explained.decisions.is_empty() {
            let nothing = match &explained.commit {
                Some(_) => format!(
                    "Nothing was in question: {} changes came from one side each.",
                    explained.nodes.len()
                ),
                None => "Nothing is in conflict.".to_owned(),
            };
            context.output.remark(&nothing);
        }
        Ok(Exit::Done)
    }
}

fn told(explained: &Explanation) -> String {
    explained.decisions.iter().map(decision).collect::<Vec<_>>().join("\n")
}

fn decision(decision: &Decision) -> String {
    let rule = decision.rule.as_ref().map(|rule| format!(" ({rule})")).unwrap_or_default();
    let mut lines = vec![format!("{}: {}{rule}", text::name(&decision.path), decision.text)];
    lines.extend(decision.acts.iter().map(|each| format!("  {}", act(each))));
    let losing =
        decision.losing.as_ref().map(|losing| format!("  the other version: {}", text::name(losing)));
    lines.extend(losing);
    lines.extend(decision.command.as_ref().map(|command| format!("  otherwise: {}", text::name(command))));
    lines.iter().map(|line| format!("{line}\n")).collect()
}

fn act(act: &Act) -> String {
    let mark = if act.prevails { '*' } else { ' ' };
    let device = act.device.as_deref().unwrap_or("someone");
    let did = match (act.did, &act.path) {
        (Did::Wrote, _) => "wrote it".to_owned(),
        (Did::Placed, Some(path)) => format!("put it at {}", text::name(path)),
        (Did::Placed, None) => "made it".to_owned(),
        (Did::Removed, _) => "removed it".to_owned(),
        (Did::Attributes, _) => "changed its attributes".to_owned(),
        (Did::Dropped, _) => "gave up a version of it".to_owned(),
    };
    let size = act.size.map(|size| format!(", {}", text::size(size))).unwrap_or_default();
    let time = act.time.map(|time| format!(", {}", text::time(time))).unwrap_or_default();
    let stamp = act.stamp.as_deref().and_then(|stamp| stamp.split('@').next());
    let stamp = stamp.map(|stamp| format!(", stamp {stamp}")).unwrap_or_default();
    format!("{mark} {device} {did}{size}{time}{stamp}")
}
