//! `bosr mount`: a vault as a folder.

use std::path::PathBuf;

use clap::Args;

use super::global::Listening;

/// Mount the vault on a folder
///
/// Returns when the mount is ready; a background process serves it until `bosr unmount`.
#[derive(Args, Clone, Debug)]
pub(super) struct Mount {
    /// The folder to mount on
    pub(super) dir: PathBuf,
    /// Stay in the foreground; Ctrl-C unmounts
    #[arg(short, long)]
    pub(super) foreground: bool,
    /// Mount options, separated by commas: ro, noatime, allow_other, nosuid, nodev, noexec
    #[arg(short = 'o', long = "options", value_name = "OPTS", value_delimiter = ',')]
    pub(super) options: Vec<String>,
    #[command(flatten)]
    pub(super) listening: Listening,
}
