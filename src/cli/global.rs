//! The options that every command takes.

use std::path::PathBuf;

use clap::Args;

use crate::daemon::key_source::KeySource;

/// Options that every command takes, before or after its name.
#[derive(Args, Clone, Debug, Default)]
pub(super) struct Global {
    /// The vault: a name, or the folder of its store
    #[arg(long, global = true, env = "BOSR_VAULT", value_name = "NAME|DIR", default_value = "default")]
    pub(super) vault: String,
    /// Print JSON, for programs
    #[arg(long, global = true)]
    pub(super) json: bool,
    /// Say more: the causes of an error; twice, what happens inside
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(super) verbose: u8,
    /// Print nothing but results and errors
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub(super) quiet: bool,
    /// Unlock with the passphrase in this file (or BOSR_PASSPHRASE_FILE)
    #[arg(long, global = true, value_name = "FILE", conflicts_with_all = ["passphrase_command", "key_file"])]
    pub(super) passphrase_file: Option<PathBuf>,
    /// Unlock with the passphrase that this command prints (or BOSR_PASSPHRASE_COMMAND)
    #[arg(long, global = true, value_name = "COMMAND", conflicts_with = "key_file")]
    pub(super) passphrase_command: Option<String>,
    /// Unlock with this key file (or BOSR_KEY_FILE)
    #[arg(long, global = true, value_name = "FILE")]
    pub(super) key_file: Option<PathBuf>,
}

impl Global {
    /// What was named on the command line to unlock the vault with.
    pub(super) fn key_flag(&self) -> Option<KeySource> {
        let file = self.key_file.clone().map(KeySource::KeyFile);
        let passphrase = self.passphrase_file.clone().map(KeySource::PassphraseFile);
        let command = self.passphrase_command.clone().map(KeySource::PassphraseCommand);
        file.or(passphrase).or(command)
    }
}

/// Where an owner that this command starts is to listen.
#[derive(Args, Clone, Debug, Default)]
pub(super) struct Listening {
    /// Where to listen for other devices: HOST:PORT (port 0 picks one) or `off`. Used if this command opens
    /// the vault; one that is open already keeps its address
    #[arg(long, env = "BOSR_LISTEN", value_name = "ADDR")]
    pub(super) listen: Option<String>,
}
