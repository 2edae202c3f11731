//! Whether everything that is stored is whole.

use super::super::api::Checked;
use super::super::error::DaemonError;
use super::super::updates::Reporter;
use super::{Service, missing};

impl Service {
    /// Checks everything.
    pub async fn check(&self, _reporter: Reporter<Checked>) -> Result<Checked, DaemonError> {
        missing("fsck")
    }
}
