//! The configuration file: what the user has settled once for each vault.
//!
//! ```toml
//! [vaults.default]
//! key-file = "/home/me/.config/bosr/keys/default"
//! listen = "[::]:4747"
//! discovery = true
//! follow = true
//! peers = { nas = "nas.lan:4747" }
//! mounts = [{ dir = "/home/me/Vault", options = "noatime" }]
//! upload-limit = "2MB/s"
//! download-limit = "10MB/s"
//! dirty-limit = "64MiB"
//! cache-limit = "48MiB"
//! first = ["Documents", "Photos/2026"]
//! last = ["Videos"]
//! ```
//!
//! A key this build does not know is an error that names it: a misspelt option must not be silently off.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::Error;

use super::paths::{Paths, VaultRef};
use super::places::{Places, priorities};
use super::rate::Rate;
use super::size::Size;
use crate::ambient::files;
use crate::fs::DirtyLimit;
use crate::store::{Caches, Options};

/// A configuration is written by hand; anything larger is not one.
const MAX_CONFIG_BYTES: u64 = 1 << 20;

/// The whole file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Config {
    /// The vaults, by name.
    #[serde(default)]
    pub vaults: BTreeMap<String, VaultConfig>,
}

/// What is settled for one vault.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct VaultConfig {
    /// The folder of the store, if it is not in the data folder.
    pub store: Option<PathBuf>,
    /// A file that unlocks the vault.
    pub key_file: Option<PathBuf>,
    /// A file that holds the passphrase.
    pub passphrase_file: Option<PathBuf>,
    /// A command that prints the passphrase.
    pub passphrase_command: Option<String>,
    /// Where an owner listens: `HOST:PORT`, or `off`.
    pub listen: Option<String>,
    /// Whether an owner says on the local network that it is there, and looks for others. On unless said otherwise.
    pub discovery: Option<bool>,
    /// Peers by alias, with their address `HOST[:PORT]`.
    #[serde(default)]
    pub peers: BTreeMap<String, String>,
    /// Where `mirord` mounts the vault.
    #[serde(default)]
    pub mounts: Vec<MountConfig>,
    /// Whether `mirord` also dials the peers and keeps in step with them. On unless said otherwise.
    pub follow: Option<bool>,
    /// How fast data may go to all peers together.
    pub upload_limit: Option<Rate>,
    /// How fast data may come from all peers together.
    pub download_limit: Option<Rate>,
    /// How much may be written and be in memory only, above which writers wait. Holds from the next mount.
    pub dirty_limit: Option<Size>,
    /// How much of what is read again and again is kept in memory, beside the kernel's own cache of contents. Holds
    /// from the next opening.
    pub cache_limit: Option<Size>,
    /// What is asked of peers before the rest.
    #[serde(default)]
    pub first: Places,
    /// What is asked of peers when there is nothing else left.
    #[serde(default)]
    pub last: Places,
}

impl VaultConfig {
    /// The sizes that its store works with.
    pub fn store_options(&self) -> Options {
        let Some(Size(limit)) = self.cache_limit else { return Options::default() };
        let caches = Caches::within(usize::try_from(limit).unwrap_or(usize::MAX));
        Options { caches, ..Options::default() }
    }

    /// How much may be dirty in its mount.
    pub fn dirty(&self) -> DirtyLimit {
        self.dirty_limit.map_or_else(DirtyLimit::default, |Size(limit)| DirtyLimit::at_least(limit))
    }

    /// Says which limit is below what the vault works with.
    fn check_limits(&self) -> Result<(), String> {
        let least = [
            ("dirty-limit", self.dirty_limit, DirtyLimit::LEAST),
            ("cache-limit", self.cache_limit, Caches::LEAST as u64),
        ];
        for (key, given, least) in least {
            if given.is_some_and(|Size(given)| given < least) {
                return Err(format!("{key} must be {}MiB at least", least >> 20));
            }
        }
        Ok(())
    }
}

/// A place where `mirord` mounts a vault.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct MountConfig {
    /// The folder to mount on.
    pub dir: PathBuf,
    /// Mount options, as after `-o`.
    pub options: Option<String>,
}

