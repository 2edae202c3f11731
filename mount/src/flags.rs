//! Flags of system calls as types. What the kernel should never send is refused here, once.

use crate::Error;

/// What an open file may be used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Access {
    /// Reading.
    Read,
    /// Writing.
    Write,
    /// Both.
    ReadWrite,
}

impl Access {
    /// Whether the file may be read.
    #[must_use]
    pub const fn reads(self) -> bool {
        matches!(self, Access::Read | Access::ReadWrite)
    }

    /// Whether the file may be written.
    #[must_use]
    pub const fn writes(self) -> bool {
        matches!(self, Access::Write | Access::ReadWrite)
    }
}

/// What someone wants to do with a file or a directory, as permissions count it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Wanted {
    /// Read it, or list it.
    pub read: bool,
    /// Write to it, or change the names in it.
    pub write: bool,
    /// Execute it, or pass through it.
    pub execute: bool,
}

impl Wanted {
    /// The bits of access(2); others are ignored.
    #[must_use]
    pub const fn from_bits(bits: i32) -> Wanted {
        Wanted {
            read: bits & libc::R_OK != 0,
            write: bits & libc::W_OK != 0,
            execute: bits & libc::X_OK != 0,
        }
    }

    /// As one digit of a mode.
    #[must_use]
    pub const fn digit(self) -> u16 {
        (self.read as u16) << 2 | (self.write as u16) << 1 | self.execute as u16
    }
}

/// How a file is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct OpenFlags {
    /// What for.
    pub access: Access,
    /// `O_APPEND`: writes go to the end.
    pub append: bool,
    /// `O_TRUNC`: what is there is cut to nothing, as part of the open.
    pub truncate: bool,
    /// `O_EXCL`, in create only: a name that is there is an error.
    pub exclusive: bool,
    /// `O_DIRECT`: past the page cache.
    pub direct: bool,
    /// `O_SYNC` or `O_DSYNC`. The kernel follows each write with an fsync by itself.
    pub synchronous: bool,
    /// The file is opened to be executed: asks for the right to do that, and not to read.
    pub execute: bool,
    /// With `truncate`: an existing file's permissions become
    /// [`Permissions::without_set_id`](crate::Permissions::without_set_id).
    pub clear_set_id: bool,
}

/// `__FMODE_EXEC` of the kernel, which it passes on.
const FMODE_EXEC: i32 = 0x20;

impl OpenFlags {
    /// Flags from their bits, for a caller who may keep set-id bits or not.
    ///
    /// # Errors
    /// [`Error::Invalid`] for an access mode that is none.
    pub fn from_bits(bits: i32, keeps_set_id: bool) -> Result<OpenFlags, Error> {
        let access = match bits & libc::O_ACCMODE {
            libc::O_RDONLY => Access::Read,
            libc::O_WRONLY => Access::Write,
            libc::O_RDWR => Access::ReadWrite,
            _ => return Err(Error::Invalid),
        };
        let has = |flag| bits & flag != 0;
        Ok(OpenFlags {
            access,
            append: has(libc::O_APPEND),
            truncate: has(libc::O_TRUNC),
            exclusive: has(libc::O_EXCL),
            direct: has(libc::O_DIRECT),
            synchronous: has(libc::O_DSYNC),
            execute: has(FMODE_EXEC),
            clear_set_id: has(libc::O_TRUNC) && !keeps_set_id,
        })
    }
}

/// What rename does with a target that exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rename {
    /// Replaces it, as rename(2) does.
    Replace,
    /// `RENAME_NOREPLACE`: fails with [`Error::Exists`].
    NoReplace,
    /// `RENAME_EXCHANGE`: both names change places; both must exist.
    Exchange,
}

impl Rename {
    /// The mode in the flags of renameat2.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a combination that is none of these (among them `RENAME_WHITEOUT`).
    pub fn from_bits(bits: u32) -> Result<Rename, Error> {
        match bits {
            0 => Ok(Rename::Replace),
            libc::RENAME_NOREPLACE => Ok(Rename::NoReplace),
            libc::RENAME_EXCHANGE => Ok(Rename::Exchange),
            _ => Err(Error::Invalid),
        }
    }
}

/// What fallocate does to a stretch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Allocate {
    /// Makes sure there is space; the file grows to its end unless `keep_size`.
    Reserve {
        /// The length stays as it is.
        keep_size: bool,
    },
    /// Makes it a hole; the length stays as it is.
    Punch,
    /// Makes it read as zeros; the file grows to its end unless `keep_size`.
    Zero {
        /// The length stays as it is.
        keep_size: bool,
    },
}

