//! `bosr peer`: where the other devices of the vault are reached.

use clap::Subcommand;

use super::context::Context;
use super::exit::Exit;
use super::global::Listening;
use super::problem::Problem;
use super::text;
use crate::daemon::api::PeerStatus;
use crate::daemon::client::Client;
use crate::daemon::reach::Need;

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
    /// List the devices that are known
    List,
    /// Forget the address of a device
    Remove {
        /// What it is called
        alias: String,
    },
}

impl Peer {
    pub(super) async fn run(&self, context: &Context) -> Result<Exit, Problem> {
        let reached = context.reach(Need::Anybody, &Listening::default()).await?;
        let outcome = self.act(context, &reached.client).await;
        reached.close().await?;
        outcome.map(|()| Exit::Done)
    }

    async fn act(&self, context: &Context, client: &Client) -> Result<(), Problem> {
        match self {
            Peer::Add { alias, address } => Ok(client.add_peer(alias, address).await?),
            Peer::Remove { alias } => Ok(client.remove_peer(alias).await?),
            Peer::List => {
                let peers = client.peers().await?;
                context.output.result(&peers, || table(&peers))
            }
        }
    }
}

/// The peers, one on a line.
pub(super) fn table(peers: &[PeerStatus]) -> String {
    let row = |peer: &PeerStatus| {
        let state = match (peer.connected, peer.in_sync) {
            (true, true) => "connected, in sync",
            (true, false) => "connected, behind or ahead",
            (false, true) => "not connected, in sync when last seen",
            (false, false) => "not connected",
        };
        let address = peer.address.clone().unwrap_or_else(|| "no address".to_owned());
        let address = peer.found.as_ref().map_or(address.clone(), |found| format!("{address} ({found})"));
        vec![text::name(&peer.alias), address, state.to_owned()]
    };
    text::columns(&peers.iter().map(row).collect::<Vec<_>>(), &[])
}
