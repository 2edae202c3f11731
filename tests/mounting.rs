//! The life of a mount and its small promises: options, users, places, `.bosr/status`, what the kernel is told.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::fs;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use nix::fcntl::{AT_FDCWD, OFlag};
use nix::sys::stat::{Mode, UtimensatFlags, utimensat};
use nix::sys::time::TimeSpec;
use support::host::Host;
use support::{run, shell, sys, until};

/// How long anything here may take on a busy machine.
const DEADLINE: Duration = Duration::from_secs(60);

/// A user of every Debian and Ubuntu who owns nothing.
const NOBODY: u32 = 65534;

fn mounted(options: &str) -> Host {
    let host = Host::new("desk");
    host.init();
    host.open_to_others();
    host.mount_with(options);
    host
}

/// The options of the kernel's line for a mount.
fn kernel_options(at: &Path) -> Vec<String> {
    let list = fs::read_to_string("/proc/self/mounts").unwrap();
    let line = list.lines().find(|line| line.split(' ').nth(1) == at.to_str()).expect("a mount");
    line.split(' ').nth(3).unwrap().split(',').map(str::to_owned).collect()
}

/// Runs a script as a user who owns nothing; whether it worked.
fn as_nobody(script: &str) -> bool {
    let mut shell = Command::new("sh");
    shell.args(["-c", script]).uid(NOBODY).gid(NOBODY).current_dir("/").output().unwrap().status.success()
}

/// Options are those of other filesystems: nosuid and nodev unless asked otherwise, other users only if asked.
#[test]
fn options_mean_what_they_mean_elsewhere() {
    let host = mounted("");
    let mount = host.mountpoint();
    fs::write(mount.join("file"), "hello").unwrap();
    let options = kernel_options(&mount);
    assert!(["rw", "nosuid", "nodev"].iter().all(|it| options.contains(&(*it).to_owned())), "{options:?}");
    assert!(!as_nobody(&format!("cat {}/file", mount.display())), "others may not look in");
    host.unmount();
    host.mount_with("ro,noatime,noexec,allow_other");
    let options = kernel_options(&mount);
    assert!(
        ["ro", "noatime", "noexec", "allow_other", "default_permissions"]
            .iter()
            .all(|it| options.contains(&(*it).to_owned())),
        "{options:?}"
    );
    assert!(as_nobody(&format!("test \"$(cat {}/file)\" = hello", mount.display())));
    let written = fs::write(mount.join("new"), "x").unwrap_err();
    assert_eq!(written.kind(), ErrorKind::ReadOnlyFilesystem);
    let refused = host.output(&["mount", "-o", "colour=red", host.path("run").to_str().unwrap()]);
    assert!(!refused.status.success() && String::from_utf8_lossy(&refused.stderr).contains("colour=red"));
    host.unmount();
}

/// Mounted by root, owners are kept and obeyed; with owner=mounter, files belong to who mounted.
#[test]
fn owners_are_kept_or_the_mounters() {
    let host = mounted("allow_other");
    let mount = host.mountpoint();
    shell(
        &mount,
        "echo secret > theirs; chown 1234:4321 theirs; chmod 600 theirs; mkdir open; chmod 777 open",
    );
    assert!(!as_nobody(&format!("cat {}/theirs", mount.display())), "permissions are obeyed");
    assert!(as_nobody(&format!("echo mine > {}/open/mine", mount.display())));
    let owner = |path: &str| fs::metadata(mount.join(path)).map(|it| (it.uid(), it.gid())).unwrap();
    assert_eq!((owner("theirs"), owner("open/mine")), ((1234, 4321), (NOBODY, NOBODY)));
    host.unmount();
    host.mount_with("owner=mounter");
    assert_eq!((owner("theirs"), owner("open/mine")), ((0, 0), (0, 0)));
    host.unmount();
    host.mount();
    assert_eq!(owner("theirs"), (1234, 4321), "what is kept did not change");
}

