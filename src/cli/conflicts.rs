//! `bosr conflicts`: what waits for a person.

use super::context::Context;
use super::exit::Exit;
use super::global::Listening;
use super::problem::Problem;
use super::text;
use crate::daemon::reach::Need;

/// Lists them; [`Exit::Conflicts`] if there are any.
pub(super) async fn run(context: &Context) -> Result<Exit, Problem> {
    let reached = context.reach(Need::Anybody, &Listening::default()).await?;
    let found = reached.client.conflicts().await;
    reached.close().await?;
    let conflicts = found?;
    context.output.result(&conflicts, || {
        let rows = conflicts
            .iter()
            .map(|c| vec![text::name(&c.path), text::name(&c.tombstone), c.device.clone(), c.rule.clone()]);
        text::columns(&rows.collect::<Vec<_>>(), &[])
    })?;
    if conflicts.is_empty() {
        return Ok(Exit::Done);
    }
    if !context.output.json {
        let how =
            "Decide with `bosr resolve PATH --keep current|tombstone|both`; `bosr merge --explain` says why.";
        context.output.remark(how);
    }
    Ok(Exit::Conflicts)
}
