//! `bosr ls`: what is in a directory of the vault.

use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use clap::Args;
use nix::unistd::{Gid, Group, Uid, User};

use super::context::Context;
use super::exit::Exit;
use super::global::Listening;
use super::problem::Problem;
use super::text;
use crate::daemon::api::{Entry, EntryKind};
use crate::daemon::reach::Need;

/// List a directory of the vault
#[derive(Args, Clone, Debug)]
pub(super) struct Ls {
    /// Its path in the vault
    #[arg(default_value = "/")]
    pub(super) path: PathBuf,
}

impl Ls {
    pub(super) async fn run(&self, context: &Context) -> Result<Exit, Problem> {
        let reached = context.reach(Need::Anybody, &Listening::default()).await?;
        let listed = reached.client.list(self.path.as_os_str().as_bytes()).await;
        reached.close().await?;
        let entries = listed?;
        context
            .output
            .result(&entries, || text::columns(&entries.iter().map(row).collect::<Vec<_>>(), &[1, 4]))?;
        Ok(Exit::Done)
    }
}

fn row(entry: &Entry) -> Vec<String> {
    let mut name = text::name(&entry.name.text);
    if let Some(target) = &entry.target {
        name = format!("{name} -> {}", text::name(target));
    }
    vec![
        format!("{}{}", letter(entry.kind), text::permissions(entry.mode)),
        entry.links.to_string(),
        user(entry.uid),
        group(entry.gid),
        entry.size.to_string(),
        text::time(entry.mtime),
        name,
    ]
}

fn letter(kind: EntryKind) -> char {
    match kind {
        EntryKind::File => '-',
        EntryKind::Directory => 'd',
        EntryKind::Symlink => 'l',
        EntryKind::Fifo => 'p',
        EntryKind::Socket => 's',
        EntryKind::CharDevice => 'c',
        EntryKind::BlockDevice => 'b',
    }
}

fn user(uid: u32) -> String {
    User::from_uid(Uid::from_raw(uid)).ok().flatten().map_or_else(|| uid.to_string(), |user| user.name)
}

fn group(gid: u32) -> String {
    Group::from_gid(Gid::from_raw(gid)).ok().flatten().map_or_else(|| gid.to_string(), |group| group.name)
}
