//! Files in and out, as streams.

use axum::body::BodyDataStream;
use bytes::Bytes;
use futures_util::Stream;

use super::super::api::Stored;
use super::super::error::DaemonError;
use super::{Service, missing};

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
    /// Stores a file. Nothing changes unless `content` comes to its end.
    pub async fn store(&self, _file: NewFile, _content: BodyDataStream) -> Result<Stored, DaemonError> {
        missing("put")
    }

    /// The content of the file at `path`.
    pub async fn content(
        &self,
        _path: Vec<u8>,
    ) -> Result<impl Stream<Item = Result<Bytes, DaemonError>> + Send + use<>, DaemonError> {
        missing::<futures_util::stream::Empty<_>>("get")
    }
}
