//! This machine as a new device of a vault elsewhere.

use super::error::DaemonError;
use super::target::Target;
use crate::ambient::Ambient;
use crate::crypto::Unlock;

/// What stands in a ticket.
pub struct Ticket(());

/// Reads a ticket.
pub fn parse_ticket(_text: &str) -> Result<Ticket, DaemonError> {
    Err(DaemonError::Internal { what: "join".into(), causes: vec!["not built in yet".into()] })
}

/// Joins with a ticket; gives the name of the device that had made it.
pub async fn join(
    _target: &Target,
    _ticket: &Ticket,
    _unlock: &Unlock,
    _device: &str,
    _ambient: &Ambient,
) -> Result<String, DaemonError> {
    Err(DaemonError::Internal { what: "join".into(), causes: vec!["not built in yet".into()] })
}
