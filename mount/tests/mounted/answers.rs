//! Answers that come late, from elsewhere, or not at all.

use std::fs;
use std::io::ErrorKind;
use std::thread;

use bosr_mount::{InvalidateError, Permissions};

use crate::Mounted;

#[test]
fn a_hundred_waiting_reads_hold_nobody_up() {
    let mounted = Mounted::new();
    let names: Vec<String> = (0..100).map(|number| format!("far{number}")).collect();
    // Long enough to be read ahead: what the kernel has under way by itself is limited.
    let content = |name: &str| name.repeat(20_000);
    for name in &names {
        let inode = mounted.memory.put(name, content(name).as_bytes());
        mounted.memory.state.lock().parking.insert(inode);
    }
    mounted.memory.put("near", content("here").as_bytes());
    thread::scope(|scope| {
        let readers: Vec<_> = names
            .iter()
            .map(|name| {
                let path = mounted.path(name);
                scope.spawn(move || fs::read(path).unwrap())
            })
            .collect();
        mounted.memory.wait_for_parked(names.len());

        assert_eq!(fs::read_dir(mounted.path("")).unwrap().count(), 101);
        assert!(fs::read(mounted.path("near")).unwrap() == content("here").as_bytes());
        fs::write(mounted.path("new"), b"new").unwrap();
        fs::rename(mounted.path("new"), mounted.path("newer")).unwrap();
        mounted.mount.invalidator().wait_for_earlier().unwrap();

        mounted.memory.answer_parked();
        for (name, reader) in names.iter().zip(readers) {
            assert!(reader.join().unwrap() == content(name).as_bytes());
        }
    });
}

#[test]
fn an_answer_from_another_thread_arrives() {
    let mounted = Mounted::new();
    let file = fs::File::create(mounted.path("a")).unwrap();
    for _ in 0..100 {
        file.sync_all().unwrap();
    }
    fs::File::open(mounted.path("")).unwrap().sync_all().unwrap();
}

#[test]
fn a_dropped_reply_is_an_input_output_error() {
    let mounted = Mounted::new();
    mounted.memory.put("a", b"a");
    fs::metadata(mounted.path("a")).unwrap();
    let dropped = ["read", "readdir", "readdirplus", "rename", "mkdir", "setattr", "lookup", "opendir"];
    mounted.memory.state.lock().dropped.extend(dropped);
    let mode = |mode| std::os::unix::fs::PermissionsExt::from_mode(mode);
    let failures = [
        fs::read(mounted.path("a")).map(drop),
        fs::rename(mounted.path("a"), mounted.path("b")),
        fs::create_dir(mounted.path("folder")),
        fs::set_permissions(mounted.path("a"), mode(0o600)),
        fs::metadata(mounted.path("unknown")).map(drop),
        fs::read_dir(mounted.path("")).map(drop),
    ];
    for failure in failures {
        assert_eq!(failure.unwrap_err().raw_os_error(), Some(5));
    }
    mounted.memory.state.lock().dropped.remove("opendir");
    let listed: Result<Vec<_>, _> = fs::read_dir(mounted.path("")).unwrap().collect();
    assert_eq!(listed.unwrap_err().raw_os_error(), Some(5));
    mounted.memory.state.lock().dropped.clear();
    assert_eq!(fs::read(mounted.path("a")).unwrap(), b"a", "the mount lives on");
}

#[test]
fn invalidating_while_serving_is_refused_and_not_a_deadlock() {
    let mounted = Mounted::new();
    mounted.memory.misused.set(mounted.mount.invalidator()).unwrap();
    nix::sys::statfs::statfs(&mounted.path("")).unwrap();
    let misuse = mounted.memory.misuse.lock().take().unwrap();
    assert!(matches!(misuse, Err(InvalidateError::ServesRequests)));
}

#[test]
fn permissions_are_checked_by_the_kernel() {
    let mounted = Mounted::with(&bosr_mount::MountOptions { allow_other: true, ..Default::default() });
    let inode = mounted.memory.put("secret", b"secret");
    mounted.memory.change(inode, |node| node.attributes.permissions = Permissions::from_mode(0o600));
    let cat = std::process::Command::new("setpriv")
        .args(["--reuid=65534", "--regid=65534", "--clear-groups", "cat"])
        .arg(mounted.path("secret"))
        .output()
        .unwrap();
    assert!(!cat.status.success());
    assert!(String::from_utf8_lossy(&cat.stderr).contains("Permission denied"));
    assert_eq!(mounted.memory.asked("open"), 0);
}

#[test]
fn what_is_read_only_cannot_be_changed() {
    let mounted = Mounted::with(&bosr_mount::MountOptions { read_only: true, ..Default::default() });
    mounted.memory.put("a", b"a");
    assert_eq!(fs::read(mounted.path("a")).unwrap(), b"a");
    let refused = fs::write(mounted.path("a"), b"b").unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ReadOnlyFilesystem);
}
