//! `bosr sync`: the same state here and on the peers.

use clap::Args;
use futures_util::StreamExt;

use super::context::Context;
use super::exit::Exit;
use super::global::Listening;
use super::problem::Problem;
use super::progress::SyncBars;
use super::text;
use crate::daemon::api::{PeerSynced, Peers, Synced};
use crate::daemon::owner::EndSignals;
use crate::daemon::reach::Need;
use crate::daemon::updates::Update;

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

impl Sync {
    pub(super) async fn run(&self, context: &Context) -> Result<Exit, Problem> {
        let peers = Peers { aliases: self.aliases.clone() };
        if self.follow { self.follow(context, &peers).await } else { self.once(context, &peers).await }
    }

    async fn once(&self, context: &Context, peers: &Peers) -> Result<Exit, Problem> {
        let reached = context.reach(Need::Anybody, &self.listening).await?;
        let mut bars = SyncBars::new(context.output);
        let mut end = EndSignals::listen();
        let synced = tokio::select! {
            synced = reached.client.sync(peers, |progress| bars.show(&progress)) => synced.map_err(Problem::from),
            () = end.received() => Err(Problem::new(Exit::Failed, "interrupted").advise("what has arrived is kept")),
        };
        bars.finish();
        reached.close().await?;
        report(context, &synced?)
    }

    async fn follow(&self, context: &Context, peers: &Peers) -> Result<Exit, Problem> {
        let reached = context.reach(Need::Owner, &self.listening).await?;
        // Heard from before there is a lease to give up.
        let mut end = EndSignals::listen();
        let mut updates = reached.client.keep_in_step(peers).await?;
        let mut bars = SyncBars::new(context.output);
        loop {
            let update = tokio::select! {
                update = updates.next() => update,
                // Dropping the stream gives up the lease: the owner stays if others need it.
                () = end.received() => return Ok(Exit::Done),
            };
            match update {
                Some(Update::Progress(progress)) => bars.follow(&progress),
                Some(Update::Failed(error)) => return Err(error.into()),
                Some(Update::Done(())) | None => return Ok(Exit::Done),
            }
        }
    }
}

/// Says what was done, and tells by the exit code whether all of it was.
fn report(context: &Context, synced: &Synced) -> Result<Exit, Problem> {
    context.output.result(synced, || match context.output.quiet {
        true => String::new(),
        false => synced.peers.iter().filter(|peer| peer.error.is_none()).map(line).collect(),
    })?;
    if synced.peers.is_empty() {
        context.output.remark("no other device is known yet: let one in with `bosr invite`");
    }
    let mut failed = synced.peers.iter().filter_map(|peer| peer.error.clone()).map(Problem::from);
    if let Some(mut first) = failed.next() {
        failed.for_each(|problem| problem.tell(context.global.verbose > 0));
        first.exit = Exit::Unreachable;
        return Err(first);
    }
    Ok(if synced.conflicts > 0 { Exit::Conflicts } else { Exit::Done })
}

fn line(peer: &PeerSynced) -> String {
    let (received, sent) = (text::size(peer.received), text::size(peer.sent));
    format!("{}: in sync, {received} received, {sent} sent\n", text::name(&peer.alias))
}
