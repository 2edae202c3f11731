//! `bosr put`: a file into the vault.

use std::path::PathBuf;

use clap::Args;

/// Copy a file into the vault
#[derive(Args, Clone, Debug)]
pub(super) struct Put {
    /// The file; - is standard input
    pub(super) file: PathBuf,
    /// Its path in the vault; into a directory if it is one or ends in a slash
    pub(super) path: PathBuf,
}
