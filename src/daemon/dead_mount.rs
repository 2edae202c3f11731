//! What a program of ours that died left mounted.

use std::path::Path;

use super::error::DaemonError;

/// Clears the dead mount on `dir`.
pub fn clear(dir: &Path) -> Result<(), DaemonError> {
    Err(DaemonError::NotMounted { dir: dir.display().to_string() })
}
