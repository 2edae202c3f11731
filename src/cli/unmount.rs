//! `bosr unmount`: the end of a mount.

use std::path::PathBuf;

use clap::Args;

/// Unmount a folder
#[derive(Args, Clone, Debug)]
pub(super) struct Unmount {
    /// The folder
    pub(super) dir: PathBuf,
}
