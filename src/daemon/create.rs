//! A new vault on this machine.

use super::error::DaemonError;
use super::target::Target;
use crate::ambient::Ambient;
use crate::crypto::Unlock;

/// What this device is called unless the user says otherwise: the name of the machine.
pub fn default_device() -> String {
    let host = nix::unistd::gethostname().ok().map(|name| name.to_string_lossy().into_owned());
    host.and_then(|name| name.split('.').next().map(str::to_owned))
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| "device".to_owned())
}

/// Makes a vault of one device at `target`.
pub async fn create(
    _target: &Target,
    _unlock: &Unlock,
    _device: &str,
    _ambient: &Ambient,
) -> Result<(), DaemonError> {
    Err(DaemonError::Internal { what: "init".into(), causes: vec!["not built in yet".into()] })
}
