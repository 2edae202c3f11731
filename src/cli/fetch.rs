//! `bosr get` and `bosr cat`: a file out of the vault.

use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use clap::Args;
use futures_util::StreamExt;
use tokio::io::{AsyncWrite, AsyncWriteExt};

use super::context::Context;
use super::exit::Exit;
use super::global::Listening;
use super::problem::Problem;
use crate::ambient::files;
use crate::daemon::client::Client;
use crate::daemon::reach::Need;

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

impl Cat {
    pub(super) async fn run(&self, context: &Context) -> Result<Exit, Problem> {
        fetch(context, &self.path, &Sink::Stdout).await
    }
}

impl Get {
    pub(super) async fn run(&self, context: &Context) -> Result<Exit, Problem> {
        fetch(context, &self.path, &Sink::choose(&self.path, self.file.as_deref())?).await
    }
}

/// Where a file goes.
enum Sink {
    Stdout,
    /// A regular file: written beside its place and renamed, so that a transfer that breaks off leaves
    /// what was there.
    Replace(PathBuf),
    /// Something else that is there already: a device, a pipe.
    Into(PathBuf),
}

impl Sink {
    fn choose(path: &Path, file: Option<&Path>) -> Result<Sink, Problem> {
        let place = match file {
            Some(file) if file == Path::new("-") => return Ok(Sink::Stdout),
            Some(file) => file.to_owned(),
            None => PathBuf::from("."),
        };
        let place = match (place.is_dir(), path.file_name()) {
            (true, Some(name)) => place.join(name),
            (true, None) => {
                return Err(Problem::new(Exit::Usage, "the path names no file").advise("name one"));
            }
            (false, _) => place,
        };
        let special = place.metadata().is_ok_and(|found| !found.is_file());
        Ok(if special { Sink::Into(place) } else { Sink::Replace(place) })
    }
}

async fn fetch(context: &Context, path: &Path, sink: &Sink) -> Result<Exit, Problem> {
    let reached = context.reach(Need::Anybody, &Listening::default()).await?;
    let copied = copy(&reached.client, path, sink).await;
    reached.close().await?;
    copied.map(|()| Exit::Done)
}

async fn copy(client: &Client, path: &Path, sink: &Sink) -> Result<(), Problem> {
    match sink {
        Sink::Stdout => stream(client, path, &mut tokio::io::stdout(), Path::new("standard output")).await,
        Sink::Into(place) => {
            let opened = tokio::fs::OpenOptions::new().write(true).open(place).await;
            stream(client, path, &mut opened.map_err(|error| cannot_write(place, &error))?, place).await
        }
        Sink::Replace(place) => {
            let temporary = beside(place);
            let written = write_new(client, path, &temporary, place).await;
            if written.is_err() {
                let _ = files::remove(&temporary);
            }
            written
        }
    }
}

async fn write_new(client: &Client, path: &Path, temporary: &Path, place: &Path) -> Result<(), Problem> {
    let created = tokio::fs::OpenOptions::new().write(true).create_new(true).open(temporary).await;
    let mut file = created.map_err(|error| cannot_write(place, &error))?;
    stream(client, path, &mut file, place).await?;
    tokio::fs::rename(temporary, place).await.map_err(|error| cannot_write(place, &error))
}

fn beside(place: &Path) -> PathBuf {
    let mut name = std::ffi::OsString::from(".");
    name.push(place.file_name().unwrap_or_default());
    name.push(format!(".{}.part", std::process::id()));
    place.with_file_name(name)
}

async fn stream(
    client: &Client,
    path: &Path,
    to: &mut (impl AsyncWrite + Unpin),
    place: &Path,
) -> Result<(), Problem> {
    let mut content = Box::pin(client.content(path.as_os_str().as_bytes()).await?);
    while let Some(piece) = content.next().await {
        to.write_all(&piece?).await.map_err(|error| cannot_write(place, &error))?;
    }
    to.flush().await.map_err(|error| cannot_write(place, &error))
}

fn cannot_write(place: &Path, error: &io::Error) -> Problem {
    match error.kind() {
        io::ErrorKind::BrokenPipe => Problem::silent(Exit::Failed),
        _ => Problem::failed(format!("cannot write {}", place.display()), error),
    }
}
