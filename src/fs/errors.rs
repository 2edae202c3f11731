//! What a program is told when something could not be done: one exhaustive table over the vault's errors.

use bosr_mount::Error;

use crate::vault::VaultError;
use crate::vault::contents::ContentsError;

/// Why a request failed: by the vault, or here.
#[derive(Debug)]
pub(super) enum Failure {
    /// The vault could not.
    Vault(VaultError),
    /// It is told as it is.
    Posix(Error),
}

impl From<VaultError> for Failure {
    fn from(error: VaultError) -> Self {
        Failure::Vault(error)
    }
}

impl From<ContentsError> for Failure {
    fn from(error: ContentsError) -> Self {
        Failure::Vault(error.into())
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure::Posix(error)
    }
}

impl Failure {
    /// The journal has no room at the moment: to be tried again when it has.
    pub(super) fn is_busy(&self) -> bool {
        matches!(self, Failure::Vault(VaultError::Busy))
    }
}

/// The POSIX error for a failure. What is nobody's request is logged: a program only sees `EIO`.
pub(super) fn posix(failure: impl Into<Failure>) -> Error {
    match failure.into() {
        Failure::Posix(error) => error,
        Failure::Vault(error) => vault_error(error),
    }
}

fn vault_error(error: VaultError) -> Error {
    match error {
        VaultError::NotFound => Error::NotFound,
        VaultError::Exists => Error::Exists,
        VaultError::NotDirectory => Error::NotADirectory,
        VaultError::IsDirectory => Error::IsADirectory,
        VaultError::NotEmpty => Error::NotEmpty,
        VaultError::NameTooLong => Error::NameTooLong,
        VaultError::Invalid(_) => Error::Invalid,
        VaultError::NotPermitted(_) => Error::NotPermitted,
        VaultError::TooLarge(_) => Error::TooLarge,
        VaultError::TooManyLinks => Error::TooManyLinks,
        VaultError::Full => Error::NoSpace,
        VaultError::ReadOnly => Error::ReadOnly,
        VaultError::Busy => Error::Busy,
        VaultError::Unreachable | VaultError::Missing(_) => Error::Io,
        VaultError::Source(_)
        | VaultError::Disk(_)
        | VaultError::Damaged(_)
        | VaultError::Refused(_)
        | VaultError::Inconsistent(_)
        | VaultError::Closed => {
            tracing::error!(%error, "a request failed");
            Error::Io
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::StoreError;

    #[test]
    fn a_disk_made_read_only_says_so() {
        let refused = std::io::Error::from_raw_os_error(nix::libc::EROFS);
        assert_eq!(posix(VaultError::from(StoreError::from(refused))), Error::ReadOnly);
        let full = std::io::Error::from_raw_os_error(nix::libc::ENOSPC);
        assert_eq!(posix(VaultError::from(StoreError::from(full))), Error::NoSpace);
    }
}
