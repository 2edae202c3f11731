//! What every command works with: the options, the configuration, the vault they mean.

use std::io::IsTerminal;

use zeroize::Zeroizing;

use super::exit::Exit;
use super::global::{Global, Listening};
use super::output::Output;
use super::problem::Problem;
use crate::ambient::Ambient;
use crate::crypto::{Keyring, Unlock};
use crate::daemon::config::Config;
use crate::daemon::error::{DaemonError, chain};
use crate::daemon::key_source::KeySource;
use crate::daemon::paths::{Paths, VaultRef};
use crate::daemon::reach::{Need, Opening, Reached, reach};
use crate::daemon::target::Target;

/// What a command works with.
pub(super) struct Context {
    /// The options that every command takes.
    pub(super) global: Global,
    /// The vault.
    pub(super) target: Target,
    /// Clock and randomness.
    pub(super) ambient: Ambient,
    /// Where results go.
    pub(super) output: Output,
    key: Option<KeySource>,
    config: Config,
}

impl Context {
    /// From the options and the configuration.
    pub(super) fn new(global: &Global) -> Result<Self, Problem> {
        let paths = Paths::host()?;
        let config = Config::load(&paths.config_file())?;
        let target = Target::new(paths, &config, &VaultRef::parse(&global.vault)?);
        let environment = |name: &str| std::env::var_os(name);
        let key = KeySource::choose(global.key_flag(), &environment, &target.settings)?;
        let output = Output { json: global.json, quiet: global.quiet };
        Ok(Context { global: global.clone(), target, ambient: Ambient::host(), output, key, config })
    }

    /// Where the key comes from; none if the user is to be asked.
    pub(super) fn key(&self) -> Option<&KeySource> {
        self.key.as_ref()
    }

    /// Reaches the vault, opening it or starting its owner if need be.
    pub(super) async fn reach(&self, need: Need, listening: &Listening) -> Result<Reached, Problem> {
        let opening = Opening {
            unlock: &|| self.unlock(),
            listen: listening.listen.clone(),
            ambient: self.ambient.clone(),
            waiting: &|pid| {
                self.output
                    .remark(&format!("waiting for process {pid}, which is opening or closing the vault"));
            },
        };
        Ok(reach(&self.target, need, &opening).await?)
    }

    /// A name for a vault that was named by its folder, not taken in the configuration.
    pub(super) fn free_name(&self) -> String {
        let folder = self.target.store.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let taken = |name: &String| self.config.vaults.contains_key(name);
        let numbered = (2..).map(|n: u32| format!("{folder}-{n}"));
        std::iter::once(folder.clone()).chain(numbered).find(|name| !taken(name)).unwrap_or(folder)
    }

    fn unlock(&self) -> Result<Keyring, DaemonError> {
        // A vault file that is missing or damaged is found before anybody is asked for a passphrase.
        self.target.vault_file()?;
        let unlock = match &self.key {
            Some(source) => source.read().map_err(|error| DaemonError::Key {
                message: error.to_string(),
                causes: chain(&error).into_iter().skip(1).collect(),
            })?,
            None => self.ask_passphrase()?,
        };
        self.target.unlock(&unlock)
    }

    fn ask_passphrase(&self) -> Result<Unlock, DaemonError> {
        if !std::io::stdin().is_terminal() {
            return Err(DaemonError::NoKey { store: self.target.store_shown() });
        }
        let prompt = format!("Passphrase of the vault {}: ", self.target.shown());
        let given = rpassword::prompt_password(prompt)
            .map_err(|error| DaemonError::internal("asking for the passphrase", &error))?;
        Ok(Unlock::Passphrase(Zeroizing::new(given.into_bytes())))
    }

    /// Asks twice for a passphrase for a new vault.
    pub(super) fn ask_new_passphrase(&self) -> Result<Unlock, Problem> {
        if !std::io::stdin().is_terminal() {
            return Err(DaemonError::NoKey { store: self.target.store_shown() }.into());
        }
        let ask = |prompt: &str| {
            rpassword::prompt_password(prompt)
                .map(|given| Zeroizing::new(given.into_bytes()))
                .map_err(|error| Problem::failed("cannot ask for a passphrase", &error))
        };
        let first = ask("New passphrase: ")?;
        if first.is_empty() {
            return Err(Problem::new(Exit::Failed, "the passphrase is empty").advise("choose one"));
        }
        if first != ask("Once more: ")? {
            return Err(Problem::new(Exit::Failed, "the two passphrases differ").advise("try again"));
        }
        Ok(Unlock::Passphrase(first))
    }
}
