//! What unlocks a vault, and which of several that were given counts: flag, then environment, then
//! configuration. Only places are given there, never a secret.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use zeroize::Zeroizing;

use super::config::VaultConfig;
use super::paths::Environment;
use crate::ambient::files;
use crate::crypto::Unlock;

/// A key file is 32 random bytes; one made by hand may be longer, but is no archive.
const MAX_KEY_FILE_BYTES: u64 = 1 << 20;
/// What a passphrase may measure.
const MAX_PASSPHRASE_BYTES: u64 = 4096;

/// Where the secret that unlocks a vault comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySource {
    /// The whole content of a file.
    KeyFile(PathBuf),
    /// The passphrase in a file, without the end of its last line.
    PassphraseFile(PathBuf),
    /// The passphrase that a command prints, without the end of its last line.
    PassphraseCommand(String),
}

/// Why a secret could not be read.
#[derive(Debug, thiserror::Error)]
pub enum KeySourceError {
    /// More than one of the variables is set.
    #[error("{0} and {1} are both set, and only one can unlock")]
    Ambiguous(&'static str, &'static str),
    /// The file cannot be read.
    #[error("cannot read {what} {path}")]
    Unreadable {
        /// What the file should hold.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// Nothing in it.
    #[error("{0} gave an empty passphrase or key")]
    Empty(String),
    /// The command could not be run, or failed.
    #[error("the passphrase command failed: {command}")]
    Command {
        /// The command.
        command: String,
        /// Why.
        #[source]
        source: io::Error,
    },
}

const KEY_FILE: &str = "BOSR_KEY_FILE";
const PASSPHRASE_FILE: &str = "BOSR_PASSPHRASE_FILE";
const PASSPHRASE_COMMAND: &str = "BOSR_PASSPHRASE_COMMAND";

impl KeySource {
    /// The one that counts; none if the user must be asked.
    pub fn choose(
        flag: Option<KeySource>,
        environment: Environment<'_>,
        config: &VaultConfig,
    ) -> Result<Option<KeySource>, KeySourceError> {
        if flag.is_some() {
            return Ok(flag);
        }
        if let Some(source) = Self::from_environment(environment)? {
            return Ok(Some(source));
        }
        let file = config.key_file.clone().map(KeySource::KeyFile);
        let passphrase = config.passphrase_file.clone().map(KeySource::PassphraseFile);
        let command = config.passphrase_command.clone().map(KeySource::PassphraseCommand);
        Ok(file.or(passphrase).or(command))
    }

    fn from_environment(environment: Environment<'_>) -> Result<Option<KeySource>, KeySourceError> {
        let set = |name: &'static str| environment(name).filter(|v| !v.is_empty()).map(|v| (name, v));
        let mut found = [KEY_FILE, PASSPHRASE_FILE, PASSPHRASE_COMMAND].into_iter().filter_map(set);
        let Some((name, given)) = found.next() else { return Ok(None) };
        if let Some((other, _)) = found.next() {
            return Err(KeySourceError::Ambiguous(name, other));
        }
        Ok(Some(match name {
            KEY_FILE => KeySource::KeyFile(given.into()),
            PASSPHRASE_FILE => KeySource::PassphraseFile(given.into()),
            _ => KeySource::PassphraseCommand(given.to_string_lossy().into_owned()),
        }))
    }

