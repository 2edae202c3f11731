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

#[cfg(test)]
mod tests {
    use data_encoding::HEXLOWER;
    use zeroize::Zeroizing;

    use super::*;

    /// RFC 3394, 4.6: 256 bits of key data under a 256-bit key.
    #[test]
    fn is_rfc_3394() {
        let under = Zeroizing::new(std::array::from_fn(|i| i as u8));
        let mut data = *b"\x00\x11\x22\x33\x44\x55\x66\x77\x88\x99\xaa\xbb\xcc\xdd\xee\xff................";
        for (i, byte) in data[16..].iter_mut().enumerate() {
            *byte = i as u8;
        }
        let wrapped = WrapKey::new(&under).wrap(&Zeroizing::new(data));
        assert_eq!(
            HEXLOWER.encode(&wrapped),
            "28c9f404c4b810f4cbccb35cfb87f8263f5786e2d80ed326cbc7f0e71a99f43bfb988b9b7a02dd21"
        );
        assert_eq!(*WrapKey::new(&under).unwrap(&wrapped).unwrap(), data);
    }

    #[test]
    fn a_changed_wrap_or_another_key_does_not_open() {
        let (key, other) = (Zeroizing::new([1; 32]), Zeroizing::new([2; 32]));
        let wrapped = WrapKey::new(&key).wrap(&other);
        assert!(WrapKey::new(&other).unwrap(&wrapped).is_err());
        for bit in 0..wrapped.len() * 8 {
            let mut mangled = wrapped;
            mangled[bit / 8] ^= 1 << (bit % 8);
            assert!(WrapKey::new(&key).unwrap(&mangled).is_err());
        }
    }
}
