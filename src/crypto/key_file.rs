//! The key file: 256 random bits as one line of text, with a checksum so that a damaged or foreign file is told
//! from a wrong one.
//!
//! Layout: `bosr-key-1:`, 64 hex digits, `:`, 8 hex digits (CRC-32 of the 32 bytes, big-endian), line feed.

use data_encoding::HEXLOWER;
use zeroize::Zeroizing;

use super::derive::{Key, random_key};
use super::error::KeyFileError;
use crate::ambient::Entropy;

const PREFIX: &[u8] = b"bosr-key-1:";

/// The bytes of a new key file.
pub fn new_key_file(entropy: &dyn Entropy) -> Zeroizing<Vec<u8>> {
    encode(&random_key(entropy))
}

fn encode(key: &Key) -> Zeroizing<Vec<u8>> {
    let mut file = Zeroizing::new(Vec::with_capacity(PREFIX.len() + 64 + 1 + 8 + 1));
    file.extend_from_slice(PREFIX);
    file.extend_from_slice(Zeroizing::new(HEXLOWER.encode(key.as_slice())).as_bytes());
    file.push(b':');
    file.extend_from_slice(HEXLOWER.encode(&crc32fast::hash(key.as_slice()).to_be_bytes()).as_bytes());
    file.push(b'\n');
    file
}

/// The key in a key file. The line feed at the end may be missing.
pub(super) fn parse(file: &[u8]) -> Result<Key, KeyFileError> {
    let line = file.strip_prefix(PREFIX).ok_or(KeyFileError::Foreign)?;
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let (key, check) = line.split_at_checked(64).ok_or(KeyFileError::Damaged)?;
    let key = Zeroizing::new(HEXLOWER.decode(key).map_err(|_| KeyFileError::Damaged)?);
    let expected = format!(":{}", HEXLOWER.encode(&crc32fast::hash(&key).to_be_bytes()));
    if check != expected.as_bytes() {
        return Err(KeyFileError::Damaged);
    }
    let key: &[u8; 32] = key.first_chunk().ok_or(KeyFileError::Damaged)?;
    Ok(Zeroizing::new(*key))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::fixture::Counting;

    #[test]
    fn is_one_line() {
        let file = new_key_file(&Counting::default());
        let expected =
            "bosr-key-1:000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f:91267e8a\n";
        assert_eq!(std::str::from_utf8(&file).unwrap(), expected);
        assert_eq!(parse(&file).unwrap().as_slice(), (0..32).collect::<Vec<u8>>());
        assert_eq!(parse(&file[..file.len() - 1]).unwrap(), parse(&file).unwrap());
    }

    #[test]
    fn foreign_cut_and_changed_files_are_told_from_good_ones() {
        let file = new_key_file(&Counting::default());
        assert_eq!(parse(b"-----BEGIN OPENSSH PRIVATE KEY-----").err(), Some(KeyFileError::Foreign));
        assert_eq!(parse(b"").err(), Some(KeyFileError::Foreign));
        assert_eq!(parse(&[&file[..], b"\n"].concat()).err(), Some(KeyFileError::Damaged));
        for len in PREFIX.len()..file.len() - 1 {
            assert_eq!(parse(&file[..len]).err(), Some(KeyFileError::Damaged));
        }
        for bit in 0..(file.len() - 1) * 8 {
            let mut mangled = file.clone();
            mangled[bit / 8] ^= 1 << (bit % 8);
            assert!(parse(&mangled).is_err(), "bit {bit}");
        }
    }
}