/// Why the configuration could not be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file is there but cannot be read or written.
    #[error("cannot use the configuration {0}")]
    Io(PathBuf, #[source] io::Error),
    /// The file is not a configuration.
    #[error("{path} is not a valid configuration: {reason}")]
    Invalid {
        /// The file.
        path: PathBuf,
        /// Where and what, on one line.
        reason: String,
    },
}

impl Config {
    /// Reads the file; one that does not exist is an empty configuration.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let bytes = match files::read(path, MAX_CONFIG_BYTES) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Config::default()),
            Err(error) => return Err(ConfigError::Io(path.to_owned(), error)),
        };
        let invalid = |reason: String| ConfigError::Invalid { path: path.to_owned(), reason };
        let text = std::str::from_utf8(&bytes).map_err(|error| invalid(error.to_string()))?;
        Self::parse(text).map_err(|error| invalid(one_line(text, &error)))
    }

    pub(super) fn parse(text: &str) -> Result<Self, toml::de::Error> {
        let config: Config = toml::from_str(text)?;
        for (name, vault) in &config.vaults {
            let clash = |reason| toml::de::Error::custom(format!("vaults.{name}: {reason}"));
            priorities(&vault.first, &vault.last).map_err(clash)?;
            vault.check_limits().map_err(clash)?;
        }
        Ok(config)
    }

    /// The name and settings that hold for `vault`. A store that is named by its folder has the settings of
    /// the vault whose store is that folder.
    pub fn settings(&self, paths: &Paths, vault: &VaultRef) -> (Option<String>, VaultConfig) {
        let name = match vault {
            VaultRef::Name(name) => Some(name.clone()),
            VaultRef::Folder(folder) => self.name_of(paths, folder),
        };
        let found = name.as_ref().and_then(|name| self.vaults.get(name)).cloned().unwrap_or_default();
        (name, found)
    }

    fn name_of(&self, paths: &Paths, folder: &Path) -> Option<String> {
        let wanted = canonical(folder);
        let place = |name: &str, vault: &VaultConfig| canonical(&store_of(paths, name, vault)) == wanted;
        self.vaults.iter().find(|(name, vault)| place(name, vault)).map(|(name, _)| name.clone())
    }

    /// The folder of the store of `vault`: absolute, and canonical if it exists.
    pub fn store(&self, paths: &Paths, vault: &VaultRef) -> PathBuf {
        match vault {
            VaultRef::Folder(folder) => canonical(folder),
            VaultRef::Name(name) => {
                let settings = self.vaults.get(name).cloned().unwrap_or_default();
                canonical(&store_of(paths, name, &settings))
            }
        }
    }
}

fn store_of(paths: &Paths, name: &str, settings: &VaultConfig) -> PathBuf {
    settings.store.clone().unwrap_or_else(|| paths.store_of(name))
}

/// `path` without links and dots as far as it exists, else made absolute.
fn canonical(path: &Path) -> PathBuf {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    match (absolute.canonicalize(), absolute.parent(), absolute.file_name()) {
        (Ok(found), _, _) => found,
        (Err(_), Some(parent), Some(name)) => canonical(parent).join(name),
        _ => absolute,
    }
}

/// An error of the parser without its drawing of the line.
fn one_line(text: &str, error: &toml::de::Error) -> String {
    let line =
        error.span().map(|span| text.get(..span.start).map_or(1, |before| before.matches('\n').count() + 1));
    let message = error.message().replace('\n', " ");
    line.map_or(message.clone(), |line| format!("line {line}: {message}"))
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "tests look at what is on disk")]
mod tests {
    use super::*;
    use std::ffi::OsString;

    fn paths(home: &Path) -> Paths {
        let home = OsString::from(home);
        Paths::from_environment(&|name| (name == "HOME").then(|| home.clone())).unwrap()
    }

