//! `bosr mount`: a vault as a folder.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use clap::Args;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::context::Context;
use super::exit::Exit;
use super::global::Listening;
use super::problem::Problem;
use crate::daemon::api::MountRequest;
use crate::daemon::reach::{Need, Reached};

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
    /// Mount options, separated by commas: ro, noatime, noexec, allow_other, nonempty, suid, dev,
    /// owner=keep|mounter (whether users and groups are kept, or all files belong to who mounts)
    #[arg(short = 'o', long = "options", value_name = "OPTS", value_delimiter = ',')]
    pub(super) options: Vec<String>,
    #[command(flatten)]
    pub(super) listening: Listening,
}

impl Mount {
    pub(super) async fn run(&self, context: &Context) -> Result<Exit, Problem> {
        let request = MountRequest { dir: utf8(&resolve(&self.dir))?, options: self.options.clone() };
        let need = if self.foreground { Need::OwnerHere } else { Need::Owner };
        let reached = context.reach(need, &self.listening).await?;
        // Heard from before there is a mount to end.
        let ends = if self.foreground { Some(Ends::hear()?) } else { None };
        if let Err(error) = reached.client.mount(&request).await {
            reached.close().await?;
            return Err(error.into());
        }
        match ends {
            Some(ends) => stay(context, reached, &request.dir, ends).await,
            None => {
                reached.close().await?;
                Ok(Exit::Done)
            }
        }
    }
}

/// The signals that end a mount in the foreground.
struct Ends {
    interrupt: Signal,
    terminate: Signal,
}

impl Ends {
    fn hear() -> Result<Ends, Problem> {
        let cannot = |error: std::io::Error| Problem::failed("cannot wait for signals", &error);
        let interrupt = signal(SignalKind::interrupt()).map_err(cannot)?;
        Ok(Ends { interrupt, terminate: signal(SignalKind::terminate()).map_err(cannot)? })
    }
}

/// Stays until the mount ends. Ctrl-C ends it, and leaves what other commands asked of this process alone;
/// once more, or SIGTERM, ends all.
async fn stay(context: &Context, reached: Reached, dir: &str, ends: Ends) -> Result<Exit, Problem> {
    let Ends { mut interrupt, mut terminate } = ends;
    context.output.remark(&format!("Mounted on {dir}; Ctrl-C unmounts."));
    tokio::select! {
        ended = reached.client.mount_ended(dir.as_bytes()) => ended?,
        _ = terminate.recv() => reached.client.unmount(dir.as_bytes()).await?,
        _ = interrupt.recv() => {
            reached.client.unmount(dir.as_bytes()).await?;
            tokio::select! {
                () = reached.unused() => {}
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        }
    }
    reached.close().await?;
    Ok(Exit::Done)
}

/// `dir` absolute and without links in the folders above it. The folder itself is not looked into: it may be
/// a mount whose process is dead or busy.
pub(super) fn resolve(dir: &Path) -> PathBuf {
    let absolute = std::path::absolute(dir).unwrap_or_else(|_| dir.to_owned());
    if let Ok(found) = absolute.canonicalize() {
        return found;
    }
    let above = absolute.parent().and_then(|above| above.canonicalize().ok());
    match (above, absolute.file_name()) {
        (Some(above), Some(name)) => above.join(name),
        _ => absolute,
    }
}

fn utf8(dir: &Path) -> Result<String, Problem> {
    let text = std::str::from_utf8(dir.as_os_str().as_bytes());
    text.map(str::to_owned)
        .map_err(|error| Problem::failed(format!("cannot mount on {}", dir.display()), &error))
}
