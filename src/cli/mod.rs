//! The command line: one file per command; progress, tables, JSON, exit codes.
//!
//! A command reads its arguments, reaches the vault through [`crate::daemon`] and prints. It owns no state
//! and knows no format of the store. Results go to stdout; progress, warnings and errors to stderr.

mod advice;
mod completions;
mod exit;
mod fetch;
mod global;
mod init;
mod invite;
mod join;
mod log;
mod ls;
mod mount;
mod peer;
mod problem;
mod put;
mod status;
mod sync;
mod tracing_output;
mod unmount;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use exit::Exit;
use problem::Problem;

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
    /// Unlock the vault and serve it in the background until `bosr close`
    Open(global::Listening),
    /// End what `bosr open` began
    Close,
    Sync(sync::Sync),
    Status(status::Status),
    /// List conflicts that wait for a person
    Conflicts,
    Log(log::Log),
    /// Check everything that is stored
    Fsck,
    Completions(completions::Completions),
}

/// The `bosr` program.
pub fn bosr() -> ExitCode {
    // clap ends the process itself for --help (0) and for usage errors (2).
    let cli = Cli::parse();
    tracing_output::start(cli.global.verbose);
    match run(&cli) {
        Ok(exit) => exit.into(),
        Err(problem) => {
            eprintln!("{}", problem.render(cli.global.verbose > 0));
            problem.exit.into()
        }
    }
}

fn run(cli: &Cli) -> Result<Exit, Problem> {
    match &cli.command {
        Command::Completions(completions) => completions.run().map(|()| Exit::Done),
        _ => Err(Problem::new(Exit::Failed, "this command needs a part that is not built in yet")),
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
