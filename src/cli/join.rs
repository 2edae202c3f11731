//! `bosr join`: this machine as a new device of a vault elsewhere.

use std::io::Read;

use clap::Args;
use serde::Serialize;

use super::context::Context;
use super::exit::Exit;
use super::init::{new_key, record_key};
use super::problem::Problem;
use crate::daemon::create::default_device;
use crate::daemon::error::DaemonError;
use crate::daemon::join;

/// No ticket is longer.
const MAX_TICKET_BYTES: u64 = 64 << 10;

/// Join a vault of another device with a ticket from `bosr invite`
#[derive(Args, Clone, Debug)]
pub(super) struct Join {
    /// The ticket; - reads it from standard input
    pub(super) ticket: String,
    /// What this device is called in the vault, and in the names of tombstone files
    #[arg(long, env = "BOSR_DEVICE", value_name = "NAME")]
    pub(super) device: Option<String>,
}

/// What was joined.
#[derive(Serialize)]
struct Joined {
    version: u32,
    vault: String,
    store: String,
    device: String,
    peer: String,
}

impl Join {
    pub(super) async fn run(&self, context: &Context) -> Result<Exit, Problem> {
        let target = &context.target;
        if target.exists() {
            return Err(DaemonError::AlreadyInitialised { store: target.store_shown() }.into());
        }
        let ticket = join::parse_ticket(&self.ticket()?, &context.ambient)?;
        let device = self.device.clone().unwrap_or_else(default_device);
        let unlock = new_key(context)?;
        let names = join::join(target, &ticket, unlock, &device, &context.ambient).await?;
        record_key(context)?;
        let joined = Joined {
            version: crate::daemon::api::VERSION,
            vault: target.shown(),
            store: target.store_shown(),
            device: names.device,
            peer: names.peer,
        };
        context.output.result(&joined, || match context.output.quiet {
            true => String::new(),
            false => format!(
                "Joined the vault of {} as {}.\nFetch it with `bosr sync`, mount it with `bosr mount DIR`.\n",
                joined.peer, joined.device
            ),
        })?;
        Ok(Exit::Done)
    }

    fn ticket(&self) -> Result<String, Problem> {
        if self.ticket != "-" {
            return Ok(self.ticket.clone());
        }
        let mut text = String::new();
        let read = std::io::stdin().lock().take(MAX_TICKET_BYTES).read_to_string(&mut text);
        read.map_err(|error| Problem::failed("cannot read the ticket from standard input", &error))?;
        Ok(text.trim().to_owned())
    }
}
