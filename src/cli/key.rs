//! `bosr key`: what opens the vault on this device.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use zeroize::Zeroizing;

use super::context::Context;
use super::exit::Exit;
use super::global::Listening;
use super::init::make_key_file;
use super::problem::Problem;
use super::text;
use crate::crypto::Unlock;
use crate::daemon::api::{KeySlot, NewKey};
use crate::daemon::client::Client;
use crate::daemon::key_source::KeySource;
use crate::daemon::reach::Need;

/// Add, list and remove the keys that open the vault on this device
#[derive(Subcommand, Clone, Debug)]
pub(super) enum Key {
    /// Add a key: without options and on a terminal it asks for a passphrase twice
    Add(Source),
    /// Remove a key: it opens the vault no more
    Remove {
        /// The slot, from `bosr key list`
        slot: String,
    },
    /// List the keys
    List,
}

/// Where the new key comes from.
#[derive(Args, Clone, Debug)]
#[group(multiple = false)]
pub(super) struct Source {
    /// A key file; it is made if it is missing
    #[arg(long, value_name = "FILE")]
    new_key_file: Option<PathBuf>,
    /// A file with a passphrase
    #[arg(long, value_name = "FILE")]
    new_passphrase_file: Option<PathBuf>,
    /// A command that prints a passphrase
    #[arg(long, value_name = "COMMAND")]
    new_passphrase_command: Option<String>,
}

impl Key {
    pub(super) async fn run(&self, context: &Context) -> Result<Exit, Problem> {
        let reached = context.reach(Need::Anybody, &Listening::default()).await?;
        let outcome = self.act(context, &reached.client).await;
        reached.close().await?;
        outcome.map(|()| Exit::Done)
    }

    async fn act(&self, context: &Context, client: &Client) -> Result<(), Problem> {
        match self {
            Key::Add(source) => {
                let slot = client.add_key(&source.read(context)?).await?;
                context.output.result(&slot, || format!("Key {} opens the vault, too.\n", slot.slot))
            }
            Key::Remove { slot } => Ok(client.remove_key(slot).await?),
            Key::List => {
                let slots = client.key_slots().await?;
                context.output.result(&slots, || table(&slots))
            }
        }
    }
}

impl Source {
    fn read(&self, context: &Context) -> Result<NewKey, Problem> {
        let unlock = if let Some(path) = &self.new_key_file {
            if !path.exists() {
                make_key_file(path, context.ambient.entropy.as_ref())?;
            }
            KeySource::KeyFile(path.clone()).read()?
        } else if let Some(path) = &self.new_passphrase_file {
            KeySource::PassphraseFile(path.clone()).read()?
        } else if let Some(command) = &self.new_passphrase_command {
            KeySource::PassphraseCommand(command.clone()).read()?
        } else {
            context.ask_new_passphrase()?
        };
        let copied = |bytes: &Zeroizing<Vec<u8>>| bytes.clone().into();
        Ok(match &unlock {
            Unlock::Passphrase(bytes) => NewKey::Passphrase(copied(bytes)),
            Unlock::KeyFile(bytes) => NewKey::KeyFile(copied(bytes)),
        })
    }
}

fn table(slots: &[KeySlot]) -> String {
    let row = |slot: &KeySlot| vec![slot.slot.clone(), slot.kind.clone()];
    text::columns(&slots.iter().map(row).collect::<Vec<_>>(), &[])
}
