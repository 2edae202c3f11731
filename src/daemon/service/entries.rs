//! What is where in the vault.

use super::super::api::Entry;
use super::super::error::DaemonError;
use super::{Service, missing};

impl Service {
    /// What is in the directory at `path`; for anything else, the thing itself.
    pub async fn entries(&self, _path: Vec<u8>) -> Result<Vec<Entry>, DaemonError> {
        missing("ls")
    }
}
