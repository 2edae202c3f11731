//! Running the programs that make a lab.

use std::process::{Command, Stdio};

use crate::LabError;

/// Runs a program, which must work, and gives what it printed.
pub(crate) fn run(program: &str, words: &[&str]) -> Result<String, LabError> {
    let command = || format!("{program} {}", words.join(" "));
    let mut path = std::env::var_os("PATH").unwrap_or_default();
    path.push(":/sbin:/usr/sbin");
    let output = Command::new(program)
        .args(words)
        .env("PATH", path)
        .stdin(Stdio::null())
        .output()
        .map_err(LabError::system(command()))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(LabError::Program { command: command(), said })
}

/// `ip` with words that are separated by spaces.
pub(crate) fn ip(words: &str) -> Result<String, LabError> {
    run("ip", &words.split_whitespace().collect::<Vec<_>>())
}
