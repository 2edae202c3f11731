//! What can go wrong between a command and the vault it means.
//!
//! The error crosses the control socket whole, so that a command ends the same way whether it opened the
//! vault itself or asked its owner. Advice for people is not here: that is the command line's.

use serde::{Deserialize, Serialize};

/// Why an action on a vault failed. Variants by whose fault it is; `causes` are the errors below, nearest
/// first.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
#[allow(missing_docs, reason = "the message above each variant says what its fields are")]
pub enum DaemonError {
    #[error("there is no vault at {store}")]
    NotInitialised { store: String },
    #[error("there is a vault at {store} already")]
    AlreadyInitialised { store: String },
    #[error("the vault at {store} is in use by {}, which does not answer", process(*pid))]
    InUse { store: String, pid: Option<u32> },
    #[error("the process that had the vault at {store} open has ended")]
    OwnerGone { store: String },
    #[error("the process that has the vault at {store} open broke off")]
    Broken { store: String },
    #[error("cannot unlock the vault at {store}: wrong key or damaged")]
    WrongKey { store: String },
    #[error("cannot unlock the vault at {store} without a key")]
    NoKey { store: String },
    #[error("{message}")]
    Key { message: String, causes: Vec<String> },
    #[error("cannot use {what}")]
    Setup { what: String, causes: Vec<String> },
    #[error("{what} is damaged")]
    Damaged { what: String, causes: Vec<String> },
    #[error("there is no {path} in the vault")]
    NoSuchPath { path: String },
    #[error("{path} is a directory")]
    IsDirectory { path: String },
    #[error("{path} is not a directory")]
    NotDirectory { path: String },
    #[error("{path} is not a file")]
    NotFile { path: String },
    #[error("{path} cannot be changed: {reason}")]
    Refused { path: String, reason: String },
    #[error("{path} was not there in commit {commit}")]
    NotThen { path: String, commit: String },
    #[error("there is no commit {commit}")]
    UnknownCommit { commit: String },
    #[error("{count} commits begin with {commit}")]
    AmbiguousCommit { commit: String, count: u64 },
    #[error("commit {commit} is no merge: one device made it alone")]
    NoMerge { commit: String },
    #[error("the history of this vault begins later than that")]
    BeforeHistory,
    #[error("something else than that stands at {path}")]
    InTheWay { path: String },
    #[error("{path} is not in conflict")]
    NoConflict { path: String },
    #[error("{count} versions stand beside {path}")]
    SeveralTombstones { path: String, count: u64 },
    #[error("{path} is a directory: no file can become its content")]
    HeldByDirectory { path: String },
    #[error("{path} is not completely here, and no peer that has it can be reached")]
    ContentMissing { path: String },
    #[error("the disk under the vault is full")]
    Full,
    #[error("there is no peer called {alias}")]
    UnknownPeer { alias: String },
    #[error("there is a peer called {alias} already")]
    PeerExists { alias: String },
    #[error("{alias:?} cannot be the name of a peer")]
    BadAlias { alias: String },
    #[error("{address} is not an address")]
    BadAddress { address: String },
    #[error("cannot reach {peer}")]
    Unreachable { peer: String, causes: Vec<String> },
    #[error("the transfer with {peer} broke off")]
    Partial { peer: String, causes: Vec<String> },
    #[error("{peer} refused: {reason}")]
    Refusal { peer: String, reason: String },
    #[error("{peer} was turned away: {reason}")]
    TurnedAway { peer: String, reason: String },
    #[error("there is no device called {device} in the vault")]
    UnknownDevice { device: String },
    #[error("several devices are called {device}")]
    AmbiguousDevice { device: String },
    #[error("{device} is this device")]
    OwnDevice { device: String },
    #[error("{}", not_member(*revoked))]
    NotMember { revoked: bool },
    #[error("the vault at {store} is open in the background")]
    IsOpen { store: String },
    #[error("no other device of the vault could be told of the new key")]
    NobodyTold { causes: Vec<String> },
    #[error("the vault has no key slot {slot}")]
    UnknownSlot { slot: String },
    #[error("{slot} is the only key of the vault")]
    LastSlot { slot: String },
    #[error("the ticket {reason}")]
    Ticket { reason: String },
    #[error("cannot listen on {address}")]
    Listen { address: String, causes: Vec<String> },
    #[error("cannot mount on {dir}")]
    Mount { dir: String, trouble: MountTrouble, causes: Vec<String> },
    #[error("{dir} is in use")]
    MountBusy { dir: String },
    #[error("cannot unmount {dir}")]
    Unmount { dir: String, causes: Vec<String> },
    #[error("nothing of this vault is mounted on {dir}")]
    NotMounted { dir: String },
    #[error("{what} failed")]
    Internal { what: String, causes: Vec<String> },
}

/// What kept a vault from being mounted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs, reason = "the causes beside it say what each is")]
pub enum MountTrouble {
    NotFound,
    NotDirectory,
    NotEmpty,
    AlreadyMounted,
    UnknownOption,
    NoDevice,
    DeviceNotPermitted,
    NoFusermount,
    OthersNotAllowed,
    OnlyByRoot,
    NotPermitted,
    Dead,
    Other,
}

impl DaemonError {
    /// The errors below, nearest first.
    pub fn causes(&self) -> &[String] {
        match self {
            DaemonError::Key { causes, .. }
            | DaemonError::Setup { causes, .. }
            | DaemonError::Damaged { causes, .. }
            | DaemonError::Unreachable { causes, .. }
            | DaemonError::Partial { causes, .. }
            | DaemonError::NobodyTold { causes }
            | DaemonError::Listen { causes, .. }
            | DaemonError::Mount { causes, .. }
            | DaemonError::Unmount { causes, .. }
            | DaemonError::Internal { causes, .. } => causes,
            _ => &[],
        }
    }

    /// An action that failed for a reason that is nobody's mistake.
    pub fn internal(what: impl Into<String>, error: &dyn std::error::Error) -> Self {
        DaemonError::Internal { what: what.into(), causes: chain(error) }
    }

    /// Something the user named that cannot be used.
    pub fn setup(what: impl Into<String>, error: &dyn std::error::Error) -> Self {
        DaemonError::Setup { what: what.into(), causes: chain(error) }
    }
}

fn not_member(revoked: bool) -> &'static str {
    match revoked {
        true => "this device was revoked",
        false => "this device does not know the vault's devices yet",
    }
}

fn process(pid: Option<u32>) -> String {
    pid.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"))
}

/// The messages of `error` and everything below it.
pub fn chain(error: &dyn std::error::Error) -> Vec<String> {
    std::iter::successors(Some(error), |error| error.source()).map(ToString::to_string).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_crosses_the_socket_whole() {
        let error = DaemonError::Unreachable { peer: "nas".into(), causes: vec!["refused".into()] };
        let text = serde_json::to_string(&error).unwrap();
        assert_eq!(serde_json::from_str::<DaemonError>(&text).unwrap(), error);
        assert_eq!(error.causes(), ["refused"]);
    }

    #[test]
    fn messages_name_what_they_are_about() {
        let in_use = DaemonError::InUse { store: "/s".into(), pid: Some(7) };
        assert_eq!(in_use.to_string(), "the vault at /s is in use by process 7, which does not answer");
    }
}
