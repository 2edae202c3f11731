//! Changes to the configuration file that keep what the user wrote: comments, order, spacing.

use std::path::Path;

use toml_edit::{DocumentMut, Item, Table, value};

use super::config::{Config, ConfigError};
use crate::ambient::files;

/// Records that `key_file` unlocks the vault `name`, whose store is at `store` if that is not where its name
/// puts it. The file is made if there is none, readable by its owner only.
pub fn record_key_file(
    config_file: &Path,
    name: &str,
    store: Option<&Path>,
    key_file: &Path,
) -> Result<(), ConfigError> {
    // What the parser of the configuration refuses must not be edited: the user would be told too late.
    Config::load(config_file)?;
    let invalid = |reason: String| ConfigError::Invalid { path: config_file.to_owned(), reason };
    let text = match files::read(config_file, u64::MAX) {
        Ok(bytes) => String::from_utf8(bytes).map_err(|error| invalid(error.to_string()))?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(ConfigError::Io(config_file.to_owned(), error)),
    };
    let mut document: DocumentMut = text.parse().map_err(|error| invalid(format!("{error}")))?;
    let utf8 = |path: &Path| {
        path.to_str().map(str::to_owned).ok_or_else(|| invalid(format!("{path:?} is not UTF-8")))
    };
    let vault =
        vault_table(&mut document, name).ok_or_else(|| invalid(format!("vaults.{name} is no table")))?;
    vault.insert("key-file", value(utf8(key_file)?));
    if let Some(store) = store {
        vault.insert("store", value(utf8(store)?));
    }
    let folder = config_file.parent().unwrap_or(Path::new("."));
    files::make_folder(folder, 0o700)
        .and_then(|()| files::replace(config_file, document.to_string().as_bytes(), 0o600))
        .map_err(|error| ConfigError::Io(config_file.to_owned(), error))
}

/// The table `[vaults.<name>]`, made if it is missing.
fn vault_table<'d>(document: &'d mut DocumentMut, name: &str) -> Option<&'d mut dyn toml_edit::TableLike> {
    let vaults = document.entry("vaults").or_insert_with(|| {
        let mut table = Table::new();
        table.set_implicit(true);
        Item::Table(table)
    });
    vaults.as_table_like_mut()?.entry(name).or_insert_with(|| Item::Table(Table::new())).as_table_like_mut()
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "tests look at what is on disk")]
mod tests {
    use super::*;

    #[test]
    fn a_new_file_can_be_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("deep/config.toml");
        record_key_file(&file, "work", Some(Path::new("/srv/w")), Path::new("/k")).unwrap();
        let work = Config::load(&file).unwrap().vaults.remove("work").unwrap();
        assert_eq!(work.key_file.as_deref(), Some(Path::new("/k")));
        assert_eq!(work.store.as_deref(), Some(Path::new("/srv/w")));
    }

    #[test]
    fn comments_and_other_settings_stay() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config.toml");
        let before = "# mine\n[vaults.work]\nlisten = 'off' # quiet\n\n[vaults.b]\nkey-file = '/old'\n";
        std::fs::write(&file, before).unwrap();
        record_key_file(&file, "b", None, Path::new("/new")).unwrap();
        let after = std::fs::read_to_string(&file).unwrap();
        assert_eq!(after, before.replace("'/old'", "\"/new\""));
    }

    #[test]
    fn a_file_that_is_not_valid_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config.toml");
        std::fs::write(&file, "[vaults").unwrap();
        assert!(record_key_file(&file, "b", None, Path::new("/new")).is_err());
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "[vaults");
    }
}
