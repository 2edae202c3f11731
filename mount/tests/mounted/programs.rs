//! What programs do with files.

use std::collections::HashSet;
use std::ffi::OsString;
use std::fs;
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, symlink};
use std::process::Command;

use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};
use nix::sys::stat::{UtimensatFlags, utimensat};
use nix::sys::time::TimeSpec;

use bosr_mount::Permissions;

use crate::Mounted;

#[test]
fn a_file_is_written_read_renamed_and_removed() {
    let mounted = Mounted::new();
    let bytes: Vec<u8> = (0..3_000_000_u32).map(|index| (index / 7) as u8).collect();
    fs::write(mounted.path("a"), &bytes).unwrap();
    assert_eq!(fs::read(mounted.path("a")).unwrap(), bytes);
    fs::create_dir(mounted.path("folder")).unwrap();
    fs::rename(mounted.path("a"), mounted.path("folder/b")).unwrap();
    assert!(!mounted.path("a").exists());
    let mut file = fs::OpenOptions::new().read(true).write(true).open(mounted.path("folder/b")).unwrap();
    file.seek(SeekFrom::Start(1_000_000)).unwrap();
    file.write_all(b"changed").unwrap();
    file.sync_all().unwrap();
    fs::remove_file(mounted.path("folder/b")).unwrap();
    let mut open_still = Vec::new();
    file.seek(SeekFrom::Start(1_000_000)).unwrap();
    file.read_to_end(&mut open_still).unwrap();
    assert!(open_still.starts_with(b"changed") && open_still.len() == 2_000_000);
    fs::remove_dir(mounted.path("folder")).unwrap();
}

#[test]
fn writes_arrive_in_pieces_of_a_mebibyte() {
    let mounted = Mounted::new();
    for name in ["a", "b"] {
        fs::write(mounted.path(name), vec![7; 4 << 20]).unwrap();
    }
    assert_eq!(mounted.memory.asked("write"), 8);
    assert_eq!(mounted.memory.asked("getxattr"), 2, "capabilities are asked for once a file, not per write");
}

#[test]
fn five_thousand_names_are_listed_once_each_with_their_attributes() {
    let mounted = Mounted::new();
    let names: HashSet<OsString> = (0..5_000).map(|number| format!("file number {number}").into()).collect();
    for (length, name) in names.iter().enumerate() {
        mounted.memory.put(name.to_str().unwrap(), &vec![0; length % 10]);
    }
    let listed: Vec<_> = fs::read_dir(mounted.path("")).unwrap().map(Result::unwrap).collect();
    assert_eq!(listed.len(), 5_000);
    assert_eq!(listed.iter().map(fs::DirEntry::file_name).collect::<HashSet<_>>(), names);
    for entry in &listed {
        let expected = mounted.memory.inode(entry.file_name().to_str().unwrap());
        assert_eq!(entry.metadata().unwrap().ino(), expected.0);
    }
    assert!(mounted.memory.asked("readdirplus") > 0);
    assert!(mounted.memory.asked("lookup") < 5_000, "attributes came with the listing");
}

/// What is being executed is not cut by opening it: the kernel must refuse before it asks for the cut.
#[test]
fn opening_to_cut_cuts_unless_the_file_is_being_executed() {
    let mounted = Mounted::new();
    mounted.memory.put("a", b"before");
    fs::File::options().write(true).truncate(true).open(mounted.path("a")).unwrap();
    assert_eq!(fs::metadata(mounted.path("a")).unwrap().len(), 0);
    let program = fs::read("/bin/sleep").unwrap();
    mounted.memory.put("sleep", &program);
    fs::set_permissions(mounted.path("sleep"), fs::Permissions::from_mode(0o755)).unwrap();
    let mut running = Command::new(mounted.path("sleep")).arg("60").spawn().unwrap();
    let refused = fs::File::options().write(true).truncate(true).open(mounted.path("sleep"));
    assert_eq!(refused.unwrap_err().kind(), std::io::ErrorKind::ExecutableFileBusy);
    running.kill().unwrap();
    running.wait().unwrap();
    assert!(fs::read(mounted.path("sleep")).unwrap() == program);
}

#[test]
fn rename_obeys_its_flags() {
    let mounted = Mounted::new();
    mounted.memory.put("a", b"a");
    mounted.memory.put("b", b"b");
    let rename = |flags| renameat2(AT_FDCWD, &mounted.path("a"), AT_FDCWD, &mounted.path("b"), flags);
    assert_eq!(rename(RenameFlags::RENAME_NOREPLACE), Err(nix::errno::Errno::EEXIST));
    rename(RenameFlags::RENAME_EXCHANGE).unwrap();
    assert_eq!(fs::read(mounted.path("a")).unwrap(), b"b");
    assert_eq!(fs::read(mounted.path("b")).unwrap(), b"a");
    assert_eq!(rename(RenameFlags::RENAME_WHITEOUT), Err(nix::errno::Errno::EINVAL));
}

