//! `bosr status`: how the vault is.

use clap::Args;
use futures_util::StreamExt;

use super::context::Context;
use super::exit::Exit;
use super::global::Listening;
use super::peer;
use super::problem::Problem;
use super::text;
use crate::daemon::api::Status as Answer;
use crate::daemon::client::Client;
use crate::daemon::owner::EndSignals;
use crate::daemon::reach::Need;
use crate::daemon::updates::Update;

/// Show the vault, its owner process, mounts, peers, transfers and conflicts
#[derive(Args, Clone, Debug)]
pub(super) struct Status {
    /// Show it again whenever it changes
    #[arg(long)]
    pub(super) watch: bool,
}

impl Status {
    pub(super) async fn run(&self, context: &Context) -> Result<Exit, Problem> {
        let reached = context.reach(Need::Anybody, &Listening::default()).await?;
        let outcome = match self.watch {
            true => watch(context, &reached.client).await,
            false => once(context, &reached.client).await,
        };
        reached.close().await?;
        outcome.map(|()| Exit::Done)
    }
}

async fn once(context: &Context, client: &Client) -> Result<(), Problem> {
    let status = client.status().await?;
    context.output.result(&status, || shown(&status))
}

async fn watch(context: &Context, client: &Client) -> Result<(), Problem> {
    let mut updates = client.watch_status().await?;
    let mut end = EndSignals::listen();
    loop {
        let update = tokio::select! {
            update = updates.next() => update,
            () = end.received() => return Ok(()),
        };
        match update {
            Some(Update::Progress(status)) => {
                context.output.result(&status, || format!("{}\n", shown(&status)))?
            }
            Some(Update::Failed(error)) => return Err(error.into()),
            Some(Update::Done(())) | None => return Ok(()),
        }
    }
}

fn shown(status: &Answer) -> String {
    let mut rows = vec![
        ("vault", format!("{} ({})", status.vault, status.store)),
        ("device", known(&status.device).to_owned()),
        ("state", format!("{} entries, root {}", status.nodes, known(short(&status.root)))),
        ("on disk", text::size(status.history)),
        ("owner", status.owner.map_or_else(|| "none".to_owned(), |pid| format!("process {pid}"))),
        ("listening", status.listen.clone().unwrap_or_else(|| "no".to_owned())),
    ];
    rows.extend(status.mounts.iter().map(|dir| ("mounted on", dir.clone())));
    if status.waiting.files > 0 {
        let (files, bytes) = (status.waiting.files, text::size(status.waiting.bytes));
        rows.push(("waiting", format!("{files} files for {bytes}")));
    }
    if status.transfer.received_rate + status.transfer.sent_rate >= 1.0 {
        let rate = |rate: f64| text::size(rate as u64);
        let (down, up) = (rate(status.transfer.received_rate), rate(status.transfer.sent_rate));
        rows.push(("transfer", format!("{down}/s in, {up}/s out")));
    }
    if status.conflicts > 0 {
        rows.push(("conflicts", format!("{}: see `bosr conflicts`", status.conflicts)));
    }
    let rows: Vec<_> = rows.into_iter().map(|(what, value)| vec![what.to_owned(), value]).collect();
    let mut shown = text::columns(&rows, &[]);
    if !status.peers.is_empty() {
        shown.push_str("peers:\n");
        shown.extend(peer::table(&status.peers).lines().map(|line| format!("  {line}\n")));
    }
    shown
}

/// A device that has joined learns all else from its first sync.
fn known(what: &str) -> &str {
    if what.is_empty() { "not known before the first sync" } else { what }
}

fn short(id: &str) -> &str {
    id.get(..16).unwrap_or(id)
}