/// An ordinary user mounts through fusermount3, and what is there belongs to that user.
#[test]
fn an_ordinary_user_mounts() {
    let host = Host::new("desk");
    host.open_to_others();
    for folder in ["home", "run", "mnt"] {
        std::os::unix::fs::chown(host.path(folder), Some(NOBODY), Some(NOBODY)).unwrap();
    }
    // In a namespace of its own, with a /dev/fuse that users may open, as on a desktop; and with a copy of the
    // program, which may lie where only root may look.
    let program = host.path("bosr");
    fs::copy(env!("CARGO_BIN_EXE_bosr"), &program).unwrap();
    let open_device = "mount -t tmpfs none /mnt && mknod -m 666 /mnt/fuse c 10 229 && mount --bind /mnt/fuse /dev/fuse \
        && cd / && exec setpriv --reuid=65534 --regid=65534 --clear-groups sh -eu -c \"$0\"";
    let work = "bosr=$HOME/../bosr; mnt=$HOME/../mnt
        $bosr init --key-file $HOME/key
        $bosr mount $mnt
        cd $mnt; echo hello > file; mkdir d; mv file d/; test \"$(cat d/file)\" = hello
        test \"$(stat -c %u d/file)\" = 65534; cd /
        mkdir $HOME/second; if $bosr mount $HOME/second 2> $HOME/refused; then exit 1; fi
        grep -q 'only root' $HOME/refused
        $bosr unmount $mnt; test -z \"$(ls $mnt)\"
        $bosr fsck";
    run(host.command("unshare").args(["-m", "sh", "-c", open_device, work]));
}

