//! Key derivation: HKDF-SHA-256 (RFC 5869).

use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::Zeroizing;

use super::error::CryptoError;
use crate::ambient::Entropy;

/// 32 secret bytes, wiped when dropped.
pub type Key = Zeroizing<[u8; 32]>;

/// A new random key.
pub(super) fn random_key(entropy: &dyn Entropy) -> Key {
    let mut key = Key::default();
    entropy.fill(key.as_mut());
    key
}

/// A 32-byte key from `ikm` (input key material), `salt` (may be empty) and `info`, which says what the key is
/// for: two uses never share an `info`.
pub fn derive(ikm: &[u8], salt: &[u8], info: &[u8]) -> Key {
    let mut key = Key::default();
    // Fails only for outputs over 255 × 32 bytes.
    let _ = derive_into(ikm, salt, info, key.as_mut());
    key
}

/// As [`derive()`], for any output of at most 8160 bytes.
///
/// # Errors
/// [`CryptoError::TooLong`] for a longer one.
pub fn derive_into(ikm: &[u8], salt: &[u8], info: &[u8], out: &mut [u8]) -> Result<(), CryptoError> {
    let len = out.len() as u64;
    Hkdf::<Sha256>::new(Some(salt), ikm)
        .expand(info, out)
        .map_err(|_| CryptoError::TooLong { len, limit: 255 * 32 })
}

#[cfg(test)]
mod tests {
    use data_encoding::HEXLOWER;

    use super::*;

    /// RFC 5869, test case 1.
    #[test]
    fn is_hkdf_sha_256() {
        let salt: Vec<u8> = (0..=0x0c).collect();
        let info: Vec<u8> = (0xf0..=0xf9).collect();
        let mut out = [0; 42];
        derive_into(&[0x0b; 22], &salt, &info, &mut out).unwrap();
        assert_eq!(
            HEXLOWER.encode(&out),
            "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"
        );
        assert_eq!(derive(&[0x0b; 22], &salt, &info).as_slice(), &out[..32]);
    }

    #[test]
    fn refuses_what_hkdf_cannot_give() {
        assert!(derive_into(b"k", b"", b"", &mut vec![0; 255 * 32]).is_ok());
        assert!(derive_into(b"k", b"", b"", &mut vec![0; 255 * 32 + 1]).is_err());
    }
}
