//! `bosr invite`: a ticket for a new device.

use clap::Args;

use super::global::Listening;

/// Make a ticket with which one new device can join
///
/// The ticket is the first line printed. It works once, and for ten minutes. With the vault open in the
/// background the command returns at once, else it stays until the ticket is used or expires.
#[derive(Args, Clone, Debug)]
pub(super) struct Invite {
    #[command(flatten)]
    pub(super) listening: Listening,
}
