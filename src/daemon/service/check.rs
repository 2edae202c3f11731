//! Whether everything that is stored is whole.

use super::super::api::{Checked, VERSION};
use super::super::error::DaemonError;
use super::super::opening::vault_error;
use super::super::updates::Reporter;
use super::Service;
use crate::vault::Fold;

/// More lines of damage than anybody reads.
const MAX_LINES: usize = 10_000;

impl Service {
    /// Checks everything; reports what it finds on the way.
    pub async fn check(&self, reporter: Reporter<Checked>) -> Result<Checked, DaemonError> {
        self.on_vault(move |vault| {
            let failed = |error| vault_error("checking the vault", error);
            vault.fold_and_commit(Fold::All).map_err(failed)?;
            let mut checked = Checked { version: VERSION, ..Checked::default() };
            let checking = vault.check(&mut |fault| {
                if checked.damage.len() < MAX_LINES {
                    checked.damage.push(fault.to_string());
                    reporter.report_now(checked.clone());
                }
            });
            checking.map_err(failed)?;
            Ok(checked)
        })
        .await
    }
}
