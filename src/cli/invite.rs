//! `bosr invite`: a ticket for a new device.

use clap::Args;
use futures_util::StreamExt;

use super::context::Context;
use super::exit::Exit;
use super::global::Listening;
use super::problem::Problem;
use crate::daemon::api::{Invitation, InvitationRequest};
use crate::daemon::owner::EndSignals;
use crate::daemon::reach::{Need, ask_owner};
use crate::daemon::updates::Update;

/// Make a ticket with which one new device can join
///
/// The ticket is the first line printed. It works once, and for ten minutes. With the vault open in the
/// background the command returns at once, else it stays until the ticket is used or expires.
#[derive(Args, Clone, Debug)]
pub(super) struct Invite {
    /// For how many seconds the ticket is good, if less than ten minutes
    #[arg(long, value_name = "SECONDS")]
    pub(super) valid: Option<u64>,
    #[command(flatten)]
    pub(super) listening: Listening,
}

impl Invite {
    pub(super) async fn run(&self, context: &Context) -> Result<Exit, Problem> {
        let was_open = ask_owner(&context.target).await?.is_some_and(|client| client.hello.stays);
        let reached = context.reach(Need::Owner, &self.listening).await?;
        let request = InvitationRequest { listen: self.listening.listen.clone(), valid_seconds: self.valid };
        let mut updates = reached.client.invite(&request).await?;
        let mut end = EndSignals::listen();
        loop {
            let update = tokio::select! {
                update = updates.next() => update,
                () = end.received() => return Ok(Exit::Failed),
            };
            match update {
                Some(Update::Progress(Invitation::Ticket(ticket))) => {
                    context.output.bytes(format!("{ticket}\n").as_bytes())?;
                    if was_open {
                        return Ok(Exit::Done);
                    }
                    context.output.remark("Waiting for the new device: run `bosr join` there.");
                }
                Some(Update::Progress(Invitation::Joined(device))) => {
                    context.output.remark(&format!("{device} has joined."));
                }
                Some(Update::Failed(error)) => return Err(error.into()),
                Some(Update::Done(())) | None => return Ok(Exit::Done),
            }
        }
    }
}
