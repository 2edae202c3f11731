//! How the vault is.

use super::super::api::Status;
use super::super::error::DaemonError;
use super::super::updates::Reporter;
use super::{Service, missing};

impl Service {
    /// How the vault is now.
    pub async fn status(&self) -> Result<Status, DaemonError> {
        missing("status")
    }

    /// How it is, now and again whenever that changes, until the owner ends or nobody reads any more.
    pub async fn watch_status(&self, reporter: Reporter<Status>) -> Result<(), DaemonError> {
        reporter.report(self.status().await?).await;
        missing("status")
    }
}
