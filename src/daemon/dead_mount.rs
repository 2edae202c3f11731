//! What a program of ours that died left mounted.

use std::path::Path;

use super::error::{DaemonError, chain};

/// Clears the dead mount on `dir`; an error if there is none.
pub fn clear(dir: &Path) -> Result<(), DaemonError> {
    let shown = dir.display().to_string();
    match bosr_mount::clear_dead(dir) {
        Ok(true) => Ok(()),
        Ok(false) => Err(DaemonError::NotMounted { dir: shown }),
        Err(error) => Err(DaemonError::Unmount { dir: shown, causes: chain(&error) }),
    }
}
