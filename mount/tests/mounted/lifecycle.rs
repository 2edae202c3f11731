//! How a mount begins and ends.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use nix::fcntl::AT_FDCWD;
use nix::sys::stat::{UtimensatFlags, utimensat};
use nix::sys::time::TimeSpec;

use bosr_mount::{Ended, Mount, MountError, MountOptions, UnmountError, clear_dead};

use crate::memory::Memory;
use crate::{Mounted, demand_mounts};

/// Where the helper below mounts.
const AT: &str = "BOSR_MOUNT_TEST_AT";
const READY: &str = "ready";

fn listed(path: &Path) -> bool {
    fs::read_to_string("/proc/self/mountinfo").unwrap().contains(path.to_str().unwrap())
}

fn start(path: &Path) -> Result<Mount, MountError> {
    Mount::start(Memory::new(), path, &MountOptions::default())
}

#[test]
fn the_kernel_lists_it_by_name() {
    let mounted = Mounted::new();
    let list = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let line = list.lines().find(|line| line.contains(mounted.mount.path().to_str().unwrap())).unwrap();
    assert!(line.contains(" - fuse.bosr bosr "), "{line}");
    assert!(line.contains("default_permissions") && line.contains("nosuid,nodev"), "{line}");
    assert!(!line.contains("allow_other"), "{line}");
}

#[test]
fn it_ends_when_unmounted_from_outside() {
    let mounted = Mounted::new();
    fs::write(mounted.path("a"), b"a").unwrap();
    assert_eq!(mounted.mount.ended(), None);
    let status = Command::new("fusermount3").arg("-u").arg(mounted.mount.path()).status().unwrap();
    assert!(status.success());
    assert_eq!(mounted.mount.wait(), Ended::Unmounted);
    assert_eq!(mounted.mount.unmount().unwrap(), Ended::Unmounted, "again is no error");
}

#[test]
fn it_is_not_unmounted_while_it_is_used() {
    let mounted = Mounted::new();
    let open = fs::File::create(mounted.path("a")).unwrap();
    assert!(matches!(mounted.mount.unmount(), Err(UnmountError::Busy)));
    assert!(mounted.path("a").exists());
    drop(open);
    assert_eq!(mounted.mount.unmount().unwrap(), Ended::Unmounted);
    assert!(!listed(mounted.mount.path()));
}

#[test]
fn dropped_it_is_out_of_the_tree_and_open_files_go_on() {
    demand_mounts();
    let directory = tempfile::tempdir().unwrap();
    let memory = Memory::new();
    let mount = Mount::start(Arc::clone(&memory), directory.path(), &MountOptions::default()).unwrap();
    memory.put("a", b"still here");
    let mut open = fs::File::open(mount.path().join("a")).unwrap();
    drop(mount);
    assert!(!listed(directory.path()));
    let mut text = String::new();
    open.read_to_string(&mut text).unwrap();
    assert_eq!(text, "still here");
}

#[test]
fn a_mount_that_came_later_is_left_alone() {
    let first = Mounted::new();
    let path = first.mount.path().to_owned();
    assert!(Command::new("fusermount3").arg("-u").arg(&path).status().unwrap().success());
    let second = start(&path).unwrap();
    drop(first.mount);
    assert!(listed(&path));
    second.unmount().unwrap();
}

#[test]
fn several_threads_serve() {
    let threads = std::num::NonZeroUsize::new(4).unwrap();
    let mounted = Mounted::with(&MountOptions { threads, ..Default::default() });
    for number in 0..100 {
        fs::write(mounted.path(&number.to_string()), b"").unwrap();
    }
    assert_eq!(mounted.mount.unmount().unwrap(), Ended::Unmounted);
}

#[test]
fn a_place_that_cannot_be_mounted_on_is_named() {
    demand_mounts();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    fs::write(path.join("file"), b"").unwrap();
    assert!(matches!(start(&path.join("nothing")), Err(MountError::NotFound(_))));
    assert!(matches!(start(&path.join("file")), Err(MountError::NotADirectory(_))));
    assert!(matches!(start(&path.join("file/below")), Err(MountError::NotADirectory(_))));
    let error = start(path).unwrap_err();
    assert!(matches!(error, MountError::NotEmpty(_)));
    assert!(error.to_string().contains("is not empty"));
    let options = MountOptions { over_entries: true, ..Default::default() };
    let mount = Mount::start(Memory::new(), path, &options).unwrap();
    assert!(matches!(start(path), Err(MountError::AlreadyMounted(_))));
    mount.unmount().unwrap();
    assert!(path.join("file").exists());
}

