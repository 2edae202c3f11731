//! `bosr join`: this machine as a new device of a vault elsewhere.

use clap::Args;

/// Join a vault of another device with a ticket from `bosr invite`
#[derive(Args, Clone, Debug)]
pub(super) struct Join {
    /// The ticket; - reads it from standard input
    pub(super) ticket: String,
    /// What this device is called in the vault, and in the names of tombstone files
    #[arg(long, env = "BOSR_DEVICE", value_name = "NAME")]
    pub(super) device: Option<String>,
}
