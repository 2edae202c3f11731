//! The past of the vault, and what waits for a person.

use super::super::api::{Conflict, LogEntry};
use super::super::error::DaemonError;
use super::{Service, missing};

impl Service {
    /// The conflicts that wait for a person.
    pub async fn conflicts(&self) -> Result<Vec<Conflict>, DaemonError> {
        missing("conflicts")
    }

    /// The commits, newest first; with a path, those in which it changed.
    pub async fn log(&self, _path: Option<Vec<u8>>) -> Result<Vec<LogEntry>, DaemonError> {
        missing("log")
    }
}