/// What permissions forbid a user, they forbid in a mount that nobody else can use, where the kernel asks nothing
/// beforehand: act by act as in a plain folder.
#[test]
fn a_user_alone_is_held_to_permissions_too() {
    let acts = "
        mkdir d + echo hi > d/f + cp /bin/true d/run + mkdir p q p/sub
        chmod 400 d/f + echo x >> d/f + cat d/f + truncate -s 0 d/f + setfattr -n user.a -v b d/f + test -r d/f + test -w d/f + test -x d/f
        chmod 200 d/f + cat d/f + echo x >> d/f + getfattr -n user.a d/f + test -r d/f + test -w d/f
        chmod 600 d/f + setfattr -n user.a -v b d/f + getfattr --only-values -n user.a d/f + chown 0 d/f + chgrp 0 d/f + chgrp 65534 d/f
        chmod 000 d/f + touch -c -d @1 d/f + stat -c %Y d/f + mv d/f d/e + mv d/e d/f
        chmod 644 d/run + d/run + chmod 111 d/run + d/run + cat d/run + cp d/run d/copy + chmod 640 d/run + test -x d/run
        chmod 555 d + touch d/new + rm -f d/f + mv d/f d/g + mkdir d/x + ln d/f d/h + ln -s a d/s + mkfifo d/p + ls d + mv d/f f + rmdir p
        chmod 300 d + ls d + chmod 600 d/f + cat d/f + cd d
        chmod 600 d + for try in $(seq 10000); do stat d/f > /dev/null || exit 1; done + ls d + cat d/f + cd d + touch d/new + ln p/x d/y
        chmod 700 d + cat d/f + cd d
        chmod 555 p/sub + mv p/sub q + mv p/sub p/same + mv p/same p/sub + chmod 755 p/sub + mv p/sub q + ls q
        chmod 500 q + rmdir q/sub + chmod 700 q + rmdir q/sub
        rm -r d p q + ls -a";
    let host = Host::new("desk");
    host.open_to_others();
    for folder in ["home", "run", "mnt"] {
        std::os::unix::fs::chown(host.path(folder), Some(NOBODY), Some(NOBODY)).unwrap();
    }
    let program = host.path("bosr");
    fs::copy(env!("CARGO_BIN_EXE_bosr"), &program).unwrap();
    let open_device = "mount -t tmpfs none /mnt && mknod -m 666 /mnt/fuse c 10 229 && mount --bind /mnt/fuse /dev/fuse \
        && cd / && exec setpriv --reuid=65534 --regid=65534 --clear-groups sh -eu -c \"$0\" \"$1\"";
    let work = "bosr=$HOME/../bosr; mnt=$HOME/../mnt
        did() { cd $1; echo \"$acts\" | tr '+' '\\n' | while read -r act; do test \"$act\" || continue
            said=$(sh -c \"$act\" 2> /dev/null < /dev/null) && ok=yes || ok=no; echo \"$act: $ok $said\"; done; cd /; }
        acts=$0; mkdir $HOME/plain; did $HOME/plain > $HOME/plain.txt
        $bosr init --key-file $HOME/key
        $bosr mount $mnt; did $mnt > $HOME/vault.txt; grep \" $(realpath $mnt) \" /proc/self/mounts > $HOME/mounts; $bosr unmount $mnt";
    run(host.command("unshare").args(["-m", "sh", "-c", open_device, work, acts]));
    let read = |name| fs::read_to_string(host.path("home").join(name)).unwrap();
    assert!(!read("mounts").contains("default_permissions"), "nobody else can come in");
    let (plain, vault) = (read("plain.txt"), read("vault.txt"));
    let differ: Vec<_> = plain.lines().zip(vault.lines()).filter(|(plain, vault)| plain != vault).collect();
    assert!(differ.is_empty() && plain.lines().count() == vault.lines().count(), "{differ:#?}");
    assert!(plain.contains("rm -f d/f: no") && plain.contains("echo x >> d/f: no"), "{plain}");
}

/// The helper that mount(8) calls for a line of fstab.
#[test]
fn fstab_mounts_by_the_helper() {
    let host = Host::new("desk");
    host.init();
    let helper = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/mount.bosr");
    let programs = Path::new(env!("CARGO_BIN_EXE_bosr")).parent().unwrap();
    let mut mount = host.command(helper);
    mount.env("PATH", format!("{}:/usr/bin:/bin", programs.display()));
    mount.arg("default").arg(host.mountpoint()).args([
        "-s",
        "-o",
        "rw,noauto,nofail,x-systemd.automount,noatime",
    ]);
    run(&mut mount);
    assert!(kernel_options(&host.mountpoint()).contains(&"noatime".to_owned()));
    fs::write(host.mountpoint().join("file"), "hello").unwrap();
    host.unmount();
}

/// A vault at two places is one filesystem: what is done at one is there at the other, at once. One of them ends
/// without the other.
#[test]
fn two_places_show_one_vault() {
    let host = mounted("");
    let (one, other) = (host.mountpoint(), host.path("second"));
    fs::create_dir(&other).unwrap();
    host.ok(&["mount", "-o", "ro", other.to_str().unwrap()]);
    let places = host.status()["mounts"].clone();
    assert_eq!(places.as_array().unwrap().len(), 2, "{places}");
    let mut file = fs::File::create(one.join("file")).unwrap();
    for round in 0..50 {
        writeln!(file, "line {round}").unwrap();
        assert_eq!(fs::read_to_string(other.join("file")).unwrap().lines().count(), round + 1);
    }
    drop(file);
    fs::rename(one.join("file"), one.join("moved")).unwrap();
    assert!(other.join("moved").exists() && !other.join("file").exists());
    assert_eq!(fs::write(other.join("new"), "x").unwrap_err().kind(), ErrorKind::ReadOnlyFilesystem);
    let again = host.output(&["mount", other.to_str().unwrap()]);
    assert!(!again.status.success(), "not twice at one place");
    host.unmount();
    assert_eq!(fs::read_dir(&one).unwrap().count(), 0);
    assert!(other.join("moved").exists());
    host.ok(&["unmount", other.to_str().unwrap()]);
    assert_eq!(fs::read_dir(&other).unwrap().count(), 0);
    until("the owner's end", DEADLINE, || host.owner().is_none());
    host.fsck();
}

/// `.bosr/status` and the attributes of files say how the vault and they stand.
#[test]
fn status_and_attributes_tell_how_things_stand() {
    let host = mounted("");
    let mount = host.mountpoint();
    fs::write(mount.join("file"), "hello").unwrap();
    let listed: Vec<_> = fs::read_dir(&mount).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(listed, ["file"], ".bosr is not listed");
    let told: serde_json::Value =
        serde_json::from_slice(&fs::read(mount.join(".bosr/status")).unwrap()).unwrap();
    assert_eq!(told["device"], "desk");
    assert_eq!(told["mounts"][0], mount.to_str().unwrap());
    assert!(told["root"].is_string() && told["waiting"]["files"] == 0, "{told}");
    let file = mount.join("file");
    let attribute = |name: &str| String::from_utf8(sys::xattr(&file, name).unwrap()).unwrap();
    assert_eq!(attribute("user.bosr.state"), "local");
    assert_eq!(attribute("user.bosr.replicas"), "[\"desk\"]");
    let version = attribute("user.bosr.version");
    fs::write(&file, "more").unwrap();
    until("another version", DEADLINE, || attribute("user.bosr.version") != version);
    assert_eq!(sys::xattrs(&file).unwrap(), Vec::<String>::new(), "nothing that a copy would carry along");
    assert!(sys::set_xattr(&file, "user.bosr.state", b"remote").is_err());
}

/// What there is no way to do says so as other filesystems do, and numbers of space are those of the disk.
#[test]
fn what_cannot_be_done_says_so() {
    let host = mounted("");
    let mount = host.mountpoint();
    let temporary =
        nix::fcntl::open(&mount, OFlag::O_TMPFILE | OFlag::O_RDWR, Mode::from_bits_truncate(0o600));
    assert_eq!(temporary.unwrap_err(), nix::errno::Errno::EOPNOTSUPP);
    let (here, below) = (
        nix::sys::statvfs::statvfs(&mount).unwrap(),
        nix::sys::statvfs::statvfs(&host.path("home")).unwrap(),
    );
    assert!(
        here.blocks_free() > 0
            && here.blocks_available() * here.fragment_size() <= below.blocks_free() * below.fragment_size()
    );
    assert_eq!(here.name_max(), 255);
    assert_eq!(fs::write(mount.join("n".repeat(256)), "x").unwrap_err().raw_os_error(), Some(36));
    fs::write(mount.join("N".repeat(255)), "upper").unwrap();
    assert!(!mount.join("n".repeat(255)).exists(), "case tells names apart");
    // Version 2; the owner, a user, the group, the mask, others: eight bytes each.
    let mut list = vec![2, 0, 0, 0];
    for (tag, permissions, id) in
        [(1u16, 7u16, u32::MAX), (2, 7, NOBODY), (4, 5, u32::MAX), (16, 7, u32::MAX), (32, 5, u32::MAX)]
    {
        list.extend(tag.to_le_bytes().into_iter().chain(permissions.to_le_bytes()).chain(id.to_le_bytes()));
    }
    let acl = sys::set_xattr(&mount, "system.posix_acl_access", &list).unwrap_err();
    assert_eq!(acl, nix::errno::Errno::EOPNOTSUPP);
}

/// Times: a new vault's root is not of 1970, any time can be set without harm, and directories and changes keep
/// theirs over a remount.
#[test]
fn times_are_kept() {
    let host = mounted("");
    let mount = host.mountpoint();
    assert!(fs::metadata(&mount).unwrap().mtime() > 1_700_000_000);
    let file = mount.join("file");
    fs::write(&file, "hello").unwrap();
    for seconds in [i64::MIN, i64::MIN + 1, -1, 0, i64::MAX] {
        for nanoseconds in [0, 999_999_999] {
            let time = TimeSpec::new(seconds, nanoseconds);
            utimensat(AT_FDCWD, &file, &time, &time, UtimensatFlags::NoFollowSymlink).unwrap();
        }
    }
    let (first, last) = (TimeSpec::new(-9_000_000_000, 0), TimeSpec::new(9_000_000_000, 123_456_789));
    utimensat(AT_FDCWD, &file, &first, &last, UtimensatFlags::NoFollowSymlink).unwrap();
    shell(
        &mount,
        "mkdir d; touch -d 2001-02-03 d; touch d/new; mkdir old; touch old/x; touch -d 2001-02-03 old",
    );
    let times = |path: &Path| {
        let it = fs::metadata(path).unwrap();
        ((it.atime(), it.mtime(), it.mtime_nsec()), (it.ctime(), it.ctime_nsec()))
    };
    let before: Vec<_> = ["file", "d", "old"].iter().map(|name| times(&mount.join(name))).collect();
    assert_eq!(before[0].0, (-9_000_000_000, 9_000_000_000, 123_456_789));
    assert!(before[1].0.1 > 1_700_000_000 && before[2].0.1 < 1_000_000_000, "{before:?}");
    host.unmount();
    host.mount();
    let after: Vec<_> = ["file", "d", "old"].iter().map(|name| times(&mount.join(name))).collect();
    assert_eq!(before, after);
    host.fsck();
}

/// A file or directory that lost its name is still what it was for who uses it.
#[test]
fn what_is_in_use_outlives_its_name() {
    let host = mounted("");
    let mount = host.mountpoint();
    let mut file = fs::File::create(mount.join("file")).unwrap();
    fs::remove_file(mount.join("file")).unwrap();
    file.write_all(b"to nobody").unwrap();
    let metadata = file.metadata().unwrap();
    assert_eq!((metadata.nlink(), metadata.len()), (0, 9));
    fs::create_dir(mount.join("dir")).unwrap();
    let dir = fs::File::open(mount.join("dir")).unwrap();
    fs::remove_dir(mount.join("dir")).unwrap();
    assert_eq!(dir.metadata().unwrap().nlink(), 0);
    file.set_permissions(fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(file.metadata().unwrap().mode() & 0o777, 0o600);
    let held = host.output(&["unmount", mount.to_str().unwrap()]);
    assert!(!held.status.success() && String::from_utf8_lossy(&held.stderr).contains("in use"));
    drop((file, dir));
    host.unmount();
    host.fsck();
}

/// Locks are between programs of this device.
#[test]
fn locks_hold_on_this_device() {
    let host = mounted("");
    let file = host.mountpoint().join("file");
    let holder = fs::File::create(&file).unwrap();
    holder.lock().unwrap();
    let other = fs::File::open(&file).unwrap();
    assert!(matches!(other.try_lock(), Err(fs::TryLockError::WouldBlock)));
    holder.unlock().unwrap();
    other.try_lock().unwrap();
}
