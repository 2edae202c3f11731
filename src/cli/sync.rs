//! `bosr sync`: the same state here and on the peers.

use clap::Args;

use super::global::Listening;

/// Bring this vault and its peers to the same state
///
/// Once and in both directions, or with --follow until interrupted.
#[derive(Args, Clone, Debug)]
pub(super) struct Sync {
    /// The peers; all of them if none is named
    pub(super) aliases: Vec<String>,
    /// Keep in step until interrupted
    #[arg(long)]
    pub(super) follow: bool,
    #[command(flatten)]
    pub(super) listening: Listening,
}
