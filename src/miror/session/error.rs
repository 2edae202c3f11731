//! Why a session ends other than in order, by whose fault.

use super::super::codec::CodecError;
use super::super::message::{Fault, FaultCode};
use super::super::replica::ReplicaError;
use crate::crypto::ObjectId;

/// Why a session failed. The vault is as if the peer had gone away at that moment.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SessionError {
    /// The peer sent bytes that are no message.
    #[error("peer sent a message that cannot be read: {0}")]
    Garbled(#[from] CodecError),
    /// The peer broke a rule of the protocol.
    #[error("peer broke the protocol: {0}")]
    Protocol(&'static str),
    /// The peer sent an object that is not what it claims to be.
    #[error("peer sent {what}: {why}")]
    BadObject {
        /// The object.
        what: String,
        /// The rule it breaks.
        why: String,
    },
    /// The peer offered a state and cannot send an object it needs.
    #[error("peer lacks object {0} of the state it offered")]
    PeerLacks(ObjectId),
    /// One side insists on a feature the other has not.
    #[error("{theirs} and {ours} do not understand each other: {feature} is missing")]
    Incompatible {
        /// This build.
        ours: String,
        /// The peer's build.
        theirs: String,
        /// What one of them lacks.
        feature: String,
    },
    /// The peer did not say HELLO in time.
    #[error("peer did not introduce itself in time")]
    NoHello,
    /// Nothing was heard of the peer for too long.
    #[error("peer is silent")]
    Silent,
    /// The peer is alive and does not send what it owes.
    #[error("peer does not send what it offered")]
    Stalled,
    /// The peer ended the session, saying why.
    #[error("peer ended the session: {text}")]
    Peer {
        /// Its reason.
        code: FaultCode,
        /// In its words.
        text: String,
    },
    /// This side's store failed.
    #[error(transparent)]
    Store(ReplicaError),
    /// A counter of this connection ran out; a new connection begins anew.
    #[error("connection is used up")]
    Exhausted,
}

impl From<ReplicaError> for SessionError {
    fn from(error: ReplicaError) -> Self {
        match error {
            ReplicaError::Rejected { what, why } => SessionError::BadObject { what, why },
            ReplicaError::Full | ReplicaError::Store(_) => SessionError::Store(error),
        }
    }
}

impl SessionError {
    /// What the peer is told; None if there is nothing to say or nobody to hear it.
    pub(super) fn fault(&self) -> Option<Fault> {
        let code = match self {
            SessionError::Garbled(_) | SessionError::Protocol(_) => FaultCode::Protocol,
            SessionError::BadObject { .. } | SessionError::PeerLacks(_) => FaultCode::BadObject,
            SessionError::Incompatible { .. } => FaultCode::Incompatible,
            SessionError::NoHello | SessionError::Silent | SessionError::Stalled => FaultCode::Timeout,
            SessionError::Store(_) | SessionError::Exhausted => FaultCode::Store,
            SessionError::Peer { .. } => return None,
        };
        // What went wrong in our own store is nobody else's business.
        let mut text = match self {
            SessionError::Store(_) => "store failed".to_owned(),
            other => other.to_string(),
        };
        while text.len() > super::super::limits::TEXT {
            text.pop();
        }
        Some(Fault { code, text })
    }
}
