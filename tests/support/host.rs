//! A host: a HOME of its own, perhaps a network namespace of its own, and the `bosr` command in it.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use super::{needs_root_and_fuse, run, succeeded, until};

/// A machine as far as `bosr` can tell. Dropped, its mounts and processes end.
pub(crate) struct Host {
    name: &'static str,
    folder: TempDir,
    namespace: Option<String>,
}

impl Host {
    /// A host in the test's own network.
    pub(crate) fn new(name: &'static str) -> Host {
        needs_root_and_fuse();
        let folder = tempfile::Builder::new().prefix(&format!("bosr-{name}-")).tempdir().unwrap();
        let host = Host { name, folder, namespace: None };
        for sub in ["home", "run", "mnt"] {
            fs::create_dir(host.path(sub)).unwrap();
        }
        host
    }

    /// A host in a network namespace.
    pub(crate) fn in_namespace(name: &'static str, namespace: &str) -> Host {
        let mut host = Host::new(name);
        host.namespace = Some(namespace.to_owned());
        host
    }

    /// A path in the host's folder.
    pub(crate) fn path(&self, sub: &str) -> PathBuf {
        self.folder.path().join(sub)
    }

    /// Where this host mounts its vault.
    pub(crate) fn mountpoint(&self) -> PathBuf {
        self.path("mnt")
    }

    /// The vault's store.
    pub(crate) fn store(&self) -> PathBuf {
        self.path("home/.local/share/bosr/vaults/default")
    }

    /// Any program, as this host runs it.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = match &self.namespace {
            Some(namespace) => {
                let mut command = Command::new("nsenter");
                command.arg(format!("--net=/run/netns/{namespace}")).arg("--").arg(program);
                command
            }
            None => Command::new(program),
        };
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command
            .env("HOME", self.path("home"))
            .env("XDG_RUNTIME_DIR", self.path("run"))
            .env("LANG", "C.UTF-8");
        if self.namespace.is_none() {
            // The network of the machine that the test runs on is none of its business.
            command.env("BOSR_LISTEN", "127.0.0.1:0").env("BOSR_DISCOVERY", "off");
        }
        command
    }

    /// `bosr` with arguments.
    pub(crate) fn bosr(&self, arguments: &[&str]) -> Command {
        let mut command = self.command(env!("CARGO_BIN_EXE_bosr"));
        command.args(arguments);
        command
    }

    /// Runs `bosr`, which must work, and gives what it printed.
    pub(crate) fn ok(&self, arguments: &[&str]) -> String {
        succeeded(&format!("{}: bosr {}", self.name, arguments.join(" ")), &self.output(arguments))
    }

    /// Runs `bosr` and gives how it ended.
    pub(crate) fn output(&self, arguments: &[&str]) -> Output {
        self.bosr(arguments).stdin(Stdio::null()).output().unwrap()
    }

    /// Makes a vault that opens with a key file.
    pub(crate) fn init(&self) {
        let key = self.path("home/key");
        self.ok(&["init", "--device", self.name, "--key-file", key.to_str().unwrap()]);
    }

    /// Mounts the vault in the background.
    pub(crate) fn mount(&self) {
        self.ok(&["mount", self.mountpoint().to_str().unwrap()]);
    }

    /// As [`mount`](Self::mount), with mount options.
    pub(crate) fn mount_with(&self, options: &str) {
        self.ok(&["mount", "-o", options, self.mountpoint().to_str().unwrap()]);
    }

    /// Lets other users reach this host's files, so far as each file's own permissions allow.
    pub(crate) fn open_to_others(&self) {
        fs::set_permissions(self.folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// Unmounts it.
    pub(crate) fn unmount(&self) {
        self.ok(&["unmount", self.mountpoint().to_str().unwrap()]);
    }

    /// Starts `bosr` and leaves it running, its output in `<host>/<log>`.
    pub(crate) fn spawn(&self, log: &str, arguments: &[&str]) -> Running {
        self.spawn_with(&[], log, arguments)
    }

    /// As [`spawn`](Self::spawn), with more in the environment.
    pub(crate) fn spawn_with(&self, environment: &[(&str, &str)], log: &str, arguments: &[&str]) -> Running {
        let out = fs::File::create(self.path(log)).unwrap();
        let mut command = self.bosr(arguments);
        command.envs(environment.iter().copied());
        command.stdin(Stdio::null()).stdout(out.try_clone().unwrap()).stderr(out).process_group(0);
        Running(command.spawn().unwrap())
    }

    /// The status as JSON.
    pub(crate) fn status(&self) -> serde_json::Value {
        serde_json::from_str(&self.ok(&["status", "--json"])).unwrap()
    }

    /// The root of the vault's trie.
    pub(crate) fn root(&self) -> String {
        self.status()["root"].as_str().unwrap_or_default().to_owned()
    }

    /// The process that has the vault open.
    pub(crate) fn owner(&self) -> Option<i32> {
        self.status()["owner"].as_i64().and_then(|pid| i32::try_from(pid).ok())
    }

    /// Ends the owner at once, as a crash would.
    pub(crate) fn kill_owner(&self) {
        let Some(pid) = self.owner() else { return };
        kill(pid);
        until("the owner's end", Duration::from_secs(10), || !Path::new(&format!("/proc/{pid}")).exists());
    }

    /// Joins the vault of `inviter` by ticket.
    pub(crate) fn join(&self, inviter: &Host, listen: Option<&str>) {
        let mut arguments = vec!["invite"];
        arguments.extend(listen.iter().flat_map(|listen| ["--listen", listen]));
        let printed = inviter.ok(&arguments);
        let ticket = printed.lines().next().expect("a ticket on the first line");
        let key = self.path("home/key");
        self.ok(&["join", ticket, "--device", self.name, "--key-file", key.to_str().unwrap()]);
    }

    /// Checks the vault; it must be sound.
    pub(crate) fn fsck(&self) {
        self.ok(&["fsck"]);
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let lock = fs::read_to_string(self.store().join("lock")).unwrap_or_default();
        let _ = Command::new("umount").arg("-l").arg(self.mountpoint()).stderr(Stdio::null()).status();
        let pids = lock.split(|c: char| !c.is_ascii_digit()).filter_map(|word| word.parse::<i32>().ok());
        for pid in pids.filter(|pid| is_bosr(*pid)) {
            kill(pid);
        }
    }
}

/// Whether a process is one of ours: a stale lock file may name a stranger's.
fn is_bosr(pid: i32) -> bool {
    fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|exe| exe == Path::new(env!("CARGO_BIN_EXE_bosr")))
}

fn kill(pid: i32) {
    let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGKILL);
}

/// A running `bosr`; ended when dropped.
pub(crate) struct Running(pub(crate) Child);

impl Running {
    /// Ends it with SIGINT, as Ctrl-C does, and gives its exit code.
    pub(crate) fn interrupt(mut self) -> Option<i32> {
        let pid = nix::unistd::Pid::from_raw(i32::try_from(self.0.id()).unwrap());
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT).unwrap();
        self.0.wait().unwrap().code()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs a program in a host, which must work.
pub(crate) fn tool(host: &Host, program: &str, arguments: &[&str]) -> String {
    run(host.command(program).args(arguments))
}
