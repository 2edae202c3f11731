//! The kernel's list of mounts, `/proc/self/mountinfo`: read without touching the mounts themselves, which
//! may be dead or hang.

#![allow(clippy::disallowed_methods)]
#![deny(clippy::indexing_slicing)]

use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use crate::options;

const LIST: &str = "/proc/self/mountinfo";

/// A mount, as the kernel lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Listed {
    /// Major and minor number of its device, as in `0:51`.
    pub(crate) number: String,
    /// Where it is mounted.
    pub(crate) at: PathBuf,
    /// Its type, such as `ext4` or `fuse.bosr`.
    pub(crate) kind: String,
    /// What was mounted.
    pub(crate) source: String,
}

impl Listed {
    /// Whether it is, or was, a mount of this crate.
    pub(crate) fn is_ours(&self) -> bool {
        self.source == options::NAME && self.kind.strip_prefix("fuse.") == Some(options::NAME)
    }
}

/// The uppermost mount exactly at `path`, if there is one.
pub(crate) fn uppermost_at(path: &Path) -> io::Result<Option<Listed>> {
    let list = std::fs::read(LIST)?;
    // Later lines were mounted later, on top.
    Ok(list.rsplit(|&byte| byte == b'\n').filter_map(parse).find(|mount| mount.at == path))
}

/// A line: id, parent, device, root, mount point, options, any number of tags, `-`, type, source, options.
fn parse(line: &[u8]) -> Option<Listed> {
    let mut fields = line.split(|&byte| byte == b' ');
    let number = fields.nth(2)?;
    let at = fields.nth(1)?;
    let mut fields = fields.skip_while(|field| *field != b"-").skip(1);
    let kind = fields.next()?;
    let source = fields.next()?;
    let text = |field: &[u8]| String::from_utf8_lossy(field).into_owned();
    Some(Listed {
        number: text(number),
        at: PathBuf::from(OsString::from_vec(unescape(at))),
        kind: text(kind),
        source: text(source),
    })
}

/// Undoes the kernel's escapes: a backslash and three octal digits for space, tab, newline and backslash.
fn unescape(field: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((&first, after)) = rest.split_first() {
        match (first, after.split_at_checked(3)) {
            (b'\\', Some((digits, after))) if digits.iter().all(|digit| matches!(digit, b'0'..=b'7')) => {
                let value = digits.iter().fold(0_u32, |value, digit| value * 8 + u32::from(digit - b'0'));
                plain.push(value as u8);
                rest = after;
            }
            _ => {
                plain.push(first);
                rest = after;
            }
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_with_and_without_tags() {
        let tagged =
            b"36 35 0:51 / /home/a\\040b\\134c rw,nosuid shared:3 master:1 - fuse.bosr bosr rw,user_id=0";
        let mount = parse(tagged).unwrap();
        assert_eq!(mount.at, Path::new("/home/a b\\c"));
        assert_eq!(mount.number, "0:51");
        assert!(mount.is_ours());
        let plain = parse(b"22 1 8:1 / / rw,relatime - ext4 /dev/vda1 rw").unwrap();
        assert_eq!((plain.at.as_path(), plain.kind.as_str()), (Path::new("/"), "ext4"));
        assert!(!plain.is_ours());
    }

    #[test]
    fn what_is_no_line_is_no_mount() {
        for line in [&b""[..], b"36", b"36 35 0:51 / /home rw", b"36 35 0:51 / /home rw - fuse.bosr"] {
            assert_eq!(parse(line), None);
        }
    }

    #[test]
    fn mangled_escapes_stay_as_they_are() {
        assert_eq!(unescape(b"a\\04"), b"a\\04");
        assert_eq!(unescape(b"a\\999b"), b"a\\999b");
        assert_eq!(unescape(b"\\"), b"\\");
    }

    #[test]
    fn the_root_is_a_mount() {
        assert!(uppermost_at(Path::new("/")).unwrap().is_some());
        assert_eq!(uppermost_at(Path::new("/no/mount/here")).unwrap(), None);
    }
}
