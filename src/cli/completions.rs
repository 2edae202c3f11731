//! `bosr completions`: what a shell needs to complete our command lines.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::Cli;
use super::problem::Problem;

/// Print the completions for a shell
#[derive(Args, Clone, Debug)]
pub(super) struct Completions {
    /// The shell
    pub(super) shell: Shell,
}

impl Completions {
    /// Prints them.
    pub(super) fn run(&self) -> Result<(), Problem> {
        clap_complete::generate(self.shell, &mut Cli::command(), "bosr", &mut std::io::stdout());
        Ok(())
    }
}
