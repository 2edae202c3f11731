//! `bosr init`: a new vault.

use clap::Args;

/// Make a new vault
///
/// Without options and on a terminal it asks for a passphrase twice. --key-file makes the file if it is
/// missing, and records it in the configuration, so that later commands need no option.
#[derive(Args, Clone, Debug)]
pub(super) struct Init {
    /// What this device is called in the vault, and in the names of tombstone files
    #[arg(long, env = "BOSR_DEVICE", value_name = "NAME")]
    pub(super) device: Option<String>,
}
