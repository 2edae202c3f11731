//! Commands with and without an owner, and how long an owner lives.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use support::host::{Host, Running};
use support::{succeeded, until};

/// How long anything here may take on a busy machine.
const DEADLINE: Duration = Duration::from_secs(30);

fn put(host: &Host, path: &str, content: &[u8]) {
    let mut child =
        host.bosr(&["put", "-", path]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(content).unwrap();
    succeeded("put", &child.wait_with_output().unwrap());
}

fn names(host: &Host, path: &str) -> Vec<String> {
    let listed: serde_json::Value = serde_json::from_str(&host.ok(&["ls", path, "--json"])).unwrap();
    let entries = listed.as_array().unwrap().iter();
    entries.map(|entry| entry["name"].as_str().unwrap().to_owned()).collect()
}

fn no_owner(host: &Host) {
    until("the owner's end", DEADLINE, || host.owner().is_none());
}

/// The commands that work without a mount.
fn commands_work(host: &Host) {
    put(host, "/a b.txt", b"hello");
    let file = host.path("source");
    fs::write(&file, vec![7; 3 << 20]).unwrap();
    host.ok(&["put", file.to_str().unwrap(), "/"]);
    assert_eq!(names(host, "/"), ["a b.txt", "source"]);
    assert_eq!(host.ok(&["cat", "a b.txt"]), "hello");
    let back = host.path("back");
    host.ok(&["get", "/source", back.to_str().unwrap()]);
    assert_eq!(fs::read(&back).unwrap(), fs::read(&file).unwrap());
    assert!(host.ok(&["ls"]).contains("-rw-r--r--"));
    assert_eq!(host.ok(&["conflicts", "--json"]), "[]\n");
    let log: serde_json::Value = serde_json::from_str(&host.ok(&["log", "--json"])).unwrap();
    assert!(log.as_array().unwrap().len() >= 2);
    host.ok(&["peer", "add", "nas", "nas.lan"]);
    assert!(host.ok(&["peer", "list"]).contains("nas.lan:4747"));
    host.ok(&["peer", "remove", "nas"]);
    host.fsck();
}

#[test]
fn commands_work_without_an_owner() {
    let host = Host::new("alone");
    host.init();
    commands_work(&host);
    let status = host.status();
    assert!(status["owner"].is_null() && status["listen"].is_null());
    assert_eq!(status["vault"], "default");
    assert_eq!(status["waiting"]["files"], 0);
    assert_eq!(status["conflicts"], 0);
    assert_eq!(status["root"].as_str().unwrap().len(), 64);
}

#[test]
fn commands_work_through_an_owner() {
    let host = Host::new("open");
    host.init();
    host.ok(&["open"]);
    let owner = host.owner().expect("an owner");
    commands_work(&host);
    assert_eq!(host.owner(), Some(owner));
    host.ok(&["close"]);
    no_owner(&host);
    host.ok(&["close"]);
}

#[test]
fn what_a_command_stores_shows_in_the_mount_at_once() {
    let host = Host::new("fresh");
    host.init();
    host.mount();
    assert!(!host.mountpoint().join("new").exists());
    put(&host, "new", b"1");
    assert_eq!(fs::read(host.mountpoint().join("new")).unwrap(), b"1");
    put(&host, "new", b"22");
    assert_eq!(fs::read(host.mountpoint().join("new")).unwrap(), b"22");
    fs::write(host.mountpoint().join("other"), b"333").unwrap();
    assert_eq!(host.ok(&["cat", "/other"]), "333");
    let mut open = fs::File::create(host.mountpoint().join("open")).unwrap();
    open.write_all(b"4444").unwrap();
    assert_eq!(host.ok(&["cat", "/open"]), "4444", "what is still open is as the mount shows it");
    drop(open);
    host.unmount();
    host.fsck();
}

/// Sockets of the host's owner: where it listens, and one for each client that is connected.
fn connections(host: &Host) -> usize {
    let folder = host.path("");
    let sockets = fs::read_to_string("/proc/net/unix").unwrap();
    sockets.lines().filter(|line| line.contains(folder.to_str().unwrap())).count()
}

#[test]
fn an_owner_ends_with_its_last_mount_or_lease() {
    let host = Host::new("leases");
    host.init();
    host.mount();
    let owner = host.owner().expect("an owner");
    // The command that mounted may be on its way out still.
    until("the end of the command", DEADLINE, || connections(&host) == 1);
    let following = host.spawn("follow.log", &["sync", "--follow"]);
    until("the follower's lease", DEADLINE, || connections(&host) > 1 && host.owner() == Some(owner));
    assert_eq!(host.status()["mounts"].as_array().unwrap().len(), 1);
    host.unmount();
    assert_eq!(host.owner(), Some(owner), "the follower holds it");
    host.mount();
    assert_eq!(following.interrupt(), Some(0));
    assert_eq!(host.owner(), Some(owner), "Ctrl-C of the follower leaves the mount");
    assert_eq!(host.status()["mounts"].as_array().unwrap().len(), 1);
    host.unmount();
    no_owner(&host);
}

#[test]
fn a_client_says_so_when_its_owner_dies() {
    let host = Host::new("dies");
    host.init();
    host.ok(&["open"]);
    let mut following = host.spawn("follow.log", &["sync", "--follow"]);
    let said = || fs::read_to_string(host.path("follow.log")).unwrap_or_default();
    until("the lease", DEADLINE, || host.ok(&["close"]).is_empty() && host.owner().is_some());
    host.kill_owner();
    assert_eq!(following.0.wait().unwrap().code(), Some(1), "{}", said());
    assert!(said().contains("has ended") && said().lines().count() == 1, "{}", said());
}

/// An owner that says hello, and ends when it is asked for anything else.
fn ends_when_asked(listener: &UnixListener) {
    for connection in listener.incoming().map_while(Result::ok) {
        std::thread::spawn(move || {
            let mut request = BufReader::new(&connection).lines().map_while(Result::ok);
            let hello = request.next().is_some_and(|line| line.starts_with("GET /v1/hello "));
            if hello && request.any(|line| line.is_empty()) {
                let said = r#"{"version":1,"pid":1,"stays":true}"#;
                let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length:";
                let _ = (&connection).write_all(format!("{head} {}\r\n\r\n{said}", said.len()).as_bytes());
                // Until the other side has gone.
                let _ = request.next();
            }
        });
    }
}

#[test]
fn an_unmount_that_nobody_answered_is_no_mount_that_was_not_there() {
    let host = Host::new("unanswered");
    let folder = host.path("run/bosr");
    fs::DirBuilder::new().mode(0o700).create(&folder).unwrap();
    let listener = UnixListener::bind(folder.join("0.sock")).unwrap();
    std::thread::spawn(move || ends_when_asked(&listener));
    let mountpoint = host.mountpoint();
    let output = host.output(&["unmount", mountpoint.to_str().unwrap()]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("has ended") && said.lines().count() == 1, "{said}");
}

#[test]
fn a_mount_whose_owner_died_is_cleared() {
    let host = Host::new("dead");
    host.init();
    host.mount();
    fs::write(host.mountpoint().join("file"), b"kept").unwrap();
    let handle = fs::File::open(host.mountpoint().join("file")).unwrap();
    handle.sync_all().unwrap();
    drop(handle);
    host.kill_owner();
    host.mount();
    assert_eq!(fs::read(host.mountpoint().join("file")).unwrap(), b"kept");
    host.kill_owner();
    host.unmount();
    assert_eq!(host.output(&["unmount", host.mountpoint().to_str().unwrap()]).status.code(), Some(1));
    host.fsck();
}

#[test]
fn mounting_says_what_is_wrong_and_what_to_do() {
    let host = Host::new("wrong");
    host.init();
    let refused = |arguments: &[&str], said: &str| {
        let output = host.output(arguments);
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!((output.status.code(), stderr.lines().count()), (Some(1), 1), "{stderr}");
        assert!(stderr.contains(said), "{stderr}");
    };
    refused(&["mount", host.path("nowhere").to_str().unwrap()], "mkdir");
    let full = host.path("home");
    refused(&["mount", full.to_str().unwrap()], "not empty");
    let place = host.mountpoint();
    refused(&["mount", place.to_str().unwrap(), "-o", "colour=red"], "colour=red");
    host.mount();
    refused(&["mount", place.to_str().unwrap()], "already");
    let busy = fs::File::create(place.join("open")).unwrap();
    refused(&["unmount", place.to_str().unwrap()], "in use");
    drop(busy);
    until("the end of the mount", DEADLINE, || {
        host.output(&["unmount", place.to_str().unwrap()]).status.success()
    });
}

#[test]
fn a_mount_in_the_foreground_ends_with_its_process() {
    let host = Host::new("front");
    host.init();
    for signal in ["-INT", "-TERM"] {
        let mut mount = host.spawn("mount.log", &["mount", "-f", host.mountpoint().to_str().unwrap()]);
        until("the mount", DEADLINE, || is_mounted(&host.mountpoint()));
        fs::write(host.mountpoint().join("file"), signal).unwrap();
        Command::new("kill").args([signal, &mount.0.id().to_string()]).status().unwrap();
        assert_eq!(mount.0.wait().unwrap().code(), Some(0));
        assert!(!is_mounted(&host.mountpoint()));
        assert_eq!(host.ok(&["cat", "file"]), signal);
    }
}

#[test]
fn a_vault_named_by_its_folder_needs_no_option_after_init() {
    let host = Host::new("folder");
    let (store, key) = (host.path("elsewhere"), host.path("home/keys/mine"));
    let store = store.to_str().unwrap();
    host.ok(&["--vault", store, "init", "--key-file", key.to_str().unwrap()]);
    assert_eq!(fs::metadata(&key).unwrap().len(), 85);
    assert_eq!(host.ok(&["--vault", store, "ls"]), "");
    assert_eq!(host.ok(&["--vault", "elsewhere", "ls"]), "");
}

#[test]
fn an_unreachable_peer_is_exit_code_four() {
    let host = Host::new("lonely");
    host.init();
    let alone = host.output(&["sync"]);
    assert_eq!((alone.status.code(), alone.stdout.as_slice()), (Some(0), b"".as_slice()));
    assert!(String::from_utf8(alone.stderr).unwrap().contains("bosr invite"));
    host.ok(&["peer", "add", "gone", "127.0.0.1:1"]);
    let output = host.output(&["sync"]);
    assert_eq!(output.status.code(), Some(4));
    assert!(String::from_utf8_lossy(&output.stderr).contains("cannot reach gone"));
    assert_eq!(host.output(&["sync", "nobody"]).status.code(), Some(1));
}

#[test]
fn mirord_hosts_what_is_configured() {
    let host = Host::new("service");
    host.init();
    let config = host.path("home/.config/bosr/config.toml");
    let before = fs::read_to_string(&config).unwrap();
    let mounts = format!("mounts = [{{ dir = {:?} }}]\n", host.mountpoint());
    fs::write(&config, format!("{before}{mounts}")).unwrap();
    let mut service = Running(host.command(env!("CARGO_BIN_EXE_mirord")).spawn().unwrap());
    until("the mount", DEADLINE, || is_mounted(&host.mountpoint()));
    assert_eq!(host.owner(), i32::try_from(service.0.id()).ok());
    fs::write(host.mountpoint().join("file"), b"kept").unwrap();
    fs::write(&config, before).unwrap();
    let signal =
        |signal: &str| Command::new("kill").args([signal, &service.0.id().to_string()]).status().unwrap();
    signal("-HUP");
    until("the end of the mount", DEADLINE, || !is_mounted(&host.mountpoint()));
    signal("-TERM");
    assert_eq!(service.0.wait().unwrap().code(), Some(0));
    assert_eq!(host.ok(&["cat", "file"]), "kept");
}

fn is_mounted(dir: &Path) -> bool {
    let listed = fs::read_to_string("/proc/self/mountinfo").unwrap();
    listed.lines().any(|line| line.split(' ').nth(4) == dir.to_str())
}
