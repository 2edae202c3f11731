//! `bosr rotate`: a new epoch of the master key.

use clap::Args;

use super::context::Context;
use super::exit::Exit;
use super::global::Listening;
use super::problem::Problem;
use super::text;
use crate::daemon::api::{Rotation, RotationRequest};
use crate::daemon::reach::Need;

/// Make a new epoch of the master key
///
/// What is written from now on is encrypted under it, and peers prove it to each other. Every device that is
/// listed and not revoked gets it when it next meets another.
#[derive(Args, Clone, Debug)]
pub(super) struct Rotate {
    /// Only say what would be done
    #[arg(long)]
    dry_run: bool,
}

impl Rotate {
    pub(super) async fn run(&self, context: &Context) -> Result<Exit, Problem> {
        let reached = context.reach(Need::Anybody, &Listening::default()).await?;
        let outcome = reached.client.rotate(RotationRequest { dry_run: self.dry_run }).await;
        reached.close().await?;
        tell(context, &outcome?).map(|()| Exit::Done)
    }
}

/// Prints a rotation.
pub(super) fn tell(context: &Context, rotation: &Rotation) -> Result<(), Problem> {
    context.output.result(rotation, || {
        let revoked = rotation.revoked.iter().map(|name| format!("{} is revoked.\n", text::name(name)));
        let names: Vec<_> = rotation.entitled.iter().map(|name| text::name(name)).collect();
        let epoch = match &rotation.epoch {
            Some(epoch) => format!("The epoch is {epoch} now"),
            None => format!("The epoch is {} and would be replaced", rotation.from),
        };
        format!("{}{epoch}, for {}.\n", revoked.collect::<String>(), names.join(", "))
    })
}