    /// Reads the secret.
    pub fn read(&self) -> Result<Unlock, KeySourceError> {
        match self {
            KeySource::KeyFile(path) => {
                let bytes = read_secret("the key file", path, MAX_KEY_FILE_BYTES)?;
                non_empty(bytes, || path.display().to_string()).map(Unlock::KeyFile)
            }
            KeySource::PassphraseFile(path) => {
                let bytes = read_secret("the passphrase file", path, MAX_PASSPHRASE_BYTES)?;
                non_empty(without_line_end(bytes), || path.display().to_string()).map(Unlock::Passphrase)
            }
            KeySource::PassphraseCommand(command) => {
                let printed = without_line_end(output_of(command)?);
                non_empty(printed, || format!("the command {command}")).map(Unlock::Passphrase)
            }
        }
    }
}

fn read_secret(what: &'static str, path: &Path, limit: u64) -> Result<Zeroizing<Vec<u8>>, KeySourceError> {
    files::read(path, limit).map(Zeroizing::new).map_err(|source| KeySourceError::Unreadable {
        what,
        path: path.to_owned(),
        source,
    })
}

/// What the shell command prints. It may ask on the terminal: only its output is taken.
fn output_of(command: &str) -> Result<Zeroizing<Vec<u8>>, KeySourceError> {
    let failed = |source| KeySourceError::Command { command: command.to_owned(), source };
    let mut shell = Command::new("/bin/sh");
    let shell = shell.arg("-c").arg(command).stdin(Stdio::inherit()).stderr(Stdio::inherit());
    let output = shell.output().map_err(failed)?;
    let printed = Zeroizing::new(output.stdout);
    if output.status.success() {
        Ok(printed)
    } else {
        Err(failed(io::Error::other(output.status.to_string())))
    }
}

fn without_line_end(mut bytes: Zeroizing<Vec<u8>>) -> Zeroizing<Vec<u8>> {
    if bytes.ends_with(b"\n") {
        bytes.pop();
    }
    if bytes.ends_with(b"\r") {
        bytes.pop();
    }
    bytes
}

fn non_empty(
    bytes: Zeroizing<Vec<u8>>,
    source: impl FnOnce() -> String,
) -> Result<Zeroizing<Vec<u8>>, KeySourceError> {
    if bytes.is_empty() { Err(KeySourceError::Empty(source())) } else { Ok(bytes) }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "tests look at what is on disk")]
mod tests {
    use super::*;
    use std::ffi::OsString;

    fn passphrase(source: &KeySource) -> Vec<u8> {
        match source.read().map_err(|e| e.to_string()).unwrap() {
            Unlock::Passphrase(bytes) => bytes.to_vec(),
            Unlock::KeyFile(_) => panic!("a key file where a passphrase was meant"),
        }
    }

    #[test]
    fn flag_wins_over_environment_over_configuration() {
        let config = VaultConfig { key_file: Some("/config".into()), ..Default::default() };
        let with = |name: &str| (name == PASSPHRASE_FILE).then(|| OsString::from("/env"));
        let without = |_: &str| None;
        let flag = KeySource::KeyFile("/flag".into());
        assert_eq!(KeySource::choose(Some(flag.clone()), &with, &config).unwrap(), Some(flag));
        let from_environment = KeySource::PassphraseFile("/env".into());
        assert_eq!(KeySource::choose(None, &with, &config).unwrap(), Some(from_environment));
        let from_config = KeySource::KeyFile("/config".into());
        assert_eq!(KeySource::choose(None, &without, &config).unwrap(), Some(from_config));
        assert_eq!(KeySource::choose(None, &without, &VaultConfig::default()).unwrap(), None);
    }

    #[test]
    fn two_variables_at_once_are_refused() {
        let both = |name: &str| (name != PASSPHRASE_COMMAND).then(|| OsString::from("/x"));
        let chosen = KeySource::choose(None, &both, &VaultConfig::default());
        assert!(matches!(chosen, Err(KeySourceError::Ambiguous(KEY_FILE, PASSPHRASE_FILE))));
    }

    #[test]
    fn a_passphrase_loses_one_line_end_and_no_more() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("p");
        for (written, meant) in [("a b \n", "a b "), ("a\r\n", "a"), ("a\n\n", "a\n"), ("a", "a")] {
            std::fs::write(&file, written).unwrap();
            assert_eq!(passphrase(&KeySource::PassphraseFile(file.clone())), meant.as_bytes());
        }
        assert_eq!(passphrase(&KeySource::PassphraseCommand("echo secret".into())), b"secret");
    }

    #[test]
    fn empty_missing_and_failing_sources_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("p");
        let message = |source: KeySource| source.read().err().unwrap().to_string();
        assert!(message(KeySource::KeyFile(file.clone())).contains(file.to_str().unwrap()));
        std::fs::write(&file, "\n").unwrap();
        assert!(message(KeySource::PassphraseFile(file)).contains("empty"));
        assert!(message(KeySource::PassphraseCommand("exit 3".into())).contains("exit 3"));
    }
}
