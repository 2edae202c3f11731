//! The first encrypted frame of each side: whether the other is admitted.

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::super::admission::Refusal;
use super::super::secret::SecretBytes;
use super::error::HandshakeError;
use crate::crypto::Epoch;

/// The first encrypted frame of each side.
#[derive(Serialize, Deserialize)]
pub(in super::super) enum Verdict {
    /// You are admitted; here is the newer epoch, if you proved an old one.
    Admitted {
        /// Encoded.
        epoch: Option<SecretBytes>,
    },
    /// You are not.
    Refused(Refusal),
}

impl Verdict {
    pub(in super::super) fn admit(grant: Option<&Epoch>) -> Self {
        Verdict::Admitted { epoch: grant.map(|epoch| epoch.encode().into()) }
    }

    pub(in super::super) fn encode(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(postcard::to_stdvec(self).unwrap_or_default())
    }

    /// What the peer's first frame says: the epoch it gives, if any.
    pub(in super::super) fn read(frame: &[u8]) -> Result<Option<Epoch>, HandshakeError> {
        match postcard::take_from_bytes(frame) {
            Ok((Verdict::Admitted { epoch: None }, [])) => Ok(None),
            Ok((Verdict::Admitted { epoch: Some(bytes) }, [])) => Epoch::decode(bytes.as_slice())
                .map(Some)
                .map_err(|_| HandshakeError::Malformed("an epoch that cannot be read")),
            Ok((Verdict::Refused(why), [])) => Err(HandshakeError::RefusedByPeer(why)),
            _ => Err(HandshakeError::Malformed("no verdict")),
        }
    }
}
