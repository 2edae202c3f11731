//! `bosr put`: a file into the vault.

use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use clap::Args;
use futures_util::Stream;
use futures_util::stream::unfold;
use tokio::io::{AsyncRead, AsyncReadExt};

use super::context::Context;
use super::exit::Exit;
use super::global::Listening;
use super::problem::Problem;
use crate::daemon::reach::Need;

/// Copy a file into the vault
#[derive(Args, Clone, Debug)]
pub(super) struct Put {
    /// The file; - is standard input
    pub(super) file: PathBuf,
    /// Its path in the vault; into a directory if it is one or ends in a slash
    pub(super) path: PathBuf,
}

impl Put {
    pub(super) async fn run(&self, context: &Context) -> Result<Exit, Problem> {
        let source = Source::open(&self.file).await?;
        let reached = context.reach(Need::Anybody, &Listening::default()).await?;
        let body = Body::from_stream(pieces(source.bytes));
        let (path, name) = (self.path.as_os_str().as_bytes(), source.name.as_deref());
        let stored = reached.client.store(path, name, source.mode, source.mtime, body).await;
        reached.close().await?;
        context.output.result(&stored?, String::new)?;
        Ok(Exit::Done)
    }
}

/// What is to be stored.
struct Source {
    name: Option<Vec<u8>>,
    mode: Option<u32>,
    mtime: Option<i64>,
    bytes: Box<dyn AsyncRead + Send + Unpin>,
}

impl Source {
    async fn open(file: &Path) -> Result<Source, Problem> {
        if file == Path::new("-") {
            return Ok(Source { name: None, mode: None, mtime: None, bytes: Box::new(tokio::io::stdin()) });
        }
        let cannot =
            |error: std::io::Error| Problem::failed(format!("cannot read {}", file.display()), &error);
        let opened = tokio::fs::File::open(file).await.map_err(cannot)?;
        let metadata = opened.metadata().await.map_err(cannot)?;
        if metadata.is_dir() {
            let what = format!("{} is a directory", file.display());
            return Err(Problem::new(Exit::Failed, what).advise("copy directories into a mount"));
        }
        Ok(Source {
            name: file.file_name().map(|name| name.as_bytes().to_vec()),
            mode: Some(metadata.mode() & 0o777),
            mtime: Some(metadata.mtime().saturating_mul(NANOS).saturating_add(metadata.mtime_nsec())),
            bytes: Box::new(opened),
        })
    }
}

/// Nanoseconds of a second.
const NANOS: i64 = 1_000_000_000;
/// What is read at a time.
const PIECE_BYTES: usize = 256 << 10;

fn pieces(from: Box<dyn AsyncRead + Send + Unpin>) -> impl Stream<Item = std::io::Result<Bytes>> {
    unfold(from, |mut from| async move {
        let mut piece = BytesMut::with_capacity(PIECE_BYTES);
        match from.read_buf(&mut piece).await {
            Ok(0) => None,
            Ok(_) => Some((Ok(piece.freeze()), from)),
            Err(error) => Some((Err(error), from)),
        }
    })
}
