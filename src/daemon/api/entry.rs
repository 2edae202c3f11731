//! Names, and what a folder holds.

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};

/// A path or name in a vault.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Name {
    /// For people.
    #[serde(rename = "name")]
    pub text: String,
    /// The bytes in hexadecimal, if the text does not tell them.
    #[serde(rename = "name_bytes", default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<String>,
}

impl Name {
    /// From the bytes.
    pub fn new(bytes: &[u8]) -> Self {
        match std::str::from_utf8(bytes) {
            Ok(text) => Name { text: text.to_owned(), bytes: None },
            Err(_) => Name {
                text: String::from_utf8_lossy(bytes).into_owned(),
                bytes: Some(HEXLOWER.encode(bytes)),
            },
        }
    }
}

/// What kind of thing a name in the vault stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs, reason = "the kinds of POSIX")]
pub enum EntryKind {
    File,
    Directory,
    Symlink,
    Fifo,
    Socket,
    CharDevice,
    BlockDevice,
}

/// One line of `ls`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its name in its directory.
    #[serde(flatten)]
    pub name: Name,
    /// What it is.
    pub kind: EntryKind,
    /// Permission bits.
    pub mode: u32,
    /// Number of names.
    pub links: u32,
    /// User.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Bytes.
    pub size: u64,
    /// Last change of the content, nanoseconds since 1970.
    pub mtime: i64,
    /// Where a symlink points.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// Whether it is the losing side of a conflict, shown as a tombstone file.
    pub tombstone: bool,
}

/// A file that was stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stored {
    /// Its path in the vault.
    #[serde(flatten)]
    pub name: Name,
    /// Bytes.
    pub size: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_not_text_keeps_its_bytes() {
        assert_eq!(serde_json::to_string(&Name::new("a é".as_bytes())).unwrap(), r#"{"name":"a é"}"#);
        let odd = serde_json::to_string(&Name::new(b"a\xff")).unwrap();
        assert_eq!(odd, "{\"name\":\"a\u{fffd}\",\"name_bytes\":\"61ff\"}");
    }
}
