//! The command line: one file per command; progress, tables, JSON, exit codes.
//!
//! A command reads its arguments, reaches the vault through [`crate::daemon`] and prints. It owns no state
//! and knows no format of the store. Results go to stdout; progress, warnings and errors to stderr.

mod advice;
mod completions;
mod conflicts;
mod context;
mod device;
mod diff;
mod exit;
mod fetch;
mod fsck;
mod global;
mod init;
mod invite;
mod join;
mod key;
mod log;
mod ls;
mod merge;
mod mirord;
mod mount;
mod output;
mod peer;
mod problem;
mod progress;
mod put;
mod resolve;
mod restore;
mod revision;
mod rotate;
mod serve;
mod status;
mod sync;
mod text;
mod tracing_output;
mod unmount;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::ambient::memory;
use crate::daemon::handoff::OWNER_COMMAND;
use crate::daemon::owner;
use exit::Exit;
use problem::Problem;

pub use mirord::mirord;

/// An encrypted vault that mounts as a folder and syncs itself between your devices
#[derive(Parser, Clone, Debug)]
#[command(name = "bosr", version, disable_help_subcommand = true)]
struct Cli {
    #[command(flatten)]
    global: global::Global,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Clone, Debug)]
enum Command {
    Init(init::Init),
    Mount(mount::Mount),
    #[command(alias = "umount")]
    Unmount(unmount::Unmount),
    Put(put::Put),
    Get(fetch::Get),
    Ls(ls::Ls),
    Cat(fetch::Cat),
    Invite(invite::Invite),
    Join(join::Join),
    #[command(subcommand)]
    Peer(peer::Peer),
    #[command(subcommand)]
    Device(device::Device),
    Rotate(rotate::Rotate),
    #[command(subcommand)]
    Key(key::Key),
    /// Unlock the vault and serve it in the background until `bosr close`
    Open(global::Listening),
    /// End what `bosr open` began
    Close,
    Sync(sync::Sync),
    Status(status::Status),
    /// List conflicts that wait for a person
    Conflicts,
    Resolve(resolve::Resolve),
    Merge(merge::Merge),
    Log(log::Log),
    Restore(restore::Restore),
    Diff(diff::Diff),
    /// Check everything that is stored
    Fsck,
    Completions(completions::Completions),
}

/// The `bosr` program.
pub fn bosr() -> ExitCode {
    memory::in_small_pages();
    if std::env::args_os().nth(1).is_some_and(|first| first == OWNER_COMMAND) {
        return background_owner();
    }
    // clap ends the process itself for --help (0) and for usage errors (2).
    let cli = Cli::parse();
    tracing_output::start(cli.global.verbose);
    match run(&cli) {
        Ok(exit) => exit.into(),
        Err(problem) => {
            problem.tell(cli.global.verbose > 0);
            problem.exit.into()
        }
    }
}

/// The hidden command by which this program starts itself in the background. It has no terminal: what happens
/// inside is written to a file if `BOSR_LOG` is set.
fn background_owner() -> ExitCode {
    tracing_output::start_in_background();
    owner::background()
}

fn run(cli: &Cli) -> Result<Exit, Problem> {
    if let Command::Completions(completions) = &cli.command {
        return completions.run().map(|()| Exit::Done);
    }
    let context = context::Context::new(&cli.global)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Problem::failed("cannot start", &error))?;
    let outcome = runtime.block_on(act(&cli.command, &context));
    // Not waited for: a thread that reads a terminal or a pipe which stays silent would hold up the end.
    runtime.shutdown_background();
    outcome
}

async fn act(command: &Command, context: &context::Context) -> Result<Exit, Problem> {
    match command {
        Command::Init(init) => init.run(context).await,
        Command::Mount(mount) => mount.run(context).await,
        Command::Unmount(unmount) => unmount.run(context).await,
        Command::Put(put) => put.run(context).await,
        Command::Get(get) => get.run(context).await,
        Command::Ls(ls) => ls.run(context).await,
        Command::Cat(cat) => cat.run(context).await,
        Command::Invite(invite) => invite.run(context).await,
        Command::Join(join) => join.run(context).await,
        Command::Peer(peer) => peer.run(context).await,
        Command::Device(device) => device.run(context).await,
        Command::Rotate(rotate) => rotate.run(context).await,
        Command::Key(key) => key.run(context).await,
        Command::Open(listening) => serve::open(context, listening).await,
        Command::Close => serve::close(context).await,
        Command::Sync(sync) => sync.run(context).await,
        Command::Status(status) => status.run(context).await,
        Command::Conflicts => conflicts::run(context).await,
        Command::Resolve(resolve) => resolve.run(context).await,
        Command::Merge(merge) => merge.run(context).await,
        Command::Log(log) => log.run(context).await,
        Command::Restore(restore) => restore.run(context).await,
        Command::Diff(diff) => diff.run(context).await,
        Command::Fsck => fsck::run(context).await,
        Command::Completions(completions) => completions.run().map(|()| Exit::Done),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_definitions_hold_together() {
        Cli::command().debug_assert();
    }

    #[test]
    fn global_options_stand_before_or_after_the_command() {
        let before = Cli::try_parse_from(["bosr", "--vault", "w", "--json", "ls"]).unwrap();
        let after = Cli::try_parse_from(["bosr", "ls", "--vault", "w", "--json"]).unwrap();
        for cli in [before, after] {
            assert_eq!((cli.global.vault.as_str(), cli.global.json), ("w", true));
        }
    }

    #[test]
    fn only_one_key_may_be_given() {
        let two = ["bosr", "ls", "--key-file", "/k", "--passphrase-file", "/p"];
        assert_eq!(Cli::try_parse_from(two).unwrap_err().exit_code(), 2);
    }

    #[test]
    fn umount_is_unmount() {
        let cli = Cli::try_parse_from(["bosr", "umount", "/m"]).unwrap();
        assert!(matches!(cli.command, Command::Unmount(_)));
    }
}
