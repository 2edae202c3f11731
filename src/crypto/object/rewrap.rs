//! Wrapping an object's data key anew, without touching its body.

use super::super::epoch::Epoch;
use super::super::error::CryptoError;
use super::super::keyring::Keyring;
use super::super::session::SessionWrapKey;
use super::super::wrap::WrappedKey;
use super::header::ObjectHeader;

/// The data key wrapped for the wire.
///
/// # Errors
/// [`CryptoError::UnknownEpoch`], [`CryptoError::WrongKeyOrDamaged`].
pub fn rewrap_for_session(
    keyring: &Keyring,
    header: &ObjectHeader,
    session: &SessionWrapKey,
) -> Result<WrappedKey, CryptoError> {
    let data_key = keyring.epoch(&header.epoch)?.wrap().unwrap(&header.wrapped)?;
    Ok(session.0.wrap(&data_key))
}

/// The header of an object that came over a session, its data key wrapped under `epoch` (the current one).
///
/// # Errors
/// [`CryptoError::WrongKeyOrDamaged`].
pub fn rewrap_from_session(
    epoch: &Epoch,
    header: &ObjectHeader,
    session: &SessionWrapKey,
) -> Result<ObjectHeader, CryptoError> {
    let data_key = session.0.unwrap(&header.wrapped)?;
    Ok(ObjectHeader { epoch: epoch.id(), wrapped: epoch.wrap().wrap(&data_key), ..header.clone() })
}

/// The header with its data key wrapped under `epoch` instead of the one that wraps it: how gc renews the wraps
/// of frames it copies.
///
/// # Errors
/// [`CryptoError::UnknownEpoch`], [`CryptoError::WrongKeyOrDamaged`].
pub fn rewrap_under(
    keyring: &Keyring,
    epoch: &Epoch,
    header: &ObjectHeader,
) -> Result<ObjectHeader, CryptoError> {
    let data_key = keyring.epoch(&header.epoch)?.wrap().unwrap(&header.wrapped)?;
    Ok(ObjectHeader { epoch: epoch.id(), wrapped: epoch.wrap().wrap(&data_key), ..header.clone() })
}
