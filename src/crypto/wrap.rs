//! Wrapping one key under another: AES-256 key wrap (RFC 3394).

use aes_kw::cipher::consts::U32;
use aes_kw::{KeyInit, KwAes256};
use zeroize::Zeroizing;

use super::derive::Key;
use super::error::CryptoError;

/// A 32-byte key as wrapped: 8 bytes of integrity and the key.
pub type WrappedKey = [u8; 40];

/// A key that wraps keys, its schedule worked out once.
pub(super) struct WrapKey(KwAes256);

impl WrapKey {
    pub(super) fn new(key: &Key) -> Self {
        WrapKey(KwAes256::new((&**key).into()))
    }

    pub(super) fn wrap(&self, key: &Key) -> WrappedKey {
        self.0.wrap_fixed_key::<U32>((&**key).into()).into()
    }

    pub(super) fn unwrap(&self, wrapped: &WrappedKey) -> Result<Key, CryptoError> {
        let mut key = Zeroizing::new([0; 32]);
        self.0.unwrap_key(wrapped, key.as_mut()).map_err(|_| CryptoError::WrongKeyOrDamaged)?;
        Ok(key)
    }
}