#[test]
fn links_pipes_and_names_of_any_bytes_work() {
    let mounted = Mounted::new();
    symlink("some/where", mounted.path("link")).unwrap();
    assert_eq!(fs::read_link(mounted.path("link")).unwrap().to_str(), Some("some/where"));
    fs::write(mounted.path("one"), b"same").unwrap();
    fs::hard_link(mounted.path("one"), mounted.path("two")).unwrap();
    assert_eq!(fs::metadata(mounted.path("two")).unwrap().nlink(), 2);
    nix::unistd::mkfifo(&mounted.path("pipe"), nix::sys::stat::Mode::S_IRUSR).unwrap();
    let odd = mounted.path("").join(OsString::from_vec(vec![0xff, b'\n', 1]));
    fs::write(&odd, b"odd").unwrap();
    assert_eq!(fs::read(&odd).unwrap(), b"odd");
}

#[test]
fn times_are_kept_to_the_nanosecond_on_both_sides_of_1970() {
    let mounted = Mounted::new();
    mounted.memory.put("a", b"");
    for (seconds, nanoseconds) in [(5, 7), (-1, 250_000_000), (-2, 0), (1 << 40, 999_999_999)] {
        let time = TimeSpec::new(seconds, nanoseconds);
        utimensat(AT_FDCWD, &mounted.path("a"), &time, &time, UtimensatFlags::FollowSymlink).unwrap();
        let metadata = fs::metadata(mounted.path("a")).unwrap();
        assert_eq!((metadata.mtime(), metadata.mtime_nsec()), (seconds, nanoseconds));
    }
}

#[test]
fn a_change_of_owner_clears_set_id_bits() {
    let mounted = Mounted::new();
    let path = mounted.path("a");
    fs::File::options().write(true).create_new(true).mode(0o755).open(&path).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o6755)).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o6755);
    std::os::unix::fs::chown(&path, Some(1), Some(1)).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o755);
}

#[test]
fn a_change_of_content_by_a_user_clears_set_id_bits_and_by_root_does_not() {
    let mounted = Mounted::with(&bosr_mount::MountOptions { allow_other: true, ..Default::default() });
    let inode = mounted.memory.put("a", b"some content");
    fs::set_permissions(mounted.mount.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let run = |user: &str, script: &str| {
        let set_id = Permissions::from_mode(0o6777);
        mounted.memory.change(inode, |node| node.attributes.permissions = set_id);
        mounted.mount.invalidator().attributes(inode).unwrap();
        let reuid = format!("--reuid={user}");
        let status = std::process::Command::new("setpriv")
            .args([&reuid, "--regid=65534", "--clear-groups", "sh", "-c", script])
            .env("FILE", mounted.path("a"))
            .status()
            .unwrap();
        assert!(status.success(), "{script}");
        fs::metadata(mounted.path("a")).unwrap().mode() & 0o7777
    };
    for script in ["printf more >> $FILE", "printf over > $FILE", "truncate -s 3 $FILE"] {
        assert_eq!(run("65534", script), 0o777, "{script}");
        assert_eq!(run("0", script), 0o6777, "{script} as root");
    }
}

#[test]
fn extended_attributes_are_measured_read_listed_and_removed() {
    let mounted = Mounted::new();
    mounted.memory.put("a", b"");
    let run = |program: &str, arguments: &[&str]| {
        let output =
            std::process::Command::new(program).args(arguments).arg(mounted.path("a")).output().unwrap();
        (output.status.success(), String::from_utf8(output.stdout).unwrap())
    };
    assert!(run("setfattr", &["-n", "user.colour", "-v", "green"]).0);
    let (found, shown) = run("getfattr", &["-d"]);
    assert!(found && shown.contains("user.colour=\"green\""), "{shown}");
    assert!(run("setfattr", &["-x", "user.colour"]).0);
    assert!(!run("getfattr", &["-n", "user.colour"]).0);
}

#[test]
fn space_is_shown() {
    let mounted = Mounted::new();
    let space = nix::sys::statvfs::statvfs(&mounted.path("")).unwrap();
    assert_eq!((space.block_size(), space.blocks(), space.blocks_available()), (4096, 1000, 400));
}
