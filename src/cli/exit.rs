//! What a command tells the shell.

/// An exit code. The numbers are a contract with scripts: they do not change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Exit {
    /// Everything asked for was done.
    Done = 0,
    /// It failed.
    Failed = 1,
    /// The command line, the environment or the configuration asks for something that makes no sense.
    Usage = 2,
    /// Done, but conflicts are waiting for a person (`sync` and `conflicts` only).
    Conflicts = 3,
    /// A peer could not be reached, or only a part was done.
    Unreachable = 4,
    /// The vault is in use by a process that does not answer, or there is no vault.
    Unavailable = 5,
    /// The key does not open the vault.
    WrongKey = 12,
    /// `fsck` found damage.
    Damage = 26,
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        std::process::ExitCode::from(exit as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::Exit;

    #[test]
    fn the_numbers_are_the_contract() {
        let all = [
            Exit::Done,
            Exit::Failed,
            Exit::Usage,
            Exit::Conflicts,
            Exit::Unreachable,
            Exit::Unavailable,
            Exit::WrongKey,
            Exit::Damage,
        ];
        assert_eq!(all.map(|exit| exit as u8), [0, 1, 2, 3, 4, 5, 12, 26]);
    }
}
