//! What the end-to-end tests share: hosts with a HOME (and a network namespace) of their own, links between
//! them that can be shaped and cut, and waiting for a condition.
#![allow(dead_code, clippy::disallowed_methods, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

pub(crate) mod host;
pub(crate) mod link;
pub(crate) mod scenario;
pub(crate) mod sys;
pub(crate) mod tree;

use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

/// Waits until `ready` says so, looking every few milliseconds, and gives the time it took.
pub(crate) fn until(what: &str, deadline: Duration, ready: impl FnMut() -> bool) -> Duration {
    until_or(what, deadline, ready, String::new)
}

/// As [`until`]; where it does not come, says what `tell` tells.
pub(crate) fn until_or(
    what: &str,
    deadline: Duration,
    mut ready: impl FnMut() -> bool,
    tell: impl Fn() -> String,
) -> Duration {
    let began = Instant::now();
    while !ready() {
        assert!(began.elapsed() < deadline, "{what}: not after {deadline:?}\n{}", tell());
        std::thread::park_timeout(Duration::from_millis(2));
    }
    began.elapsed()
}

/// Runs a command that must work and gives its standard output.
pub(crate) fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    succeeded(&format!("{command:?}"), &output)
}

/// The standard output of a command that must have worked.
pub(crate) fn succeeded(what: &str, output: &Output) -> String {
    assert!(
        output.status.success(),
        "{what}: {}\n{}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Runs a shell script that must work, in `folder`.
pub(crate) fn shell(folder: &Path, script: &str) -> String {
    run(Command::new("bash").args(["-euo", "pipefail", "-c", script]).current_dir(folder))
}

/// Says in one sentence what a test of this kind needs, if it is not there.
pub(crate) fn needs_root_and_fuse() {
    assert!(
        nix::unistd::geteuid().is_root(),
        "this test mounts filesystems and makes network namespaces: run it as root"
    );
    assert!(Path::new("/dev/fuse").exists(), "this test needs /dev/fuse: load the fuse module");
}
