//! `mirord`: the configured vaults as a service, with the service manager's part played by this test.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::Child;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use support::host::Host;
use support::{tree, until};

const DEADLINE: Duration = Duration::from_secs(60);

/// A running `mirord` and what it tells the service manager. Dropped, it is killed.
struct Service {
    process: Child,
    manager: UnixDatagram,
}

impl Service {
    fn start(host: &Host) -> Service {
        let socket = host.path("run/manager");
        let manager = UnixDatagram::bind(&socket).unwrap();
        manager.set_read_timeout(Some(DEADLINE)).unwrap();
        let out = fs::File::create(host.path("mirord.log")).unwrap();
        let mut command = host.command(env!("CARGO_BIN_EXE_mirord"));
        command.env("NOTIFY_SOCKET", socket).stdout(out.try_clone().unwrap()).stderr(out);
        Service { process: command.spawn().unwrap(), manager }
    }

    /// The next thing it tells, which must begin so.
    fn tells(&self, host: &Host, begin: &str) {
        let mut message = [0; 1024];
        let said = || fs::read_to_string(host.path("mirord.log")).unwrap();
        let length =
            self.manager.recv(&mut message).unwrap_or_else(|error| panic!("{begin}: {error}\n{}", said()));
        let message = String::from_utf8_lossy(&message[..length]);
        assert!(message.starts_with(begin), "{message}, not {begin}\n{}", said());
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(i32::try_from(self.process.id()).unwrap()), signal).unwrap();
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Vaults of a configuration: name, mounted at.
fn configure(host: &Host, vaults: &[(&str, &Path)]) {
    let table = |(name, dir): &(&str, &Path)| {
        let key = host.path("home/key");
        format!("[vaults.{name}]\nkey-file = {key:?}\nmounts = [{{ dir = {dir:?} }}]\n\n")
    };
    let config: String = vaults.iter().map(table).collect();
    fs::write(host.path("home/.config/bosr/config.toml"), config).unwrap();
}

fn mounted(place: &Path) -> bool {
    let table = fs::read_to_string("/proc/self/mountinfo").unwrap();
    table.lines().any(|line| line.split(' ').nth(4) == place.to_str())
}

/// It is ready when all is mounted, syncs, takes up and lets go of vaults on SIGHUP, and ends in good order.
#[test]
fn the_service_hosts_what_is_configured_and_follows_the_configuration() {
    let (server, laptop) = (Host::new("server"), Host::new("laptop"));
    server.init();
    let key = server.path("home/key");
    server.ok(&["--vault", "work", "init", "--device", "server", "--key-file", key.to_str().unwrap()]);
    let (first, second) = (server.mountpoint(), server.path("second"));
    fs::create_dir(&second).unwrap();
    configure(&server, &[("default", &first)]);

    let mut service = Service::start(&server);
    service.tells(&server, "READY=1");
    assert!(mounted(&first) && !mounted(&second));
    fs::write(first.join("note.txt"), "from the server\n").unwrap();
    laptop.join(&server, None);
    laptop.mount();
    laptop.ok(&["sync"]);
    tree::assert_same_on_both(&first, &laptop.mountpoint());
    fs::write(laptop.mountpoint().join("answer.txt"), "from the laptop\n").unwrap();
    laptop.ok(&["sync"]);
    until("the answer", DEADLINE, || fs::read(first.join("answer.txt")).is_ok_and(|found| found.len() == 16));

    configure(&server, &[("default", &first), ("work", &second)]);
    service.signal(Signal::SIGHUP);
    service.tells(&server, "RELOADING=1");
    service.tells(&server, "READY=1");
    assert!(mounted(&first) && mounted(&second));
    fs::write(second.join("plan.txt"), "of the second vault\n").unwrap();
    assert!(first.join("note.txt").exists(), "the first goes on");

    configure(&server, &[("work", &second)]);
    service.signal(Signal::SIGHUP);
    service.tells(&server, "RELOADING=1");
    service.tells(&server, "READY=1");
    assert!(!mounted(&first) && mounted(&second));

    service.signal(Signal::SIGTERM);
    service.tells(&server, "STOPPING=1");
    assert_eq!(service.process.wait().unwrap().code(), Some(0));
    assert!(!mounted(&second));
    configure(&server, &[("default", &first), ("work", &second)]);
    server.fsck();
    server.ok(&["--vault", "work", "fsck"]);
    assert_eq!(server.ok(&["--vault", "work", "cat", "plan.txt"]), "of the second vault\n");
    laptop.unmount();
}

/// A damaged configuration is told on SIGHUP and changes nothing; at the start it is the end.
#[test]
fn a_damaged_configuration_changes_nothing() {
    let server = Host::new("server");
    server.init();
    configure(&server, &[("default", &server.mountpoint())]);
    let good = server.path("home/.config/bosr/config.toml");
    let mut service = Service::start(&server);
    service.tells(&server, "READY=1");
    fs::write(&good, "[vaults.default]\nmuonts = []\n").unwrap();
    service.signal(Signal::SIGHUP);
    service.tells(&server, "RELOADING=1");
    service.tells(&server, "READY=1");
    assert!(mounted(&server.mountpoint()));
    let said = fs::read_to_string(server.path("mirord.log")).unwrap();
    assert!(said.contains("muonts"), "{said}");
    service.signal(Signal::SIGTERM);
    assert_eq!(service.process.wait().unwrap().code(), Some(0));
    drop(service);

    fs::remove_file(server.path("run/manager")).unwrap();
    let mut service = Service::start(&server);
    assert!(service.process.wait().unwrap().code().is_some_and(|code| code != 0));
}