impl Allocate {
    /// The mode in the flags of fallocate.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for the modes that move what follows.
    pub fn from_bits(bits: i32) -> Result<Allocate, Error> {
        const KEEP: i32 = libc::FALLOC_FL_KEEP_SIZE;
        const PUNCH: i32 = libc::FALLOC_FL_PUNCH_HOLE | KEEP;
        const ZERO: i32 = libc::FALLOC_FL_ZERO_RANGE;
        const ZERO_KEEP: i32 = ZERO | KEEP;
        match bits {
            0 => Ok(Allocate::Reserve { keep_size: false }),
            KEEP => Ok(Allocate::Reserve { keep_size: true }),
            PUNCH => Ok(Allocate::Punch),
            ZERO => Ok(Allocate::Zero { keep_size: false }),
            ZERO_KEEP => Ok(Allocate::Zero { keep_size: true }),
            _ => Err(Error::Unsupported),
        }
    }
}

/// What lseek looks for. The other ways to seek never reach a filesystem.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Seek {
    /// The next data at or after the offset; [`Error::PastEnd`] if there is none.
    Data(u64),
    /// The next hole at or after the offset, the end of the file being one; [`Error::PastEnd`] if the
    /// offset is not before the end.
    Hole(u64),
}

impl Seek {
    /// What `whence` looks for from `offset`.
    ///
    /// # Errors
    /// [`Error::PastEnd`] for a negative offset, [`Error::Invalid`] for another `whence`.
    pub fn from_whence(offset: i64, whence: i32) -> Result<Seek, Error> {
        let from = u64::try_from(offset).map_err(|_| Error::PastEnd)?;
        match whence {
            libc::SEEK_DATA => Ok(Seek::Data(from)),
            libc::SEEK_HOLE => Ok(Seek::Hole(from)),
            _ => Err(Error::Invalid),
        }
    }
}

/// What setxattr does about a value that exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SetXattr {
    /// Sets it whether or not it is there.
    Any,
    /// `XATTR_CREATE`: fails with [`Error::Exists`] if it is there.
    Create,
    /// `XATTR_REPLACE`: fails with [`Error::NoAttribute`] if it is not.
    Replace,
}

impl SetXattr {
    /// The mode in the flags of setxattr.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a combination that is none.
    pub fn from_bits(bits: i32) -> Result<SetXattr, Error> {
        match bits {
            0 => Ok(SetXattr::Any),
            libc::XATTR_CREATE => Ok(SetXattr::Create),
            libc::XATTR_REPLACE => Ok(SetXattr::Replace),
            _ => Err(Error::Invalid),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn open_flags_are_read_from_their_bits() {
        let flags = OpenFlags::from_bits(libc::O_RDWR | libc::O_APPEND | libc::O_TRUNC, false).unwrap();
        assert_eq!(flags.access, Access::ReadWrite);
        assert!(flags.append && flags.truncate && flags.clear_set_id);
        assert!(!flags.exclusive && !flags.direct && !flags.synchronous);
        assert!(!flags.execute && OpenFlags::from_bits(FMODE_EXEC, false).unwrap().execute);
        assert!(OpenFlags::from_bits(libc::O_SYNC, true).unwrap().synchronous);
        assert!(!OpenFlags::from_bits(libc::O_WRONLY | libc::O_TRUNC, true).unwrap().clear_set_id);
        assert_eq!(OpenFlags::from_bits(libc::O_ACCMODE, true), Err(Error::Invalid));
    }

    #[test]
    fn what_is_wanted_is_a_digit_of_a_mode() {
        assert_eq!(Wanted::from_bits(libc::F_OK).digit(), 0);
        for digit in 0..8 {
            assert_eq!(Wanted::from_bits(i32::from(digit)).digit(), digit);
        }
    }

    #[test]
    fn what_is_no_mode_is_refused() {
        assert_eq!(Rename::from_bits(libc::RENAME_WHITEOUT), Err(Error::Invalid));
        assert_eq!(Rename::from_bits(libc::RENAME_NOREPLACE | libc::RENAME_EXCHANGE), Err(Error::Invalid));
        assert_eq!(Allocate::from_bits(libc::FALLOC_FL_COLLAPSE_RANGE), Err(Error::Unsupported));
        assert_eq!(Allocate::from_bits(libc::FALLOC_FL_PUNCH_HOLE), Err(Error::Unsupported));
        assert_eq!(Seek::from_whence(0, libc::SEEK_SET), Err(Error::Invalid));
        assert_eq!(Seek::from_whence(-1, libc::SEEK_DATA), Err(Error::PastEnd));
        assert_eq!(SetXattr::from_bits(libc::XATTR_CREATE | libc::XATTR_REPLACE), Err(Error::Invalid));
    }
}
