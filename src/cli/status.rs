//! `bosr status`: how the vault is.

use clap::Args;

/// Show the vault, its owner process, mounts, peers, transfers and conflicts
#[derive(Args, Clone, Debug)]
pub(super) struct Status {
    /// Show it again whenever it changes
    #[arg(long)]
    pub(super) watch: bool,
}
