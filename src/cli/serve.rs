//! `bosr open` and `bosr close`: the vault unlocked in the background.

use super::context::Context;
use super::exit::Exit;
use super::global::Listening;
use super::problem::Problem;
use crate::daemon::reach::{Need, ask_owner};

/// Unlocks the vault and leaves it served.
pub(super) async fn open(context: &Context, listening: &Listening) -> Result<Exit, Problem> {
    let reached = context.reach(Need::Owner, listening).await?;
    reached.client.open_vault().await?;
    reached.close().await?;
    Ok(Exit::Done)
}

/// Ends that. Mounts and other leases keep the vault open; nothing open is nothing to close.
pub(super) async fn close(context: &Context) -> Result<Exit, Problem> {
    if let Some(client) = ask_owner(&context.target).await? {
        client.close_vault().await?;
    }
    Ok(Exit::Done)
}
