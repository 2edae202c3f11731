//! Devices, their keys and epochs, and how they join.

use serde::{Deserialize, Serialize};

use crate::miror::SecretBytes;

/// A ticket that is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InvitationRequest {
    /// Where to listen for the new device, if the vault does not listen yet.
    pub listen: Option<String>,
    /// How long the ticket is good for, if less than ten minutes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_seconds: Option<u64>,
}

/// A device of the vault.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    /// Version of the schema.
    pub version: u32,
    /// What it is called.
    pub name: String,
    /// Its public key, in hexadecimal.
    pub key: String,
    /// Whether it is the one that answers.
    pub own: bool,
    /// Whether it was shut out.
    pub revoked: bool,
    /// Whether it may have the current epoch. One that joined since has it all the same.
    pub entitled: bool,
    /// Whether there is a session with it.
    pub connected: bool,
}

/// A new epoch, made or planned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rotation {
    /// Version of the schema.
    pub version: u32,
    /// The epoch until now.
    pub from: String,
    /// The new one; none if it was only planned.
    pub epoch: Option<String>,
    /// The names of the devices that may have it.
    pub entitled: Vec<String>,
    /// The device that was shut out, if one was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked: Option<String>,
}

/// A rotation that is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RotationRequest {
    /// Only say what would be done.
    pub dry_run: bool,
}

/// A new device key that is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RenewalRequest {
    /// What the device is to be called from now on.
    pub name: Option<String>,
    /// A ticket of the device that is to be told.
    pub ticket: Option<String>,
}

/// A device key that was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Renewed {
    /// Version of the schema.
    pub version: u32,
    /// What the device is called now.
    pub name: String,
    /// Its public key, in hexadecimal.
    pub key: String,
    /// The devices that know it.
    pub told: Vec<String>,
}

/// A key slot of the vault file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeySlot {
    /// Version of the schema.
    pub version: u32,
    /// Its name, in hexadecimal.
    pub slot: String,
    /// What opens it: `passphrase` or `key-file`.
    pub kind: String,
}

/// A key that is to open the vault. Crosses the control socket, which is its user's alone.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NewKey {
    /// A passphrase.
    Passphrase(SecretBytes),
    /// The bytes of a key file.
    KeyFile(SecretBytes),
}

/// What an invitation reports.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Invitation {
    /// The ticket to hand over.
    Ticket(String),
    /// A device joined with it, under this name.
    Joined(String),
}