    #[test]
    fn a_file_that_is_not_there_is_an_empty_configuration() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Config::load(&folder.path().join("config.toml")).unwrap(), Config::default());
    }

    #[test]
    fn every_setting_is_read() {
        let text = "[vaults.work]\nstore = '/s'\nkey-file = '/k'\nlisten = 'off'\ndiscovery = false\nfollow = false\n\
                    upload-limit = '2MB/s'\ndownload-limit = '500 kB'\n\
                    dirty-limit = '16 MiB'\ncache-limit = '0.5GB'\n\
                    first = ['a', 'b/c']\nlast = ['d']\n\
                    peers = { nas = 'nas:1' }\nmounts = [{ dir = '/m', options = 'ro' }]\n";
        let work = Config::parse(text).unwrap().vaults.remove("work").unwrap();
        assert_eq!(work.store.as_deref(), Some(Path::new("/s")));
        assert_eq!(work.key_file.as_deref(), Some(Path::new("/k")));
        assert_eq!(work.listen.as_deref(), Some("off"));
        assert_eq!((work.discovery, work.follow), (Some(false), Some(false)));
        assert_eq!((work.upload_limit, work.download_limit), (Some(Rate(2_000_000)), Some(Rate(500_000))));
        assert_eq!((work.dirty_limit, work.cache_limit), (Some(Size(16 << 20)), Some(Size(500_000_000))));
        assert_eq!((work.first, work.last), ("a:b/c".parse().unwrap(), "d".parse().unwrap()));
        assert_eq!(work.peers.get("nas").map(String::as_str), Some("nas:1"));
        assert_eq!(work.mounts.first().map(|m| m.dir.as_path()), Some(Path::new("/m")));
    }

    #[test]
    fn a_misspelt_key_is_named_with_its_line() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config.toml");
        std::fs::write(&file, "[vaults.a]\nlisten = 'off'\nkeyfile = '/k'\n").unwrap();
        let message = Config::load(&file).unwrap_err().to_string();
        assert!(message.contains("keyfile") && message.contains("line 3"), "{message}");
        assert!(!message.contains('\n'));
    }

    #[test]
    fn places_that_cannot_come_first_or_last_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config.toml");
        let refused = |text: &str| {
            std::fs::write(&file, text).unwrap();
            Config::load(&file).unwrap_err().to_string()
        };
        let message = refused("[vaults.a]\nfirst = ['x', 'y/../z']\n");
        assert!(message.contains("`y/../z`") && message.contains("line 2"), "{message}");
        let message = refused("[vaults.a]\nfirst = ['x']\nlast = ['/x']\n");
        assert!(message.contains("vaults.a") && message.contains("`/x`"), "{message}");
    }

    #[test]
    fn limits_that_nothing_works_with_are_named() {
        for (key, least) in [("dirty-limit", "16MiB"), ("cache-limit", "6MiB")] {
            let text = |size: &str| format!("[vaults.a]\n{key} = '{size}'\n");
            assert!(Config::parse(&text(least)).is_ok());
            let refused = Config::parse(&text("5MiB")).unwrap_err().to_string();
            assert!(refused.contains(&format!("vaults.a: {key} must be {least} at least")), "{refused}");
            assert!(Config::parse(&text("lots")).unwrap_err().to_string().contains("`lots` is no size"));
        }
        let given = VaultConfig { cache_limit: Some(Size(96 << 20)), ..VaultConfig::default() };
        assert_eq!(given.store_options().caches, Caches::within(96 << 20));
        assert_eq!(VaultConfig::default().store_options().caches, Caches::default());
    }

    #[test]
    fn a_folder_finds_the_settings_of_the_vault_that_lives_there() {
        let home = tempfile::tempdir().unwrap();
        let paths = paths(home.path());
        let config = Config::parse("[vaults.work]\nstore = '/srv/work'\nlisten = 'off'\n").unwrap();
        let by_folder = config.settings(&paths, &VaultRef::Folder("/srv/work".into()));
        let by_name = config.settings(&paths, &VaultRef::Name("work".into()));
        assert_eq!(by_folder, by_name);
        assert_eq!(by_name.0.as_deref(), Some("work"));
        assert_eq!(
            config.settings(&paths, &VaultRef::Folder("/srv/else".into())),
            (None, VaultConfig::default())
        );
        let named = config.store(&paths, &VaultRef::Name("other".into()));
        assert!(named.ends_with(".local/share/bosr/vaults/other"));
    }
}
