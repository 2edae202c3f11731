//! Files in and out, as streams.

use std::io::{self, Read};

use axum::body::BodyDataStream;
use bytes::{Buf, Bytes};
use futures_util::stream::unfold;
use futures_util::{Stream, StreamExt};
use tokio::sync::mpsc;

use super::super::api::{Name, Stored};
use super::super::error::DaemonError;
use super::super::opening::{path_error, shown, vault_error};
use super::{Service, blocking};
use crate::vault::contents::Content;
use crate::vault::{Attr, Data, Kind, Vault, VaultError};

/// Pieces on their way between the network's threads and the vault's.
const PIECES_AHEAD: usize = 8;
/// What is read at a time.
const PIECE_BYTES: usize = 1 << 20;
/// The mode of a file whose source has none.
const DEFAULT_MODE: u32 = 0o644;

/// A file that is to be stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewFile {
    /// Where: its path, or that of the directory it goes into.
    pub path: Vec<u8>,
    /// What it is called in a directory.
    pub name: Option<Vec<u8>>,
    /// Permission bits.
    pub mode: Option<u32>,
    /// Last change of its content, nanoseconds since 1970.
    pub mtime: Option<i64>,
}

impl Service {
    /// Stores a file, durably. Nothing changes unless `content` comes to its end.
    pub async fn store(&self, file: NewFile, mut content: BodyDataStream) -> Result<Stored, DaemonError> {
        let (pieces, source) = mpsc::channel(PIECES_AHEAD);
        let now = self.ambient.clock.wall();
        let storing = self.on_vault(move |vault| {
            let path = place(vault, &file)?;
            let attr = attributes(&file, now);
            let stored = vault.put_file(&path, Pieces::new(source), attr);
            stored.map_err(|error| path_error(&path, error))?;
            vault.sync().map_err(|error| vault_error("making the file durable", error))?;
            let size =
                vault.find(&path).map(|found| found.size()).map_err(|error| path_error(&path, error))?;
            Ok(Stored { name: Name::new(shown(&path).as_bytes()), size })
        });
        let feeding = async move {
            while let Some(piece) = content.next().await {
                if pieces.send(piece.map_err(io::Error::other)).await.is_err() {
                    return;
                }
            }
        };
        let (stored, ()) = tokio::join!(storing, feeding);
        stored
    }

    /// The content of the file at `path`.
    pub async fn content(
        &self,
        path: Vec<u8>,
    ) -> Result<impl Stream<Item = io::Result<Bytes>> + Send + use<>, DaemonError> {
        let (sender, mut pieces) = mpsc::channel(PIECES_AHEAD);
        let vault = self.vault.clone();
        let content = {
            let (vault, path) = (vault.clone(), path.clone());
            blocking(move || {
                vault.fold_dirty().map_err(|error| vault_error("storing what was written", error))?;
                content_at(&vault, &path).map_err(|error| path_error(&path, error))
            })
            .await?
        };
        tokio::task::spawn_blocking(move || {
            let mut reader = vault.reader(content);
            while let Some(piece) = read_piece(&mut reader).transpose() {
                let failed = piece.is_err();
                if sender.blocking_send(piece).is_err() || failed {
                    return;
                }
            }
        });
        // The first piece is waited for: most of what can go wrong can then still be said in words.
        let first = match pieces.recv().await {
            Some(Err(error)) => return Err(read_error(&path, error)),
            first => first,
        };
        let rest =
            unfold(pieces, |mut pieces| async move { pieces.recv().await.map(|piece| (piece, pieces)) });
        Ok(futures_util::stream::iter(first).chain(rest))
    }
}

/// Where the file goes: into a directory under its name, else at its path.
fn place(vault: &Vault, file: &NewFile) -> Result<Vec<u8>, DaemonError> {
    let is_directory = match vault.find(&file.path) {
        Ok(found) => found.kind == Kind::Directory,
        Err(VaultError::NotFound) => file.path.ends_with(b"/"),
        Err(error) => return Err(path_error(&file.path, error)),
    };
    match (is_directory, &file.name) {
        (false, _) => Ok(file.path.clone()),
        (true, Some(name)) => Ok([&file.path[..], b"/", name].concat()),
        (true, None) => Err(DaemonError::IsDirectory { path: shown(&file.path) }),
    }
}

/// A new file belongs to whoever runs the owner.
fn attributes(file: &NewFile, now: i64) -> Attr {
    Attr {
        mode: file.mode.unwrap_or(DEFAULT_MODE) & 0o7777,
        uid: nix::unistd::geteuid().as_raw(),
        gid: nix::unistd::getegid().as_raw(),
        mtime: file.mtime.unwrap_or(now),
        birth: now,
        xattrs: Default::default(),
    }
}

fn content_at(vault: &Vault, path: &[u8]) -> crate::vault::Result<Content> {
    let found = vault.find(path)?;
    match (found.kind, found.data) {
        (_, Some(Data::Content(content))) => Ok(content),
        (Kind::File, _) => Ok(Content::Empty),
        (Kind::Directory, _) => Err(VaultError::IsDirectory),
        _ => Err(VaultError::Invalid("only files have a content")),
    }
}

fn read_piece(reader: &mut impl Read) -> io::Result<Option<Bytes>> {
    let mut piece = Vec::with_capacity(PIECE_BYTES);
    reader.by_ref().take(PIECE_BYTES as u64).read_to_end(&mut piece)?;
    Ok((!piece.is_empty()).then(|| piece.into()))
}

fn read_error(path: &[u8], error: io::Error) -> DaemonError {
    match error.downcast::<VaultError>() {
        Ok(error) => path_error(path, error),
        Err(error) => DaemonError::internal(format!("reading {}", shown(path)), &error),
    }
}

/// A stream of pieces as a blocking reader.
struct Pieces {
    source: mpsc::Receiver<io::Result<Bytes>>,
    current: Bytes,
}

impl Pieces {
    fn new(source: mpsc::Receiver<io::Result<Bytes>>) -> Self {
        Pieces { source, current: Bytes::new() }
    }
}

impl Read for Pieces {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        while !self.current.has_remaining() {
            match self.source.blocking_recv() {
                Some(piece) => self.current = piece?,
                None => return Ok(0),
            }
        }
        let count = self.current.len().min(buf.len());
        self.current.split_to(count).copy_to_slice(buf.get_mut(..count).unwrap_or_default());
        Ok(count)
    }
}
