//! `bosr peer`: where the other devices of the vault are reached.

use clap::Subcommand;

/// Say where other devices are reached
#[derive(Subcommand, Clone, Debug)]
pub(super) enum Peer {
    /// Remember the address of a device
    Add {
        /// What to call it
        alias: String,
        /// Where it listens: HOST[:PORT]
        address: String,
    },
    /// List the devices whose address is known
    List,
    /// Forget the address of a device
    Remove {
        /// What it is called
        alias: String,
    },
}
