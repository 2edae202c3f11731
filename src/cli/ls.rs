//! `bosr ls`: what is in a directory of the vault.

use std::path::PathBuf;

use clap::Args;

/// List a directory of the vault
#[derive(Args, Clone, Debug)]
pub(super) struct Ls {
    /// Its path in the vault
    #[arg(default_value = "/")]
    pub(super) path: PathBuf,
}
