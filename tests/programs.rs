//! Real programs doing their real work on the mount.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::path::{Path, PathBuf};
use std::time::Duration;

use support::host::Host;
use support::sys::Watch;
use support::{shell, tree, until};

fn mounted() -> (Host, PathBuf) {
    let host = Host::new("desk");
    host.init();
    host.mount();
    let mount = host.mountpoint();
    (host, mount)
}

/// After its work every vault is checked, and shows the same after a remount.
fn remount_and_check(host: &Host, folder: &Path) {
    let copy = host.path("copy");
    shell(folder, &format!("cp -a . {}", copy.display()));
    let owner = host.owner().unwrap();
    host.unmount();
    // A command that meets an owner which is about to end is told to run again.
    until("the owner's end", Duration::from_secs(60), || !Path::new(&format!("/proc/{owner}")).exists());
    host.fsck();
    host.mount();
    tree::assert_same(&copy, folder);
}

/// vim with its swap file, its rename dance and its backup.
#[test]
fn vim_edits_and_saves() {
    let (host, mount) = mounted();
    shell(
        &mount,
        "echo one > text; chmod 640 text
        vim -Nu NONE -es -c 'set backup writebackup swapfile backupskip=' -c 's/one/two/' -c 'w' -c 's/two/three/' -c 'wq' text
        test \"$(cat text)\" = three; test \"$(stat -c %a text)\" = 640; test \"$(cat text~)\" = two
        test -z \"$(ls -A | grep swp || true)\"",
    );
    remount_and_check(&host, &mount);
}

/// git: clone, commit, branch, garbage collection, fsck.
#[test]
fn git_works_in_a_vault() {
    let (host, mount) = mounted();
    let origin = host.path("origin");
    shell(
        host.path("home").as_path(),
        &format!(
            "git init -q -b main {0}; cd {0}; git config user.email a@b; git config user.name a
            for n in $(seq 200); do echo $n > f$n; done; git add -A; git commit -qm first; git gc -q",
            origin.display()
        ),
    );
    shell(
        &mount,
        &format!(
            "git clone -q file://{} clone; cd clone; git config user.email a@b; git config user.name a
            echo more >> f1; git mv f2 g2; git commit -qam second; git checkout -qb side; echo x > x; git add x
            git commit -qm side; git checkout -q main; git merge -q --no-edit side; git gc -q
            test -z \"$(git status --porcelain)\"; git fsck --full --strict",
            origin.display()
        ),
    );
    remount_and_check(&host, &mount);
}

/// cp -a, tar and rsync bring a tree in and out unchanged; a second rsync copies nothing.
#[test]
fn copies_are_exact() {
    let (host, mount) = mounted();
    let source = host.path("source");
    std::fs::create_dir(&source).unwrap();
    tree::fill(&source, 500, 3_000_000);
    let from = source.display();
    shell(&mount, &format!("cp -a {from} copied"));
    tree::assert_same(&source, &mount.join("copied"));
    shell(
        &mount,
        &format!("tar -C {from} --format=posix -cf - . | (mkdir untarred; tar -C untarred -xpf -)"),
    );
    tree::assert_same(&source, &mount.join("untarred"));
    shell(&mount, &format!("rsync -a --checksum {from}/ synced/"));
    tree::assert_same(&source, &mount.join("synced"));
    let again = shell(&mount, &format!("rsync -ai --checksum {from}/ synced/"));
    assert_eq!(again, "", "a second rsync copies nothing");
    remount_and_check(&host, &mount);
}

/// SQLite with a rollback journal and with a write-ahead log.
#[test]
fn sqlite_keeps_its_databases() {
    let (host, mount) = mounted();
    for mode in ["delete", "wal"] {
        let checked = shell(
            &mount,
            &format!(
                "sqlite3 {mode}.db 'PRAGMA journal_mode={mode}' 'CREATE TABLE t(a INTEGER PRIMARY KEY, b TEXT)' >/dev/null
                for n in $(seq 30); do sqlite3 {mode}.db 'INSERT INTO t(b) SELECT hex(randomblob(200)) FROM (VALUES(1),(2),(3),(4),(5))'; done
                sqlite3 {mode}.db 'BEGIN; UPDATE t SET b=upper(b)||b WHERE a%3=0; DELETE FROM t WHERE a%7=0; COMMIT; VACUUM'
                sqlite3 {mode}.db 'PRAGMA integrity_check' 'SELECT count(*) FROM t'"
            ),
        );
        assert_eq!(checked, "ok\n129\n");
    }
    remount_and_check(&host, &mount);
}

/// A small crate is built, changed and built again.
#[test]
fn cargo_builds_a_crate() {
    let (host, mount) = mounted();
    let built = shell(
        &mount,
        "unset CARGO_TARGET_DIR; cargo new -q --vcs none hello; cd hello; cargo build -q --offline; ./target/debug/hello
        sed -i s/Hello/Goodbye/ src/main.rs; cargo build -q --offline; ./target/debug/hello",
    );
    assert_eq!(built, "Hello, world!\nGoodbye, world!\n");
    remount_and_check(&host, &mount);
}

/// A file manager's trash: into the mount's own with a note where it came from, and back; inotify tells of it all.
#[test]
fn a_trash_takes_and_gives_back_and_inotify_tells() {
    let (host, mount) = mounted();
    shell(&mount, "mkdir -p .Trash-0/files .Trash-0/info stuff; echo kept > stuff/file");
    let mut watch = Watch::new(&mount);
    shell(
        &mount,
        "printf '[Trash Info]\nPath=stuff\n' > .Trash-0/info/stuff.trashinfo
        mv -nT stuff .Trash-0/files/stuff; test ! -e stuff
        mv -nT .Trash-0/files/stuff stuff; test \"$(cat stuff/file)\" = kept
        echo x > new; rm new; rm -r .Trash-0",
    );
    let expected =
        [libc::IN_MOVED_FROM, libc::IN_MOVED_TO, libc::IN_CREATE, libc::IN_MODIFY, libc::IN_DELETE];
    let told = watch.told();
    assert!(expected.iter().all(|event| told & event != 0), "{told:#x}");
    drop(watch);
    remount_and_check(&host, &mount);
}

/// tar finds holes and makes them again; rsync carries attributes and hard links there and back.
#[test]
fn holes_attributes_and_links_go_there_and_back() {
    let (host, mount) = mounted();
    let away = host.path("away");
    std::fs::create_dir(&away).unwrap();
    shell(
        &mount,
        &format!(
            "truncate -s 200M holes; printf middle | dd of=holes bs=1 seek=100000000 conv=notrunc status=none
            tar -cSf {0}/holes.tar holes; test $(stat -c %s {0}/holes.tar) -lt 1000000
            mkdir untarred; tar -xSf {0}/holes.tar -C untarred; cmp holes untarred/holes; rm -r untarred holes
            mkdir from; cd from; echo one > one; ln one two; ln -s nowhere dangling; setfattr -n user.note -v kept one
            rsync -aHXS ./ {0}/copy/; rsync -aHXS {0}/copy/ ../back/
            test -z \"$(rsync -naicHX --delete ./ ../back/)\"; test \"$(getfattr --only-values -n user.note ../back/two)\" = kept",
            away.display()
        ),
    );
    remount_and_check(&host, &mount);
}
