//! Suites that others wrote for filesystems, on a real mount: pjdfstest, fsx. The long run of fsx is
//! `scripts/soak fsx`.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use support::host::Host;
use support::shell;

/// Operations of fsx on each of its files.
const OPERATIONS: u32 = 1500;

/// Cases that pjdfstest itself skips here, and why.
const SKIPPED: [(&str, &str); 1] =
    [("link::link_count_max", "FUSE has no way to tell pathconf a limit of links")];

/// A program of `cargo install`, which `scripts/install-needs test` does.
fn installed(program: &str) -> PathBuf {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cargo")));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(home.map(|home| home.join("bin")));
    let found = folders.map(|folder| folder.join(program)).find(|file| file.is_file());
    found.unwrap_or_else(|| panic!("{program} is not installed: run scripts/install-needs test"))
}

fn settings(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/suites").join(file)
}

fn executable(file: &Path, script: &str) {
    fs::write(file, script).unwrap();
    fs::set_permissions(file, fs::Permissions::from_mode(0o755)).unwrap();
}

/// pjdfstest: every case, as root with `allow_other`.
#[test]
fn pjdfstest_passes() {
    let host = Host::new("desk");
    host.init();
    host.open_to_others();
    host.mount_with("allow_other,suid,dev");
    let (programs, second) = (host.path("programs"), host.path("second"));
    fs::create_dir(&programs).unwrap();
    fs::create_dir(&second).unwrap();
    // mount(8) would hand a remount to a helper for fuse.bosr; -i asks the kernel itself.
    executable(&programs.join("mount"), "#!/bin/sh\nPATH=/bin:/usr/bin exec mount -i \"$@\"\n");
    // The suite leaves files open, and what is open for writing keeps a filesystem from being made read-only:
    // those cases run alone.
    let (usual, remounting) =
        (fs::read_to_string(settings("pjdfstest.toml")).unwrap(), host.path("remounting"));
    fs::write(&remounting, usual.replace("allow_remount = false", "allow_remount = true")).unwrap();
    let run = |settings: &Path, pattern: &[&str]| {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let path =
            std::env::join_paths(std::iter::once(programs.clone()).chain(std::env::split_paths(&path)));
        let mut suite = host.command(installed("pjdfstest"));
        suite.env("PATH", path.unwrap()).arg("-c").arg(settings).arg("-s").arg(&second);
        let output = suite.arg("-p").arg(host.mountpoint()).args(pattern).output().unwrap();
        let told = String::from_utf8_lossy(&output.stdout).into_owned();
        let failed = lines_with(&told, &["FAILED", "PASSED UNEXPECTEDLY"]);
        assert!(output.status.success() && failed.is_empty(), "{failed:#?}\n{told}");
        told
    };
    let told = run(&settings("pjdfstest.toml"), &[]);
    let (alone, skipped): (Vec<_>, Vec<_>) =
        lines_with(&told, &["skipped"]).into_iter().partition(|name| name.contains("::erofs_"));
    assert_eq!(skipped, SKIPPED.map(|(name, _)| name), "{told}");
    assert!(lines_with(&told, &["ok"]).len() > 350, "{told}");
    let told = run(&remounting, &["erofs"]);
    assert_eq!(lines_with(&told, &["ok"]).len(), alone.len(), "{told}");
    host.unmount();
    host.fsck();
}

/// The names of the cases that came out as one of `words` says.
fn lines_with(text: &str, words: &[&str]) -> Vec<String> {
    let cases = text.lines().filter(|line| !line.starts_with(char::is_whitespace) && line.contains("::"));
    let told = cases.filter(|line| words.iter().any(|word| line.ends_with(word)));
    told.filter_map(|line| Some(line.split_whitespace().next()?.to_owned())).collect()
}

/// fsx: reads, writes, maps, cuts, punches, copies; synced and mounted again, the files are the same.
#[test]
fn fsx_finds_every_byte() {
    let host = Host::new("desk");
    host.init();
    host.mount();
    let mount = host.mountpoint();
    let suite = |seed: u32| {
        let mut suite = Command::new(installed("fsx"));
        suite.arg("-f").arg(settings("fsx.toml")).args([
            "-N",
            &OPERATIONS.to_string(),
            "-S",
            &seed.to_string(),
        ]);
        suite.arg(mount.join(format!("file{seed}"))).arg("-P").arg(host.path("")).stdin(Stdio::null());
        suite.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let running: Vec<_> = (1..=3).map(|seed| (seed, suite(seed))).collect();
    for (seed, running) in running {
        support::succeeded(&format!("fsx -S {seed}"), &running.wait_with_output().unwrap());
    }
    let sums = shell(&mount, "sync file1 file2 file3; sha256sum file1 file2 file3");
    host.unmount();
    host.fsck();
    host.mount();
    assert_eq!(shell(&mount, "sha256sum file1 file2 file3"), sums);
}
