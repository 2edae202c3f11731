//! `bosr fsck`: whether everything that is stored is whole.

use super::context::Context;
use super::exit::Exit;
use super::global::Listening;
use super::problem::Problem;
use crate::daemon::reach::Need;

/// Checks; [`Exit::Damage`] if something is not whole.
pub(super) async fn run(context: &Context) -> Result<Exit, Problem> {
    let reached = context.reach(Need::Anybody, &Listening::default()).await?;
    let checked = reached.client.check(|_| ()).await;
    reached.close().await?;
    let checked = checked?;
    context.output.result(&checked, || {
        let mut text: String = checked.damage.iter().map(|line| format!("{line}\n")).collect();
        if checked.damage.is_empty() && !context.output.quiet {
            text.push_str("Everything is whole.\n");
        }
        text
    })?;
    Ok(if checked.damage.is_empty() { Exit::Done } else { Exit::Damage })
}
