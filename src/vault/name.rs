//! A name in a directory: 1 to 255 bytes of anything but `/` and NUL, and neither `.` nor `..`.
//!
//! Whatever comes from a user, a peer or a disk becomes a [`Name`] here or is refused, so that no other part
//! has to look again. Names that differ in any byte (so also in case) are different names.

use std::borrow::Borrow;
use std::fmt;
use std::ops::Deref;

use serde::{Deserialize, Serialize};

/// The longest name, in bytes.
pub const MAX_NAME: usize = 255;

/// A valid name.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "serde_bytes::ByteBuf", into = "serde_bytes::ByteBuf")]
pub struct Name(Box<[u8]>);

/// Why bytes are not a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Over [`MAX_NAME`] bytes.
    #[error("a name is longer than 255 bytes")]
    TooLong,
    /// Empty, `.`, `..`, or with a `/` or a NUL in it.
    #[error("not a name")]
    Malformed,
}

impl Name {
    /// Takes `bytes` as a name.
    ///
    /// # Errors
    /// Whatever the rules above forbid.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Result<Name, NameError> {
        let bytes: Vec<u8> = bytes.into();
        if bytes.len() > MAX_NAME {
            return Err(NameError::TooLong);
        }
        let reserved = matches!(bytes.as_slice(), b"" | b"." | b"..");
        if reserved || bytes.iter().any(|byte| matches!(byte, b'/' | 0)) {
            return Err(NameError::Malformed);
        }
        Ok(Name(bytes.into_boxed_slice()))
    }

    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl Deref for Name {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl Borrow<[u8]> for Name {
    fn borrow(&self) -> &[u8] {
        &self.0
    }
}

impl TryFrom<serde_bytes::ByteBuf> for Name {
    type Error = NameError;

    fn try_from(bytes: serde_bytes::ByteBuf) -> Result<Self, NameError> {
        Name::new(bytes.into_vec())
    }
}

impl From<Name> for serde_bytes::ByteBuf {
    fn from(name: Name) -> Self {
        serde_bytes::ByteBuf::from(name.0.into_vec())
    }
}

impl From<Name> for Vec<u8> {
    fn from(name: Name) -> Self {
        name.0.into_vec()
    }
}

/// Bytes that are not UTF-8 are escaped. For people, not for programs.
impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.escape_ascii())
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0.escape_ascii())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_name_is_refused() {
        for bad in [&b""[..], b".", b"..", b"a/b", b"a\0", &[b'x'; 256]] {
            assert!(Name::new(bad).is_err(), "{bad:?}");
        }
        for good in [&b"a"[..], b"...", b".a", &[b'x'; 255], &[0xff, 0xfe]] {
            assert_eq!(Name::new(good).unwrap().as_bytes(), good);
        }
    }

    #[test]
    fn decoding_checks_too() {
        let good = postcard::to_stdvec(&Name::new(&b"ab"[..]).unwrap()).unwrap();
        assert_eq!(good, [2, b'a', b'b']);
        assert!(postcard::from_bytes::<Name>(&[2, b'a', b'/']).is_err());
        assert!(postcard::from_bytes::<Name>(&[0]).is_err());
    }
}
