//! Where this user's configuration, vaults and sockets are.
//!
//! Everything follows the XDG folders; what the environment says is passed in, so that tests need no
//! environment of their own.

use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;

use crate::ambient::files;

/// Bytes of the hash of a store's path that name its socket: 16 hex digits.
const SOCKET_NAME_BYTES: usize = 8;

/// A source of environment variables.
pub type Environment<'a> = &'a dyn Fn(&str) -> Option<OsString>;

/// The folders of one user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paths {
    config: PathBuf,
    data: PathBuf,
    state: PathBuf,
    runtime: Option<PathBuf>,
    temporary: PathBuf,
}

/// Which vault a command means: by name, or by the folder of its store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VaultRef {
    /// A name in the configuration, or of a folder in the data folder.
    Name(String),
    /// The folder of a store.
    Folder(PathBuf),
}

/// Why the folders of a user could not be found or used.
#[derive(Debug, thiserror::Error)]
pub enum PathsError {
    /// Neither the XDG variables nor HOME say where the user's files are.
    #[error("cannot tell where your files are: HOME is not set")]
    NoHome,
    /// A vault name with characters that would make it a path or hide it.
    #[error("{0:?} is not a vault name")]
    BadName(String),
    /// The fallback folder of the sockets belongs to somebody else, or others may write to it.
    #[error("{0} is not a private folder of yours")]
    UnsafeFolder(PathBuf),
    /// The operating system refused.
    #[error("cannot use {0}")]
    Io(PathBuf, #[source] io::Error),
}

impl Paths {
    /// The folders that the environment of this process names.
    pub fn host() -> Result<Self, PathsError> {
        Self::from_environment(&|name| std::env::var_os(name))
    }

