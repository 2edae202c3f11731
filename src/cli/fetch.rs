//! `bosr get` and `bosr cat`: a file out of the vault.

use std::path::PathBuf;

use clap::Args;

/// Copy a file out of the vault
#[derive(Args, Clone, Debug)]
pub(super) struct Get {
    /// Its path in the vault
    pub(super) path: PathBuf,
    /// Where to write it; - is standard output; the current folder if left out
    pub(super) file: Option<PathBuf>,
}

/// Print a file of the vault
#[derive(Args, Clone, Debug)]
pub(super) struct Cat {
    /// Its path in the vault
    pub(super) path: PathBuf,
}
