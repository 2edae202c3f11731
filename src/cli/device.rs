//! `bosr device`: the devices of the vault.

use clap::Subcommand;

use super::context::Context;
use super::exit::Exit;
use super::global::Listening;
use super::problem::Problem;
use super::{rotate, text};
use crate::daemon::api;
use crate::daemon::client::Client;
use crate::daemon::reach::Need;

/// List the devices of the vault, shut one out, give a copied store a key of its own
#[derive(Subcommand, Clone, Debug)]
pub(super) enum Device {
    /// List the devices of the vault
    List,
    /// Shut a device out for good: it gets nothing new, from no device
    ///
    /// What it has it keeps. A new epoch of the master key is made in the same step.
    Revoke {
        /// Its name, or the first letters of its key
        device: String,
    },
    /// Make this store, which is a copy of another device's, a device of its own
    ///
    /// Two devices with one key are refused by each other. The new key is made known by a ticket of any
    /// other device of the vault; without one, by a sync with those that still take the old key.
    Renew {
        /// A ticket from `bosr invite` on another device
        ticket: Option<String>,
        /// What this device is called from now on
        #[arg(long, env = "BOSR_DEVICE", value_name = "NAME")]
        device: Option<String>,
    },
}

impl Device {
    pub(super) async fn run(&self, context: &Context) -> Result<Exit, Problem> {
        let reached = context.reach(Need::Anybody, &Listening::default()).await?;
        let outcome = self.act(context, &reached.client).await;
        reached.close().await?;
        outcome.map(|()| Exit::Done)
    }

    async fn act(&self, context: &Context, client: &Client) -> Result<(), Problem> {
        match self {
            Device::List => {
                let devices = client.devices().await?;
                context.output.result(&devices, || table(&devices))
            }
            Device::Revoke { device } => {
                let rotation = client.revoke_device(device).await?;
                rotate::tell(context, &rotation)
            }
            Device::Renew { ticket, device } => {
                let request = api::RenewalRequest { name: device.clone(), ticket: ticket.clone() };
                let renewed = client.renew_device(&request).await?;
                context.output.result(&renewed, || {
                    format!("This device is {} now; {} know it.\n", renewed.name, renewed.told.join(", "))
                })
            }
        }
    }
}

/// The devices, one on a line.
fn table(devices: &[api::Device]) -> String {
    let row = |device: &api::Device| {
        let standing = match (device.revoked, device.own) {
            (true, _) => "revoked",
            (false, true) => "this device",
            (false, false) if device.connected => "connected",
            (false, false) => "not connected",
        };
        let key: String = device.key.chars().take(16).collect();
        vec![text::name(&device.name), key, standing.to_owned()]
    };
    text::columns(&devices.iter().map(row).collect::<Vec<_>>(), &[])
}