    /// The folders that `environment` names. As the XDG specification demands, a variable that is empty or
    /// relative counts as not set.
    pub fn from_environment(environment: Environment<'_>) -> Result<Self, PathsError> {
        let absolute = |name: &str| environment(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let home = absolute("HOME");
        let under_home = |name: &str, rest: &str| {
            absolute(name).or_else(|| home.as_ref().map(|h| h.join(rest))).ok_or(PathsError::NoHome)
        };
        Ok(Paths {
            config: under_home("XDG_CONFIG_HOME", ".config")?.join("bosr"),
            data: under_home("XDG_DATA_HOME", ".local/share")?.join("bosr"),
            state: under_home("XDG_STATE_HOME", ".local/state")?.join("bosr"),
            runtime: absolute("XDG_RUNTIME_DIR").map(|folder| folder.join("bosr")),
            temporary: absolute("TMPDIR").unwrap_or_else(|| PathBuf::from("/tmp")),
        })
    }

    /// The configuration file.
    pub fn config_file(&self) -> PathBuf {
        self.config.join("config.toml")
    }

    /// The folder of the store of the vault `name`, unless the configuration says otherwise.
    pub fn store_of(&self, name: &str) -> PathBuf {
        self.data.join("vaults").join(name)
    }

    /// The file with the mark of the last opening of a vault: it differs from the mark in the store if the
    /// store was copied or restored.
    pub fn open_mark(&self, vault_id: &str) -> PathBuf {
        self.state.join(vault_id)
    }

    /// Where background owners write what happens inside, if that was asked for.
    pub fn owner_log(&self) -> PathBuf {
        self.state.join("owner.log")
    }

    /// The control sockets of all owners of this user, also dead ones.
    pub fn sockets(&self) -> Vec<PathBuf> {
        let listed = self.socket_folder().ok().and_then(|folder| std::fs::read_dir(folder).ok());
        let entries = listed.into_iter().flatten().flatten().map(|entry| entry.path());
        entries.filter(|path| path.extension().is_some_and(|extension| extension == "sock")).collect()
    }

    /// The control socket of the store at `store` (canonical). Makes the folder it lies in, private to this
    /// user; a fallback folder that anybody else could have made is refused.
    pub fn socket(&self, store: &Path) -> Result<PathBuf, PathsError> {
        Ok(self.socket_folder()?.join(format!("{}.sock", store_digest(store))))
    }

    fn socket_folder(&self) -> Result<PathBuf, PathsError> {
        let uid = nix::unistd::getuid().as_raw();
        // A runtime folder that is set but not there (a session that has ended, a container) is no use.
        let runtime = self.runtime.as_ref().filter(|folder| folder.parent().is_some_and(Path::is_dir));
        let folder = runtime.cloned().unwrap_or_else(|| self.temporary.join(format!("bosr-{uid}")));
        files::make_folder(&folder, 0o700).map_err(|e| PathsError::Io(folder.clone(), e))?;
        let found = folder.symlink_metadata().map_err(|e| PathsError::Io(folder.clone(), e))?;
        if !found.is_dir() || found.uid() != uid || found.mode() & 0o077 != 0 {
            return Err(PathsError::UnsafeFolder(folder));
        }
        Ok(folder)
    }
}

/// Names the store at `store` (canonical) without telling where it is.
fn store_digest(store: &Path) -> String {
    let hash = blake3::hash(store.as_os_str().as_bytes());
    HEXLOWER.encode(hash.as_bytes().first_chunk::<SOCKET_NAME_BYTES>().unwrap_or(&[0; SOCKET_NAME_BYTES]))
}

impl VaultRef {
    /// Reads what `--vault` was given: anything with a slash, `.` and `..` are folders, else it is a name.
    pub fn parse(text: &str) -> Result<Self, PathsError> {
        if text.contains('/') || text == "." || text == ".." {
            return Ok(VaultRef::Folder(PathBuf::from(text)));
        }
        let plain = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
        if text.is_empty() || text.starts_with('.') || !text.chars().all(plain) {
            return Err(PathsError::BadName(text.to_owned()));
        }
        Ok(VaultRef::Name(text.to_owned()))
    }
}

impl std::fmt::Display for VaultRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            VaultRef::Name(name) => f.write_str(name),
            VaultRef::Folder(folder) => write!(f, "{}", folder.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn environment<'a>(pairs: &'a [(&'a str, &'a str)]) -> impl Fn(&str) -> Option<OsString> + 'a {
        |name| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| OsString::from(value))
    }

    #[test]
    fn folders_follow_home_when_nothing_else_is_set() {
        let paths = Paths::from_environment(&environment(&[("HOME", "/h")])).unwrap();
        assert_eq!(paths.config_file(), Path::new("/h/.config/bosr/config.toml"));
        assert_eq!(paths.store_of("default"), Path::new("/h/.local/share/bosr/vaults/default"));
        assert_eq!(paths.open_mark("ab"), Path::new("/h/.local/state/bosr/ab"));
    }

    #[test]
    fn xdg_variables_win_and_relative_ones_are_ignored() {
        let pairs = [("HOME", "/h"), ("XDG_CONFIG_HOME", "/c"), ("XDG_DATA_HOME", "relative")];
        let paths = Paths::from_environment(&environment(&pairs)).unwrap();
        assert_eq!(paths.config_file(), Path::new("/c/bosr/config.toml"));
        assert_eq!(paths.store_of("a"), Path::new("/h/.local/share/bosr/vaults/a"));
    }

    #[test]
    fn no_home_is_an_error_that_says_so() {
        assert!(matches!(Paths::from_environment(&environment(&[])), Err(PathsError::NoHome)));
    }

    #[test]
    fn the_socket_lies_in_a_private_runtime_folder() {
        let runtime = tempfile::tempdir().unwrap();
        let folder = runtime.path().to_str().unwrap();
        let paths = Paths::from_environment(&environment(&[("HOME", "/h"), ("XDG_RUNTIME_DIR", folder)]));
        let socket = paths.unwrap().socket(Path::new("/h/store")).unwrap();
        assert_eq!(socket.parent(), Some(runtime.path().join("bosr").as_path()));
        let name = socket.file_name().unwrap().to_str().unwrap();
        assert_eq!(name.strip_suffix(".sock").unwrap().len(), 16);
        assert_eq!(socket.parent().unwrap().metadata().unwrap().mode() & 0o777, 0o700);
    }

    #[test]
    fn without_a_runtime_folder_the_temporary_one_is_used_if_nobody_else_can_write_there() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = temporary.path().to_str().unwrap();
        let pairs = [("HOME", "/h"), ("TMPDIR", folder), ("XDG_RUNTIME_DIR", "/does/not/exist")];
        let paths = Paths::from_environment(&environment(&pairs)).unwrap();
        let socket = paths.socket(Path::new("/h/store")).unwrap();
        let private = socket.parent().unwrap();
        assert!(private.starts_with(temporary.path()));
        std::fs::set_permissions(private, std::fs::Permissions::from_mode(0o777)).unwrap();
        assert!(matches!(paths.socket(Path::new("/h/store")), Err(PathsError::UnsafeFolder(_))));
    }

    #[test]
    fn a_vault_is_a_name_or_a_folder() {
        assert_eq!(VaultRef::parse("work").unwrap(), VaultRef::Name("work".into()));
        assert_eq!(VaultRef::parse("./work").unwrap(), VaultRef::Folder("./work".into()));
        assert_eq!(VaultRef::parse(".").unwrap(), VaultRef::Folder(".".into()));
        for bad in ["", ".hidden", "a b", "a\nb"] {
            assert!(matches!(VaultRef::parse(bad), Err(PathsError::BadName(_))), "{bad:?}");
        }
    }
}
