//! Why a request failed, in the words of POSIX.

/// Why a request failed. [`Error::errno`] is the one table that says what the caller's `errno` becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Error {
    /// The name or the file is not there.
    #[error("no such file or directory")]
    NotFound,
    /// The name is taken.
    #[error("file exists")]
    Exists,
    /// A directory was needed.
    #[error("not a directory")]
    NotADirectory,
    /// A directory was given where none may be.
    #[error("is a directory")]
    IsADirectory,
    /// The directory has entries.
    #[error("directory not empty")]
    NotEmpty,
    /// The name is longer than 255 bytes.
    #[error("file name too long")]
    NameTooLong,
    /// The operation is for the owner or root only, or not for this kind of file.
    #[error("operation not permitted")]
    NotPermitted,
    /// The permissions do not allow it.
    #[error("permission denied")]
    AccessDenied,
    /// The argument makes no sense.
    #[error("invalid argument")]
    Invalid,
    /// The handle is not open, or not for this.
    #[error("bad file handle")]
    BadHandle,
    /// The place cannot be changed: a snapshot, or a mount for reading only.
    #[error("read-only file system")]
    ReadOnly,
    /// The disk is full.
    #[error("no space left")]
    NoSpace,
    /// The file would be longer than files can be.
    #[error("file too large")]
    TooLarge,
    /// The file has as many names as it can have.
    #[error("too many links")]
    TooManyLinks,
    /// The two names are in places that share no files.
    #[error("cross-device link")]
    CrossDevice,
    /// There is no such extended attribute.
    #[error("no such extended attribute")]
    NoAttribute,
    /// The caller's buffer is too small.
    #[error("buffer too small")]
    BufferTooSmall,
    /// An extended attribute is longer than it may be.
    #[error("extended attribute too large")]
    AttributeTooLarge,
    /// There is no data, or no hole, from there to the end.
    #[error("no data past this offset")]
    PastEnd,
    /// The file is in use in a way that forbids it.
    #[error("resource busy")]
    Busy,
    /// The inode is not known any more.
    #[error("stale file handle")]
    Stale,
    /// Too many files are open.
    #[error("too many open files")]
    TooManyOpen,
    /// Memory is short.
    #[error("out of memory")]
    NoMemory,
    /// The wait was broken off.
    #[error("interrupted")]
    Interrupted,
    /// The content is not on this device, and nobody who has it can be reached.
    #[error("content is not here and no peer that has it can be reached")]
    Unreachable,
    /// The content is not on this device, and did not come in time.
    #[error("content did not arrive in time")]
    TimedOut,
    /// The filesystem does not do this; the kernel may ask again.
    #[error("operation not supported")]
    Unsupported,
    /// The filesystem does not know this request; the kernel does it another way and mostly never asks again.
    #[error("function not implemented")]
    NotImplemented,
    /// The disk failed, data is damaged, or something went wrong inside.
    #[error("input/output error")]
    Io,
}

impl Error {
    /// The `errno` that a program sees.
    #[must_use]
    pub const fn errno(self) -> i32 {
        match self {
            Error::NotFound => libc::ENOENT,
            Error::Exists => libc::EEXIST,
            Error::NotADirectory => libc::ENOTDIR,
            Error::IsADirectory => libc::EISDIR,
            Error::NotEmpty => libc::ENOTEMPTY,
            Error::NameTooLong => libc::ENAMETOOLONG,
            Error::NotPermitted => libc::EPERM,
            Error::AccessDenied => libc::EACCES,
            Error::Invalid => libc::EINVAL,
            Error::BadHandle => libc::EBADF,
            Error::ReadOnly => libc::EROFS,
            Error::NoSpace => libc::ENOSPC,
            Error::TooLarge => libc::EFBIG,
            Error::TooManyLinks => libc::EMLINK,
            Error::CrossDevice => libc::EXDEV,
            Error::NoAttribute => libc::ENODATA,
            Error::BufferTooSmall => libc::ERANGE,
            Error::AttributeTooLarge => libc::E2BIG,
            Error::PastEnd => libc::ENXIO,
            Error::Busy => libc::EBUSY,
            Error::Stale => libc::ESTALE,
            Error::TooManyOpen => libc::ENFILE,
            Error::NoMemory => libc::ENOMEM,
            Error::Interrupted => libc::EINTR,
            Error::Unreachable => libc::EHOSTUNREACH,
            Error::TimedOut => libc::ETIMEDOUT,
            Error::Unsupported => libc::EOPNOTSUPP,
            Error::NotImplemented => libc::ENOSYS,
            Error::Io => libc::EIO,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_has_its_own_errno() {
        // Written out, so that a wrong line of the table cannot agree with itself.
        let table = [
            (Error::NotFound, 2),
            (Error::Exists, 17),
            (Error::NotADirectory, 20),
            (Error::IsADirectory, 21),
            (Error::NotEmpty, 39),
            (Error::NameTooLong, 36),
            (Error::NotPermitted, 1),
            (Error::AccessDenied, 13),
            (Error::Invalid, 22),
            (Error::BadHandle, 9),
            (Error::ReadOnly, 30),
            (Error::NoSpace, 28),
            (Error::TooLarge, 27),
            (Error::TooManyLinks, 31),
            (Error::CrossDevice, 18),
            (Error::NoAttribute, 61),
            (Error::BufferTooSmall, 34),
            (Error::AttributeTooLarge, 7),
            (Error::PastEnd, 6),
            (Error::Busy, 16),
            (Error::Stale, 116),
            (Error::TooManyOpen, 23),
            (Error::NoMemory, 12),
            (Error::Interrupted, 4),
            (Error::Unreachable, 113),
            (Error::TimedOut, 110),
            (Error::Unsupported, 95),
            (Error::NotImplemented, 38),
            (Error::Io, 5),
        ];
        for (error, errno) in table {
            assert_eq!(error.errno(), errno, "{error}");
        }
        let different: std::collections::HashSet<_> = table.iter().map(|(_, errno)| errno).collect();
        assert_eq!(different.len(), table.len());
    }
}