#[test]
fn a_request_that_panics_ends_the_mount_and_nobody_waits_for_ever() {
    let mounted = Mounted::new();
    let path = mounted.mount.path().to_owned();
    let open = fs::File::create(mounted.path("a")).unwrap();
    mounted.memory.state.lock().broken.insert("mkdir");
    assert_eq!(fs::create_dir(mounted.path("folder")).unwrap_err().raw_os_error(), Some(5));
    assert!(matches!(mounted.mount.wait(), Ended::Failed(_)));
    assert!(open.sync_all().is_err());
    assert!(!listed(&path));
    start(&path).unwrap().unmount().unwrap();
}

/// fuser 0.18 negates the seconds of times before 1970, which overflows for the earliest: harmlessly, as long as
/// overflows of fuser are not checked (`profile.dev.package.fuser`).
#[test]
fn the_earliest_and_latest_times_can_be_set() {
    let mounted = Mounted::new();
    mounted.memory.put("a", b"");
    for seconds in [i64::MAX, i64::MIN + 1, i64::MIN] {
        let time = TimeSpec::new(seconds, 999_999_999);
        utimensat(AT_FDCWD, &mounted.path("a"), &time, &time, UtimensatFlags::FollowSymlink).unwrap();
    }
    assert!(fs::metadata(mounted.path("a")).is_ok());
}

/// Not a test: mounts where another test says, and stays until it is killed or told to end.
#[test]
fn helper_that_mounts() {
    let Some(at) = std::env::var_os(AT) else { return };
    let mount = start(at.as_ref()).unwrap();
    fs::write(mount.path().join("a"), b"a").unwrap();
    println!("\n{READY}");
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
    println!("{:?}", mount.unmount());
}

/// Has `command` run the helper, and waits until it has mounted at `path`.
fn helper(mut command: Command, path: &Path) -> Child {
    let mut child = command
        .args(["lifecycle::helper_that_mounts", "--exact", "--nocapture"])
        .env(AT, path)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap() == READY), "the helper did not mount");
    // What it says later must not find a closed pipe.
    std::thread::spawn(move || lines.for_each(drop));
    child
}

#[test]
fn a_dead_mount_is_cleared_by_the_next() {
    demand_mounts();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let mut child = helper(Command::new(std::env::current_exe().unwrap()), path);
    assert!(matches!(start(path), Err(MountError::AlreadyMounted(_))));
    assert!(!clear_dead(path).unwrap(), "it is alive");
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(fs::metadata(path).unwrap_err().raw_os_error(), Some(nix::errno::Errno::ENOTCONN as i32));
    let mount = start(path).unwrap();
    assert_eq!(fs::read_dir(path).unwrap().count(), 0);
    mount.unmount().unwrap();
    assert!(!listed(path));
}

#[test]
fn a_user_mounts_and_unmounts_through_fusermount3() {
    demand_mounts();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    std::os::unix::fs::chown(path, Some(65534), Some(65534)).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o700)).unwrap();
    let tests = tempfile::tempdir().unwrap();
    fs::set_permissions(tests.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let copied = tests.path().join("tests");
    fs::copy(std::env::current_exe().unwrap(), &copied).unwrap();
    // In a namespace of its own, with a /dev/fuse that users may open, as on a desktop.
    let script = "mount -t tmpfs none /mnt && mknod -m 666 /mnt/fuse c 10 229 \
        && mount --bind /mnt/fuse /dev/fuse && cd / \
        && exec setpriv --reuid=65534 --regid=65534 --clear-groups \"$@\"";
    let mut command = Command::new("unshare");
    command.args(["-m", "sh", "-c", script, "sh"]).arg(&copied);
    let mut child = helper(command, path);
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
}
