//! `bosr log`: the history of the vault.

use std::path::PathBuf;

use clap::Args;

/// Show the history of the vault, or of one path
#[derive(Args, Clone, Debug)]
pub(super) struct Log {
    /// A path in the vault
    pub(super) path: Option<PathBuf>,
}
