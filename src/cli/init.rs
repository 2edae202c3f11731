//! `bosr init`: a new vault.

use std::path::Path;

use clap::Args;
use serde::Serialize;

use super::context::Context;
use super::exit::Exit;
use super::problem::Problem;
use crate::ambient::{Entropy, files};
use crate::crypto::{Unlock, new_key_file};
use crate::daemon::config_edit::record_key_file;
use crate::daemon::create::{self, default_device};
use crate::daemon::error::DaemonError;
use crate::daemon::key_source::KeySource;

/// Make a new vault
///
/// Without options and on a terminal it asks for a passphrase twice. --key-file makes the file if it is
/// missing, and records it in the configuration, so that later commands need no option.
#[derive(Args, Clone, Debug)]
pub(super) struct Init {
    /// What this device is called in the vault, and in the names of tombstone files
    #[arg(long, env = "BOSR_DEVICE", value_name = "NAME")]
    pub(super) device: Option<String>,
}

/// What was made.
#[derive(Serialize)]
struct Made {
    version: u32,
    vault: String,
    store: String,
    device: String,
}

impl Init {
    pub(super) async fn run(&self, context: &Context) -> Result<Exit, Problem> {
        let target = &context.target;
        if target.exists() {
            return Err(DaemonError::AlreadyInitialised { store: target.store_shown() }.into());
        }
        let device = self.device.clone().unwrap_or_else(default_device);
        let unlock = new_key(context)?;
        create::create(target, unlock, &device, &context.ambient).await?;
        record_key(context)?;
        let made = Made {
            version: crate::daemon::api::VERSION,
            vault: target.shown(),
            store: target.store_shown(),
            device,
        };
        context.output.result(&made, || match context.output.quiet {
            true => String::new(),
            false => {
                format!("The vault {} is in {}.\nMount it with `bosr mount DIR`.\n", made.vault, made.store)
            }
        })?;
        Ok(Exit::Done)
    }
}

/// What is to unlock a vault that is about to be made here. A key file that is missing is made.
pub(super) fn new_key(context: &Context) -> Result<Unlock, Problem> {
    let Some(source) = context.key() else { return context.ask_new_passphrase() };
    if let KeySource::KeyFile(path) = source
        && !path.exists()
    {
        make_key_file(path, context.ambient.entropy.as_ref())?;
    }
    Ok(source.read()?)
}

pub(super) fn make_key_file(path: &Path, entropy: &dyn Entropy) -> Result<(), Problem> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    folder
        .map_or(Ok(()), |folder| files::make_folder(folder, 0o700))
        .and_then(|()| files::replace(path, &new_key_file(entropy), 0o600))
        .map_err(|error| Problem::failed(format!("cannot make the key file {}", path.display()), &error))
}

/// Records a key file that was named on the command line.
pub(super) fn record_key(context: &Context) -> Result<(), Problem> {
    let Some(KeySource::KeyFile(path)) = context.global.key_flag() else { return Ok(()) };
    let cannot = |error| Problem::failed(format!("cannot find {}", path.display()), &error);
    let path = std::path::absolute(&path).map_err(cannot)?;
    let target = &context.target;
    let by_folder = target.name.is_none();
    let name = target.name.clone().unwrap_or_else(|| context.free_name());
    let store = by_folder.then_some(target.store.as_path());
    Ok(record_key_file(&target.paths.config_file(), &name, store, &path)?)
}
